"""What moved in a chunk: JSON on `operator.events.v1`. How many are hidden in each frame, and the way each went.

Nothing says who is who from chunk to chunk: ways are listed anew in each, by where they begin.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from schemas.errors import MalformedRecord
from schemas.frames import MAX_NAME, MAX_SIDE, MAX_TIME_MS

PLATE = "plate"
MAX_NUMBER = 2**31 - 1
MANY = 100_000


@dataclass(frozen=True, slots=True)
class Way:
    """One object in a chunk: from frame `first` to `last`, its middle (x, y) in samples in both."""

    kind: str
    first: int
    last: int
    begin: tuple[int, int]
    end: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Movement:
    """A chunk's movement. `counts`: objects in each frame; `by_kind`: the same by kind, those that were found.

    `unseen` frames are masked whole: nobody counted there.
    """

    camera_id: str
    video_id: str
    chunk_seq: int
    capture_ms: int
    length_ms: int
    counts: tuple[int, ...]
    by_kind: Mapping[str, tuple[int, ...]]
    unseen: tuple[int, ...]
    ways: tuple[Way, ...]

    def of(self, *, plates: bool) -> tuple[int, ...]:
        """How many plates are in view, or how many people (faces, heads, whole persons), per frame not `unseen`."""
        rows = [row for kind, row in self.by_kind.items() if (kind == PLATE) == plates]
        seen = (index for index in range(len(self.counts)) if index not in self.unseen)
        return tuple(sum(row[index] for row in rows) for index in seen)


def to_json(movement: Movement) -> bytes:
    """The record's value."""
    return json.dumps(asdict(movement), sort_keys=True, separators=(",", ":")).encode()


def from_json(data: bytes) -> Movement:
    """Read a record's value.

    Raises:
        MalformedRecord: anything else than `to_json` writes.

    """
    try:
        fields = json.loads(data)
        ways = tuple(
            Way(_name(way["kind"]), _number(way["first"]), _number(way["last"]), _place(way["begin"]),
                _place(way["end"]))
            for way in _some(fields["ways"])
        )
        counts = _numbers(fields["counts"])
        by_kind = {_name(kind): _numbers(row) for kind, row in fields["by_kind"].items()}
        if any(len(row) != len(counts) for row in by_kind.values()):
            raise ValueError("by_kind")
        return Movement(
            _name(fields["camera_id"]), _name(fields["video_id"]), _number(fields["chunk_seq"]),
            _number(fields["capture_ms"], MAX_TIME_MS), _number(fields["length_ms"]), counts, by_kind,
            _numbers(fields["unseen"]), ways,
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise MalformedRecord(f"{len(data)} bytes that aren't a chunk's movement") from error


def _some(value: Any) -> list[Any]:
    if not isinstance(value, list) or len(value) > MANY:
        raise ValueError("list")
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME or "\0" in value:
        raise ValueError("name")
    return value


def _number(value: Any, most: int = MAX_NUMBER) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError("number")
    return value


def _numbers(value: Any) -> tuple[int, ...]:
    return tuple(_number(one) for one in _some(value))


def _place(value: Any) -> tuple[int, int]:
    x, y = _some(value)
    return _number(x, MAX_SIDE), _number(y, MAX_SIDE)
