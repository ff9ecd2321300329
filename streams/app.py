"""The runner as a Faust app on aiokafka: at least once, one agent, one table in memory with its changelog.

The source topic isn't acked through Faust: its bookkeeping commits over a hole at the head of a partition, and acks
records that it skips around a rebalance. The runner knows how far each partition is done, and that is committed here,
once a second, after the producer has been flushed. So no hole may reach the runner: `streams.reading` sees to it.
A state is in the changelog before its chunk counts as done.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from math import nan
from pathlib import Path
from typing import Any

import faust
from aiokafka.errors import ClusterAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError
from aiokafka.partitioner import murmur2
from faust.exceptions import ProducerSendError
from faust.types import TP

from infra.kafka import KafkaAccess
from infra.memory import return_holes
from schemas.errors import AccessDenied, SealframeError, ServiceUnavailable
from schemas.topics import MAX_RECORD_BYTES, TABLE, WORKER_GROUP
from streams.clock import BrokerClock, now_ms, steady_ms
from streams.lanes import Limits
from streams.reading import Reading
from streams.runner import Runner
from streams.stage import Arrival, Output, Stage

COMMIT_S = 1.0
TICK_S = 0.5
MEMORY_S = 1.0
BUFFER_RECORDS = 2
FETCH_BYTES = 2**20
"""Of a partition in one fetch; a larger record comes alone (KIP-74). What waits for the worker stays at the broker."""
REQUEST_S = 30.0
DENIED = "not authorized for this client"
log = logging.getLogger(__name__)


def partition_of(key: bytes, partitions: int) -> int:
    """Where aiokafka, librdkafka (`murmur2_random`) and Java place a key."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions


@dataclass(frozen=True, slots=True)
class AppSetup:
    """`member` is the worker's stable id within its group; `folder` is Faust's own; `group` names table and group.

    `clock` (ms) says how late cameras are, against the broker's times: without it, the broker's own.
    """

    kafka: KafkaAccess
    member: str
    folder: Path
    limits: Limits = field(default_factory=Limits)
    group: str = WORKER_GROUP
    clock: Callable[[], int] | None = None


class FaustPort:
    """The runner's port: producer, table and positions of a Faust app."""

    def __init__(self, app: faust.App, table: Any) -> None:
        self._app, self._table = app, table
        self.clock = BrokerClock()
        self.positions: dict[int, int] = {}

    async def load(self, camera_id: str) -> bytes | None:
        """What the table holds."""
        found = self._table.data.get(camera_id.encode())
        return None if found is None else bytes(found)

    async def store(self, camera_id: str, state: bytes) -> None:
        """Write the changelog, await its acknowledgement, then the table."""
        key = camera_id.encode()
        await self._produce(self._table.changelog_topic.get_topic_name(), key, state)
        self._table.data[key] = state

    async def send(self, output: Output) -> None:
        """Produce and await the acknowledgement."""
        await self._produce(output.topic, output.key, output.value)

    def ack(self, partition: int, offset: int) -> None:
        """Note how far the partition is done."""
        self.positions[partition] = offset + 1

    async def _produce(self, topic: str, key: bytes, value: bytes) -> None:
        try:
            sent_ms = now_ms()
            sent = await self._app.producer.send(topic, key, value, None, None, None)
            stamp_ms = (await sent).timestamp
            if stamp_ms is not None:
                self.clock.heard(sent_ms, round(stamp_ms))
        except (KafkaError, ProducerSendError) as error:
            cause = error.__cause__ if isinstance(error, ProducerSendError) else error
            if isinstance(cause, TopicAuthorizationFailedError | ClusterAuthorizationFailedError):
                raise AccessDenied(f"writing to {topic}: {type(cause).__name__}") from error
            raise ServiceUnavailable(f"writing to {topic}: {type(cause).__name__}") from error


