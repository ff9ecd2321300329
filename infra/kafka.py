"""Kafka for producers and consumers; with `infra/kafka_admin.py` the only module that knows confluent-kafka.

`KafkaAccess` names a broker and a principal's certificate, and makes producers and consumers. Keys are placed by
`murmur2_random`, as Java and aiokafka place them. Errors leave as those of `schemas.errors`: `AccessDenied` for what
the broker or TLS refuses, `ServiceUnavailable` for the rest. Nothing is created by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from confluent_kafka import Consumer as _Consumer
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as _Message
from confluent_kafka import Producer as _Producer

from infra.tls import Identity
from schemas.errors import AccessDenied, ChunkTooLarge, SealframeError, ServiceUnavailable
from schemas.topics import MAX_RECORD_BYTES

SECONDS = 15.0
JOIN_SECONDS = 3.0
PARTITION_ANY = -1
DENIED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    KafkaError._AUTHENTICATION,
    KafkaError._SSL,
}


@dataclass(frozen=True, slots=True)
class Message:
    """One record as it lies in a topic; `timestamp_ms` is when the broker took it."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """A broker (`host:port,...`) and who calls it."""

    bootstrap: str
    identity: Identity

    def producer(self, *, linger_ms: int = 5, timeout_ms: int = 30_000) -> Producer:
        """An idempotent producer; a record not acknowledged within `timeout_ms` fails."""
        return Producer(self, linger_ms, timeout_ms)

    def consumer(self, group: str, topics: Sequence[str] = (), *, member: str = "", earliest: bool = True) -> Consumer:
        """A consumer that commits by hand; `member` is its stable id within the group.

        Without topics it follows what `assign` names.
        """
        return Consumer(self, group, topics, member, earliest)

    def config(self) -> dict[str, Any]:
        """The librdkafka settings that all clients share."""
        return {
            "bootstrap.servers": self.bootstrap,
            "client.id": f"sealframe-{self.identity.principal}",
            "security.protocol": "ssl",
            "ssl.ca.location": str(self.identity.ca),
            "ssl.certificate.location": str(self.identity.cert),
            "ssl.key.location": str(self.identity.key),
            "ssl.endpoint.identification.algorithm": "https",
            "broker.address.family": "v4" if self.bootstrap.startswith("localhost:") else "any",
            "socket.timeout.ms": 10_000,
            "reconnect.backoff.ms": 250,
            "reconnect.backoff.max.ms": 2_000,
            "log_level": 0,
        }


class ErrorWatch:
    """Remembers the last error that a client's threads reported, for calls that only see a time-out."""

    def __init__(self) -> None:
        self.last: KafkaError | None = None

    def __call__(self, error: KafkaError) -> None:
        """Take a report of librdkafka's."""
        if error.code() != KafkaError._ALL_BROKERS_DOWN or self.last is None:
            self.last = error

    @property
    def denied(self) -> bool:
        """The last thing reported was a refusal.

        With TLS 1.3 a client learns only after its handshake that its certificate is refused, by an alert.
        """
        return self.last is not None and (self.last.code() in DENIED or "ssl/tls alert" in self.last.str())

    def translate(self, error: KafkaError | KafkaException, what: str) -> SealframeError:
        """An error of ours for one of Kafka's; a time-out after a refused handshake is a refusal."""
        cause = error.args[0] if isinstance(error, KafkaException) else error
        timed_out = cause.code() in (KafkaError._MSG_TIMED_OUT, KafkaError._TIMED_OUT, KafkaError._TRANSPORT)
        if timed_out and self.denied:
            return AccessDenied(f"{what}: certificate refused")
        if cause.code() in DENIED:
            return AccessDenied(f"{what}: {cause.name()}")
        if cause.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            return ChunkTooLarge(f"{what}: record over the broker's limit")
        return ServiceUnavailable(f"{what}: {cause.name()}")


