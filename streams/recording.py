"""Files of recorded topics: `SEALFRR1`, then for each record its length (u32, big-endian) and a `RecordedRecord`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from infra.framing import RECORDED, read_framed
from schemas.codec import decode
from schemas.errors import MalformedRecord
from schemas.records import RecordedRecord


def recorded(file: BinaryIO) -> Iterator[RecordedRecord]:
    """The records of a recording, in order; raises MalformedRecord for one that isn't or is cut."""
    for data in read_framed(file, RECORDED):
        if not data:
            raise MalformedRecord("the recording holds an empty record")
        yield decode(RecordedRecord, data)