class WorkerApp:
    """A stage on Kafka. `faust` is the app to run; `runner` what runs in it."""

    def __init__(
        self, stage: Stage[Any], source: str, setup: AppSetup, pool: Executor,
        gate: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.faust, self._source = _app(setup), source
        table = self.faust.Table(TABLE, key_type=bytes, value_type=bytes, partitions=None, use_partitioner=True)
        self._port = FaustPort(self.faust, table)
        clock = setup.clock or self._port.clock
        self.runner: Runner[Any] = Runner(stage, self._port, pool, setup.limits, gate=gate, clock=clock)
        self._reading = Reading()
        self._busy = self._closing = False
        self._paused: set[TP] = set()
        self.denied = ""
        self.reread = 0
        self._declare()

    def lag(self) -> dict[int, float]:
        """Records behind the end of each assigned partition of the source; not a number while that isn't known."""
        return {tp.partition: self._behind(tp) for tp in self._assigned()}

    def figures(self) -> dict[str, float]:
        """How far it is: assigned partitions, records not read yet, done and not committed, whether it rebalances."""
        if self.faust.consumer is None or not self.faust.consumer.started:
            return {}
        lag = self.lag()
        return {
            "partitions": len(lag), "lag": sum(lag.values()), "uncommitted": len(self._port.positions),
            "rebalancing": float(self.faust.rebalancing), "reread": self.reread, "paused": len(self._paused),
        }

    def failing(self) -> str:
        """Why this worker doesn't work, or nothing."""
        if self.runner.error is not None:
            return f"{type(self.runner.error).__name__}: {self.runner.error}"
        return self.denied

    def _declare(self) -> None:
        topic = self.faust.topic(
            self._source, key_serializer="raw", value_serializer="raw", key_type=bytes, value_type=bytes, acks=False
        )
        self.faust.agent(topic, concurrency=1, name="chunks")(self._take)
        self.faust.timer(TICK_S)(self._tick)
        self.faust.timer(COMMIT_S)(self._commit)
        self.faust.timer(MEMORY_S)(self._return_holes)
        self.faust.task()(self._watch)
        signals: Any = self.faust
        signals.on_partitions_revoked.connect(self._revoked, weak=False)
        signals.on_before_shutdown.connect(self._shutdown, weak=False)

    async def _take(self, stream: Any) -> None:
        async for event in stream.noack().events():
            message = event.message
            if not self._settled() or message.generation_id != self.faust.consumer_generation_id:
                continue
            if not self._reading.take(message.partition, message.offset):
                continue
            place = (message.topic, message.partition, message.offset)
            sent_ms = round((message.timestamp or 0) * 1000)
            self._busy = True
            try:
                await self.runner.submit(Arrival(*place, message.key or b"", message.value or b"", sent_ms))
            finally:
                self._busy = False
            self._pause(TP(message.topic, message.partition))

    async def _tick(self) -> None:
        if not self._settled():
            return
        for tp in self._assigned():
            self._pause(tp)
            if tp in self._paused:
                self._reading.rest(tp.partition)
            else:
                await self._read_on(tp)
        self.runner.tick(steady_ms(), {tp.partition for tp in self._assigned() if self._behind(tp) != 0})

    def _pause(self, tp: TP) -> None:
        """Read no more of a partition with too much in hand, go on once it has less: others are read meanwhile.

        Faust counts it among those with full buffers, too: else it would lose the rest of what has been fetched.
        """
        if self.runner.crowded(tp.partition):
            self._paused.add(tp)
            self._consumer.pause_partitions({tp})
            self._consumer.on_buffer_full(tp)
        elif tp in self._paused:
            self._paused.discard(tp)
            self._consumer.on_buffer_drop(tp)
            self._consumer.resume_partitions({tp})

    async def _return_holes(self) -> None:
        return_holes()

    async def _read_on(self, tp: TP) -> None:
        """Begin at what is committed, and go back to a record that didn't come."""
        try:
            if self._reading.expected(tp.partition) is None:
                committed, first = self._consumer._committed_offset.get(tp) or 0, await self._first(tp)
                if self._settled():
                    self._reading.begin(tp.partition, max(committed, first))
            end = self.faust.consumer.highwater(tp)
            offset = None if end is None or self._busy else self._reading.missing(tp.partition, end, steady_ms())
            if offset is None:
                return
            first = await self._first(tp)
            if not self._settled() or self._reading.expected(tp.partition) != offset:
                return
            if first > offset:
                log.error("%s/%s: records %s to %s were removed unread", tp.topic, tp.partition, offset, first - 1)
                self._reading.begin(tp.partition, first)
            self.reread += 1
            # not `seek`: it changes the fetcher from outside its thread, under its loop
            await self._consumer.seek_wait({tp: max(first, offset)})
        except (KafkaError, TimeoutError) as error:
            log.warning("%s/%s: %s; trying again", tp.topic, tp.partition, type(error).__name__)
        except ServiceUnavailable as error:
            self.denied = f"{tp.topic}: {error}"
            await self.faust.crash(error)

    async def _first(self, tp: TP) -> int:
        return int((await self.faust.consumer.earliest_offsets(tp))[tp])

    @property
    def _consumer(self) -> Any:
        """Faust's consumer with what it doesn't publish."""
        return self.faust.consumer

    def _settled(self) -> bool:
        return not self._closing and not self.faust.rebalancing

    async def _commit(self) -> None:
        if self._settled():
            await self._commit_positions()

    async def _commit_positions(self) -> None:
        done, self._port.positions = self._port.positions, {}
        if done:
            await self._consumer._commit_offsets({TP(self._source, number): at for number, at in done.items()})

    async def _watch(self) -> None:
        await self.runner.stopped.wait()
        await self.faust.crash(self.runner.error or SealframeError("the worker stopped"))

    async def _revoked(self, app: Any, revoked: Any, **_: Any) -> None:
        await self._let_go()

    async def _shutdown(self, app: Any, **_: Any) -> None:
        self._closing = True
        await self._let_go()

    async def _let_go(self) -> None:
        """Forget what is in flight: Faust goes back to what is committed on all partitions, its own too.

        Reading is forgotten first: a record taken after the runner let go would be committed over those before it.
        """
        self._reading.forget()
        self._consumer._buffered_partitions.difference_update(self._paused)
        self._consumer._paused_partitions.difference_update(self._paused)
        self._paused.clear()
        await self.runner.revoke()
        await self._commit_positions()

    def _assigned(self) -> list[TP]:
        return [tp for tp in self.faust.consumer.assignment() if tp.topic == self._source]

    def _behind(self, tp: TP) -> float:
        end, expected = self.faust.consumer.highwater(tp), self._reading.expected(tp.partition)
        return nan if end is None or expected is None else max(0, end - expected)


def run(worker: WorkerApp, *, loglevel: str = "WARNING") -> None:
    """Run until SIGTERM or SIGINT (returns), or a failure.

    Raises:
        SealframeError: what stopped the worker; what wasn't acked comes again.

    """
    handler = _Denied(worker)
    logging.getLogger().addHandler(handler)
    logging.getLogger("aiokafka").setLevel(loglevel)  # else each request's record is made, and thrown away
    try:
        faust.Worker(worker.faust, loglevel=loglevel, quiet=True, redirect_stdouts=False).execute_from_commandline()
    except SystemExit as ended:
        if worker.runner.error is not None:
            raise SealframeError(worker.failing()) from worker.runner.error
        if ended.code:
            raise SealframeError(f"the worker ended with {ended.code}; see its log") from ended
    finally:
        logging.getLogger().removeHandler(handler)


class _Denied(logging.Handler):
    """Faust stays alive when the broker refuses it, and only says so in the log."""

    def __init__(self, worker: WorkerApp) -> None:
        super().__init__(logging.WARNING)
        self._worker = worker

    def emit(self, record: logging.LogRecord) -> None:
        if DENIED in record.getMessage():
            self._worker.denied = record.getMessage()


def _app(setup: AppSetup) -> faust.App:
    context = setup.kafka.identity.client_context()
    # Faust makes an event loop of its own when none is set
    asyncio.set_event_loop(asyncio.new_event_loop())
    return faust.App(
        setup.group,
        broker=[f"kafka://{host.strip()}" for host in setup.kafka.bootstrap.split(",")],
        broker_credentials=faust.SSLCredentials(context=context),
        processing_guarantee="at_least_once",
        store="memory://",
        datadir=str(setup.folder),
        consumer_group_instance_id=f"{setup.group}-{setup.member}",
        broker_session_timeout=10.0,
        broker_heartbeat_interval=2.0,
        broker_commit_interval=COMMIT_S,
        broker_request_timeout=REQUEST_S,
        producer_request_timeout=REQUEST_S,
        producer_max_request_size=MAX_RECORD_BYTES,
        consumer_max_fetch_size=FETCH_BYTES,
        stream_buffer_maxsize=BUFFER_RECORDS,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        web_enabled=False,
    )
