"""Takes `operator.video.v1` into the store: check each record, store a batch, raise alarms, commit the offsets.

At least once: a record whose offset wasn't committed comes again and is recognised by its digest. A record that doesn't
hold is refused, counted and alarmed; all others go on. While disk or database refuse, the same batch is tried again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Gauge

from infra.kafka import Consumer, Message, Producer
from schemas.codec import pack, unpack_as
from schemas.errors import IntegrityError, PoisonError, TransientError
from schemas.records import Alarm
from schemas.topics import ALARMS
from streams.clock import now_ms
from streams.operating.store import Finding, Store
from streams.verify import Identify, check_record

SOURCE = "operator"
BATCH_RECORDS = 64
BATCH_BYTES = 16 * 2**20
RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0)
UPKEEP_SECONDS = 300.0
ALARM_AGAIN_MS = 10 * 60_000
log = logging.getLogger(__name__)


class Sink:
    """One consumer, one store."""

    def __init__(
        self,
        consumer: Consumer,
        producer: Producer,
        store: Store,
        identify: Identify,
        registry: CollectorRegistry,
        *,
        batch_records: int = BATCH_RECORDS,
    ) -> None:
        """`identify` says whose a signer certificate is; the consumer follows `operator.video.v1`."""
        self._batch_records = batch_records
        self._unsent: list[Finding] = []
        self._consumer, self._producer, self._store = consumer, producer, store
        self._identify = lru_cache(maxsize=64)(identify)
        self._alarmed: dict[tuple[str, str], int] = {}
        self.failing = ""
        self._records = Counter(
            "sealframe_operator_records", "Records of operator.video.v1 by what became of them", ["outcome"],
            registry=registry,
        )
        self._refused = Counter(
            "sealframe_operator_refused", "Records that were refused, by error", ["error"], registry=registry
        )
        self._bytes = Counter("sealframe_operator_media_bytes", "Media bytes received", registry=registry)
        self._delay = Gauge(
            "sealframe_operator_delay_seconds", "From the broker's time stamp to the stored batch", registry=registry
        )

    def run(
        self, stop: threading.Event, check: Callable[[], None] = lambda: None,
        upkeep: Callable[[], list[Finding]] = list,
    ) -> None:
        """Take records until told to stop; `check` is called now and then, and ends it by raising.

        `upkeep` is called at the start and every five minutes between batches, and between tries to store one, as it
        may free the disk: what it finds is alarmed.

        Raises:
            AccessDenied: the broker refuses topic, group or certificate.

        """
        self._unsent += self._store.recover()
        due = 0.0

        def between() -> None:
            nonlocal due
            check()
            if time.monotonic() >= due:
                due = time.monotonic() + UPKEEP_SECONDS
                self._upkeep(upkeep)

        while not stop.is_set():
            between()
            messages = self._gather()
            if messages and self._insist(messages, stop, between):
                self._commit(messages)

    def take(self, messages: Sequence[Message]) -> None:
        """Store a batch and raise its alarms.

        Raises:
            ServiceUnavailable: disk, database or broker refuse; the same batch may be tried again.

        """
        with self._store.batch() as batch:
            for message in messages:
                try:
                    record = unpack_as("operator", message.value)
                    outcome = batch.put(check_record(record, self._identify), message.timestamp_ms)
                    self._records.labels(outcome).inc()
                    self._bytes.inc(len(record.media))
                except (PoisonError, IntegrityError) as error:
                    batch.refuse(message.partition, message.offset, message.timestamp_ms, error)
                    self._refused.labels(type(error).__name__).inc()
                    batch.findings.append(_refusal(message, error))
        self._unsent += batch.findings
        self._send_alarms()
        self._delay.set(max(0.0, time.time() - messages[-1].timestamp_ms / 1000))

    def _upkeep(self, upkeep: Callable[[], list[Finding]]) -> None:
        try:
            self._unsent += upkeep()
            self._send_alarms()
        except TransientError as error:
            log.warning("upkeep: %s; it is tried again", error)

    def _gather(self) -> list[Message]:
        """What is there, up to the size of a batch; waits half a second for the first record."""
        messages: list[Message] = []
        size, wait = 0, 0.5
        try:
            while len(messages) < self._batch_records and size < BATCH_BYTES:
                message = self._consumer.poll(wait)
                if message is None:
                    break
                messages.append(message)
                size, wait = size + len(message.value), 0.0
            if not messages:
                self.failing = ""
        except TransientError as error:
            self.failing = str(error)
            log.warning("%s", error)
        return messages

    def _insist(self, messages: Sequence[Message], stop: threading.Event, between: Callable[[], None]) -> bool:
        """Try until the batch is stored; false when told to stop before that."""
        tries = 0
        while not stop.is_set():
            try:
                self.take(messages)
                self.failing = ""
                return True
            except TransientError as error:
                self.failing = str(error)
                log.warning("%s; trying again", error)
                self._send(Finding("store-refuses", "", f"{error}; nothing is lost, the sink waits"))
                stop.wait(RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)])
                tries += 1
                between()
        return False

    def _commit(self, messages: Sequence[Message]) -> None:
        """Say what is done; where that fails, the records come again and are recognised."""
        try:
            for message in {message.partition: message for message in messages}.values():
                self._consumer.commit(message)
        except TransientError as error:
            log.warning("%s", error)

    def _send_alarms(self) -> None:
        """Alarms are kept until the broker has them."""
        if self._unsent:
            for finding in self._unsent:
                self._send(finding)
            try:
                self._producer.flush()
            except TransientError:
                for finding in self._unsent:
                    self._alarmed.pop((finding.kind, finding.text), None)
                raise
            self._unsent.clear()

    def _send(self, finding: Finding) -> None:
        """Send an alarm; the same one again after ten minutes at the earliest."""
        now = now_ms()
        key = (finding.kind, finding.text)
        if now - self._alarmed.get(key, -ALARM_AGAIN_MS) < ALARM_AGAIN_MS:
            return
        if len(self._alarmed) > 10_000:
            self._alarmed.clear()
        self._alarmed[key] = now
        log.warning("%s: %s", finding.kind, finding.text)
        alarm = Alarm(finding.kind, SOURCE, finding.camera_id, now, finding.text)
        self._producer.send(ALARMS, finding.camera_id.encode() or SOURCE.encode(), pack("alarm", alarm))


def _refusal(message: Message, error: Exception) -> Finding:
    place = f"{message.topic}/{message.partition}/{message.offset}"
    camera_id = message.key.decode("utf-8", "replace")
    return Finding("record-refused", camera_id, f"{place}: {type(error).__name__}: {error}")