class Producer:
    """Sends records and reports failures at `flush`, or by the future that `send` returns.

    After an error that librdkafka calls fatal (the broker refuses or has forgotten an idempotent producer) what waits
    fails, and the next record goes out as a new producer's.
    """

    def __init__(self, access: KafkaAccess, linger_ms: int, timeout_ms: int) -> None:
        self._watch = ErrorWatch()
        self._failed: list[SealframeError] = []
        self._config = {
            **access.config(),
            "enable.idempotence": True,
            "acks": "all",
            "partitioner": "murmur2_random",
            "compression.type": "none",
            "linger.ms": linger_ms,
            "message.timeout.ms": timeout_ms,
            "message.max.bytes": MAX_RECORD_BYTES,
            "queue.buffering.max.kbytes": 64 * 1024,
            "error_cb": self._watch,
        }
        self._producer = _Producer(self._config)

    def send(self, topic: str, key: bytes, value: bytes, *, partition: int | None = None) -> Future[Message]:
        """Queue a record; the future holds where it lies, once acknowledged. Waits while the queue is full.

        Futures complete during `send`, `poll` and `flush`.

        Raises:
            ChunkTooLarge: the record is over 8 MiB.

        """
        sent: Future[Message] = Future()

        def delivered(error: KafkaError | None, message: _Message) -> None:
            if error is not None:
                failure = self._watch.translate(error, f"writing to {topic}")
                self._failed.append(failure)
                sent.set_exception(failure)
            else:
                self._watch.last = None
                place = int(message.partition() or 0), int(message.offset() or 0)
                sent.set_result(Message(topic, *place, key, value, message.timestamp()[1]))

        target = PARTITION_ANY if partition is None else partition
        while True:
            try:
                self._producer.produce(topic, value, key, target, on_delivery=delivered)
                break
            except BufferError:
                self.poll(0.5)
            except KafkaException as error:
                if error.args[0].code() != KafkaError._FATAL:
                    raise self._watch.translate(error, f"writing to {topic}") from error
                self._begin_anew()
        self.poll()
        return sent

    def poll(self, seconds: float = 0.0) -> None:
        """Complete the futures of what was acknowledged meanwhile."""
        self._serve(self._producer.poll, seconds)

    def flush(self, seconds: float = 60.0) -> None:
        """Wait until every record is acknowledged.

        Raises:
            AccessDenied, ServiceUnavailable, ChunkTooLarge: the first failure since the last flush, a refusal first.

        """
        left = self._serve(self._producer.flush, seconds)
        failed, self._failed = self._failed, []
        if failed:
            raise next((failure for failure in failed if isinstance(failure, AccessDenied)), failed[0])
        if left:
            raise ServiceUnavailable(f"{left} records aren't acknowledged after {seconds:.0f} s")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.flush()
        else:
            self._producer.purge()
            self._serve(self._producer.flush, 1.0)

    def _serve(self, wait: Callable[[float], int], seconds: float) -> int:
        """Run callbacks by `wait`; gives how many records aren't acknowledged.

        The binding raises a fatal error there instead of reporting it, and loses it (SystemError) if a callback that
        reports a delivery follows.
        """
        try:
            return wait(seconds)
        except KafkaException as error:
            self._failed.append(self._watch.translate(error, "writing"))
        except SystemError:
            self._failed.append(ServiceUnavailable("writing: the broker ended this producer"))
        self._begin_anew()
        return 0

    def _begin_anew(self) -> None:
        """Fail what waits and go on as a new producer."""
        ended, self._producer = self._producer, _Producer(self._config)
        ended.purge()
        with suppress(KafkaException, SystemError):
            ended.flush(1.0)


