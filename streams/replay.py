"""Record a range of a topic to a file, and replay the file into a fresh broker, byte for byte.

Records are in the order of (partition, offset). Keys place them again as they were, since equal partition counts are
required.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from infra.atomic import AtomicFile
from infra.framing import RECORDED, framed
from infra.kafka import Consumer, Message, Producer
from schemas.codec import encode
from schemas.errors import ServiceUnavailable, UsageError
from schemas.records import RecordedRecord
from streams.push import acknowledged
from streams.recording import recorded

IN_FLIGHT = 64
STALL_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Range:
    """Which records: offsets from `first` up to `last` (not with it) of each partition, captured since `since_ms`."""

    first: int = 0
    last: int | None = None
    since_ms: int = 0


@dataclass(frozen=True, slots=True)
class Replayed:
    """Totals."""

    records: int
    bytes: int


def record(consumer: Consumer, topic: str, path: Path, wanted: Range | None = None) -> Replayed:
    """Write what lies in the topic now to a file, which appears whole or not at all.

    Raises:
        ServiceUnavailable: the topic isn't there, or couldn't be read to its end.
        UsageError: a range that is empty by its own terms.

    """
    wanted = wanted or Range()
    if wanted.last is not None and wanted.last <= wanted.first:
        raise UsageError("the range ends before it begins")
    count = size = 0
    with AtomicFile(path) as target:
        file = target.file
        if file is None:
            raise UsageError("a recording needs a file")
        file.write(RECORDED)
        for message in _messages(consumer, topic, wanted):
            if message.timestamp_ms < wanted.since_ms:
                continue
            one = RecordedRecord(message.topic, message.key, message.value, message.timestamp_ms)
            file.write(framed(encode(one)))
            count, size = count + 1, size + len(message.value)
    return Replayed(count, size)


def replay(producer: Producer, path: Path, *, topic: str = "") -> Replayed:
    """Send every record of a file, to its own topic or to `topic`, and wait until all are acknowledged.

    Raises:
        MalformedRecord: not a recording, or a truncated one; what came before the fault has been sent.

    """
    count = size = 0
    waiting: deque[Future[Message]] = deque()
    with path.open("rb") as file:
        for item in recorded(file):
            waiting.append(producer.send(topic or item.topic, item.key, item.value))
            while waiting and (len(waiting) >= IN_FLIGHT or waiting[0].done()):
                acknowledged(waiting.popleft(), producer)
            count, size = count + 1, size + len(item.value)
    producer.flush()
    return Replayed(count, size)


def _messages(consumer: Consumer, topic: str, wanted: Range) -> Iterator[Message]:
    for number in consumer.partitions(topic):
        low, high = consumer.bounds(topic, number)
        low, high = max(low, wanted.first), high if wanted.last is None else min(high, wanted.last)
        if low >= high:
            continue
        consumer.assign([(topic, number, low)])
        silent = 0.0
        while True:
            message = consumer.poll(1.0)
            if message is None:
                silent += 1.0
                if silent >= STALL_SECONDS:
                    raise ServiceUnavailable(f"{topic}/{number} wasn't read to offset {high}")
                continue
            silent = 0.0
            if message.offset < high:
                yield message
            if message.offset >= high - 1:
                break
