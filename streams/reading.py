"""Where reading stands in each partition of the source: the next record is taken, and no other. No I/O.

Faust loses records now and then: after recovery it fetches before it has resumed, and resuming clears its queues (faust
issue 596). As what is done is committed without a look at holes, a hole must never come in: a record that comes too
early isn't taken, and reading goes back to the one that is missing. This holds for sources without holes of their own:
neither compacted nor transactional. Times are passed in, milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from schemas.errors import ServiceUnavailable

STALL_MS = 3_000
MAX_TRIES = 20


@dataclass(slots=True)
class _Place:
    expected: int
    gap: bool = False
    since_ms: int | None = None
    tries: int = 0


@dataclass
class Reading:
    """Expected offsets by partition."""

    _places: dict[int, _Place] = field(default_factory=dict)
    _early: set[int] = field(default_factory=set)

    def begin(self, partition: int, offset: int) -> None:
        """Expect this offset first: the committed one, or the first that is kept."""
        self._places[partition] = _Place(offset, gap=partition in self._early)
        self._early.discard(partition)

    def forget(self) -> None:
        """All partitions begin anew."""
        self._places.clear()
        self._early.clear()

    def expected(self, partition: int) -> int | None:
        """The offset to come next, None before `begin`."""
        place = self._places.get(partition)
        return place.expected if place else None

    def take(self, partition: int, offset: int) -> bool:
        """The record is the next one. False: it was taken before, or one ahead of it is missing."""
        place = self._places.get(partition)
        if place is None:
            self._early.add(partition)
            return False
        if offset != place.expected:
            place.gap = place.gap or offset > place.expected
            return False
        self._places[partition] = _Place(offset + 1)
        return True

    def rest(self, partition: int) -> None:
        """Nothing of the partition is asked for now, so nothing is missing."""
        if partition in self._places:
            self._places[partition].since_ms = None

    def missing(self, partition: int, end: int, now_ms: int) -> int | None:
        """The offset to read again from: one was skipped, or nothing came for a while although the source has more.

        Raises:
            ServiceUnavailable: it was asked for again and again, and never came.

        """
        place = self._places.get(partition)
        if place is None or place.expected >= end:
            if place is not None:
                place.since_ms = None
            return None
        if place.since_ms is None:
            place.since_ms = now_ms
        if not place.gap and now_ms - place.since_ms < STALL_MS:
            return None
        if place.tries >= MAX_TRIES:
            raise ServiceUnavailable(f"offset {place.expected} of partition {partition} can't be read")
        place.gap, place.since_ms, place.tries = False, now_ms, place.tries + 1
        return place.expected
