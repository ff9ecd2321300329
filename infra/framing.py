"""Files of records: a magic, then records, each behind its length (4 bytes, big endian)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from schemas.errors import MalformedRecord
from schemas.topics import MAX_RECORD_BYTES

EVIDENCE = b"SEALFRE1"
RECORDED = b"SEALFRR1"
ZONES = b"SEALFRZ1"
PACKAGE = b"SEALFRK1"
MAX_BYTES = MAX_RECORD_BYTES + 2**16


def framed(record: bytes) -> bytes:
    """A record behind its length."""
    return struct.pack(">I", len(record)) + record


def read_framed(file: BinaryIO, magic: bytes) -> Iterator[bytes]:
    """The records of a file, one by one.

    Raises:
        MalformedRecord: another magic, a length over the limit, or a truncated record.

    """
    if file.read(len(magic)) != magic:
        raise MalformedRecord(f"not a file of format {magic.decode()}")
    while header := file.read(4):
        size = struct.unpack(">I", header)[0] if len(header) == 4 else MAX_BYTES + 1
        if size > MAX_BYTES:
            raise MalformedRecord("a record's length is truncated or over the limit")
        record = file.read(size)
        if len(record) != size:
            raise MalformedRecord("the last record is truncated")
        yield record
