"""A topic recorded to a file and replayed into a broker: the same bytes in the same order."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from infra.framing import RECORDED
from infra.kafka import Message
from schemas.errors import AccessDenied, MalformedRecord, UsageError
from schemas.records import RecordedRecord
from schemas.topics import OPERATOR_EVENTS, OPERATOR_VIDEO
from streams.recording import recorded
from streams.replay import Range, record, replay
from tests.support.services import Broker, unique

# `replay` goes to another topic here, for the session has one broker; partition counts are equal
SOURCE, COPY = OPERATOR_EVENTS, OPERATOR_VIDEO
LENGTH = struct.Struct(">I")


def _send(broker: Broker, prefix: str) -> list[tuple[bytes, bytes]]:
    pairs = [(f"{prefix}-{n % 3}".encode(), bytes([n]) * (n * 1000)) for n in range(12)]
    with broker.access("pipeline").producer() as producer:
        for key, value in pairs:
            producer.send(SOURCE, key, value)
    return pairs


def _mine(messages: list[Message], prefix: str) -> list[tuple[int, bytes, bytes]]:
    return [(m.partition, m.key, m.value) for m in messages if m.key.startswith(prefix.encode())]


def test_replayed_topic_is_equal_byte_for_byte(broker: Broker, tmp_path: Path) -> None:
    prefix = unique("replay")
    pairs = _send(broker, prefix)
    with broker.access("operator").consumer("operator.test") as consumer:
        original = _mine(consumer.read_all(SOURCE), prefix)
        totals = record(consumer, SOURCE, tmp_path / "topic.rec")
    assert len(original) == len(pairs)
    assert totals.records >= len(pairs)
    assert totals.bytes >= sum(len(value) for _, value in pairs)
    with broker.access("pipeline").producer() as producer:
        again = replay(producer, tmp_path / "topic.rec", topic=COPY)
    assert again == totals
    with broker.access("operator").consumer("operator.test") as consumer:
        assert _mine(consumer.read_all(COPY), prefix) == original
        record(consumer, COPY, tmp_path / "copy.rec")
    with (tmp_path / "topic.rec").open("rb") as one, (tmp_path / "copy.rec").open("rb") as two:
        mine = [[(r.key, r.value) for r in recorded(f) if r.key.startswith(prefix.encode())] for f in (one, two)]
    assert mine[0] == mine[1]


def test_recorded_range_holds_no_more(broker: Broker, tmp_path: Path) -> None:
    _send(broker, unique("range"))
    with broker.access("operator").consumer("operator.test") as consumer:
        ends = sum(min(3, consumer.bounds(SOURCE, number)[1]) - 1 for number in consumer.partitions(SOURCE))
        assert record(consumer, SOURCE, tmp_path / "part.rec", Range(1, 3)).records == ends
        assert record(consumer, SOURCE, tmp_path / "none.rec", Range(since_ms=2**50)).records == 0
        with pytest.raises(UsageError):
            record(consumer, SOURCE, tmp_path / "wrong.rec", Range(3, 3))
        with pytest.raises(AccessDenied):
            record(consumer, "no.such.topic", tmp_path / "missing.rec")
    assert not (tmp_path / "wrong.rec").exists()


@pytest.mark.parametrize(
    "data",
    [b"", b"SEALFRR2", RECORDED + b"\0\0", RECORDED + LENGTH.pack(10) + b"short", RECORDED + LENGTH.pack(0),
     RECORDED + LENGTH.pack(2**31), RECORDED + LENGTH.pack(2) + b"\xff\xff"],
    ids=["empty", "magic", "cut length", "cut record", "empty record", "huge record", "no record"],
)
def test_damaged_recording_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "damaged.rec"
    path.write_bytes(data)
    with path.open("rb") as file, pytest.raises(MalformedRecord):
        list(recorded(file))


def test_recording_written_byte_by_byte_is_read(tmp_path: Path) -> None:
    one = b"\x0a\x01t\x12\x01k\x1a\x02vv\x20\x0a"  # topic, key, value, time (zigzag: twice)
    path = tmp_path / "by-hand.rec"
    path.write_bytes(b"SEALFRR1" + b"\0\0\0" + bytes([len(one)]) + one)
    with path.open("rb") as file:
        assert list(recorded(file)) == [RecordedRecord("t", b"k", b"vv", 5)]
