"""What a runner has in hand: records by partition and by camera, and the bounds of that. No I/O here."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Generic

from schemas.state import CameraState
from streams.stage import Arrival, Body, Item


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds. `unacked_*` are per partition; a retry waits `backoff_s`, doubled each time.

    `waiting_bytes`: what of a partition was taken and is neither worked on nor held; more stays in the source.
    """

    unacked_records: int = 256
    unacked_bytes: int = 64 * 2**20
    waiting_bytes: int = 4 * 2**20
    idle_ms: int = 3_000
    retries: int = 6
    backoff_s: float = 0.25


@dataclass(slots=True, eq=False)
class Slot(Generic[Body]):
    """A record that isn't acked; `item` where it was opened before its turn."""

    arrival: Arrival
    item: Item[Body] | None = None
    done: bool = False


@dataclass(slots=True, eq=False)
class Lane(Generic[Body]):
    """A camera's records; `held` waits for the next of its video, `seen_ms` is when a tick first saw it wait.

    `known`: the state that was read last, as it was stored and as it was read.
    """

    camera: str
    waiting: deque[tuple[Slot[Body], bool]] = field(default_factory=deque)
    held: tuple[Slot[Body], Item[Body]] | None = None
    seen_ms: int | None = None
    task: asyncio.Task[None] | None = None
    known: tuple[bytes, CameraState] | None = None

    @property
    def resting(self) -> bool:
        """Nothing waits and nothing is worked on; a chunk may be held."""
        return self.task is None and not self.waiting


@dataclass(slots=True, eq=False)
class Partition(Generic[Body]):
    """A partition's records in order, up to the first that isn't done and behind it; `size` is their bytes."""

    slots: deque[Slot[Body]] = field(default_factory=deque)
    size: int = 0
    lanes: dict[bytes, Lane[Body]] = field(default_factory=dict)

    def full(self, bound: Limits) -> bool:
        """So much is unacked that no more is taken."""
        return len(self.slots) >= bound.unacked_records or self.size >= bound.unacked_bytes

    def behind(self, bound: Limits, times: int) -> bool:
        """So many times `waiting_bytes` wait for their turn."""
        waiting = (slot for lane in self.lanes.values() for slot, flush in lane.waiting if not flush)
        return sum(len(slot.arrival.value) for slot in waiting) >= times * bound.waiting_bytes