class Consumer:
    """Reads records; commits when told."""

    def __init__(self, access: KafkaAccess, group: str, topics: Sequence[str], member: str, earliest: bool) -> None:
        self._watch = ErrorWatch()
        self._known: set[str] = set()
        self._what = f"reading {', '.join(topics) or 'topics'}"
        self._consumer = _Consumer({
            **access.config(),
            "group.id": group,
            **({"group.instance.id": member} if member else {}),
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest" if earliest else "latest",
            "isolation.level": "read_committed",
            "allow.auto.create.topics": False,
            "session.timeout.ms": 10_000,
            "heartbeat.interval.ms": 2_000,
            "fetch.message.max.bytes": MAX_RECORD_BYTES,
            "queued.max.messages.kbytes": 32 * 1024,
            "error_cb": self._watch,
        })
        self._subscribed = bool(topics)
        if topics:
            self._consumer.subscribe(list(topics))

    def assign(self, places: Iterable[tuple[str, int, int]]) -> None:
        """Read from these (topic, partition, offset) instead of a group's share.

        Raises:
            AccessDenied: no right to a topic; librdkafka would wait without a word.

        """
        wanted = list(places)
        for topic in {topic for topic, _, _ in wanted} - self._known:
            self.partitions(topic)
            self._known.add(topic)
        self._consumer.assign([TopicPartition(*place) for place in wanted])

    def poll(self, seconds: float) -> Message | None:
        """The next record, None when none came in time.

        Raises:
            AccessDenied: the broker refuses topic, group or certificate.
            ServiceUnavailable: any other failure that a retry by the client didn't mend.

        """
        message = self._consumer.poll(seconds)
        if message is None:
            if self._watch.denied:
                raise AccessDenied(f"{self._what}: certificate refused")
            return None
        error = message.error()
        if error is not None:
            raise self._watch.translate(error, self._what)
        self._watch.last = None
        return Message(
            str(message.topic()), int(message.partition() or 0), int(message.offset() or 0),
            bytes(message.key() or b""), bytes(message.value() or b""), message.timestamp()[1],
        )

    def commit(self, message: Message) -> None:
        """All records of its partition up to and with this one are done."""
        try:
            self._consumer.commit(
                offsets=[TopicPartition(message.topic, message.partition, message.offset + 1)], asynchronous=False
            )
        except KafkaException as error:
            raise self._watch.translate(error, f"committing {message.topic}/{message.partition}") from error

    def partitions(self, topic: str) -> tuple[int, ...]:
        """Partition numbers of a topic.

        Raises:
            AccessDenied, ServiceUnavailable: also when the topic doesn't exist.

        """
        try:
            found = self._consumer.list_topics(topic, timeout=SECONDS).topics[topic]
        except KafkaException as error:
            raise self._watch.translate(error, f"describing {topic}") from error
        if found.error is not None:
            raise self._watch.translate(found.error, f"describing {topic}")
        return tuple(sorted(found.partitions))

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """First offset kept, and the offset that the next record will get."""
        try:
            low, high = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=SECONDS)
        except KafkaException as error:
            raise self._watch.translate(error, f"bounds of {topic}/{partition}") from error
        return int(low), int(high)

    def at_end(self, topic: str) -> bool:
        """Whether it has read the group's whole topic to where that ends now, as the broker says when asked.

        False also while the broker doesn't answer, or hasn't given it all partitions.
        """
        held = [place for place in self._consumer.assignment() if place.topic == topic]
        try:
            if not held or {place.partition for place in held} != set(self.partitions(topic)):
                return False
            reached = self._reached(held)
            for place in held:
                low, high = self.bounds(topic, place.partition)
                if max(low, reached[place.partition]) < high:
                    return False
        except ServiceUnavailable:
            return False
        return True

    def _reached(self, held: list[TopicPartition]) -> dict[int, int]:
        """The next offset by partition: after what was read, else after what the group had committed before."""
        try:
            places = self._consumer.position(held)
            unread = [place for place in places if place.offset < 0]
            if unread:
                places += self._consumer.committed(unread, timeout=SECONDS)
        except KafkaException as error:
            raise self._watch.translate(error, self._what) from error
        return {place.partition: place.offset for place in places}

    def read_all(self, topic: str, *, seconds: float = 30.0) -> list[Message]:
        """Every record that lies in the topic now, by partition and offset; takes no part in a group.

        Raises:
            ServiceUnavailable: the end wasn't reached in time.

        """
        ends = {number: self.bounds(topic, number) for number in self.partitions(topic)}
        self.assign((topic, number, low) for number, (low, high) in ends.items() if low < high)
        waiting = {number: high for number, (low, high) in ends.items() if low < high}
        found: list[Message] = []
        deadline = time.monotonic() + seconds
        while waiting:
            if time.monotonic() > deadline:
                raise ServiceUnavailable(f"{topic} wasn't read to its end in {seconds:.0f} s")
            message = self.poll(0.2)
            if message is not None:
                found.append(message)
            positions = self._consumer.position([TopicPartition(topic, number) for number in waiting])
            waiting = {p.partition: waiting[p.partition] for p in positions if p.offset < waiting[p.partition]}
        return sorted(found, key=lambda message: (message.partition, message.offset))

    def close(self) -> None:
        """Leave the group; one that is just being joined is joined first.

        librdkafka's `close` never returns when it meets an assignment that nobody has polled yet: its callback asks the
        group for the protocol, and the group has ended by then.
        """
        until = time.monotonic() + JOIN_SECONDS
        while self._subscribed and not self._consumer.assignment() and time.monotonic() < until:
            self._consumer.poll(0.05)
        self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
