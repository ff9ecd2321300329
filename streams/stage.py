"""What the runner and its stages hand each other, and what the runner needs of the world. No I/O here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from schemas.frames import FrameChunk
from schemas.state import CameraState

Body = TypeVar("Body")
CAMERA = "camera"
"""Source of chunks that never were on a topic: an edge's."""
OVERLOAD = "Overload"
"""What the reason of a chunk begins with that was dropped from a late camera's video."""
FRESH_MS = 600_000
"""A chunk that came so much later than it was captured is replayed, and nobody waits for it."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A record as it lies in its source; `sent_ms`: when it got there, by the source's clock."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes = field(repr=False)
    sent_ms: int = 0


@dataclass(frozen=True, slots=True)
class Output:
    """A record to send."""

    topic: str
    key: bytes
    value: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Due:
    """When a live chunk came (ms) and how long it is; `skippable`: its video can go on without it."""

    sent_ms: int
    length_s: float
    skippable: bool


@dataclass(frozen=True, slots=True)
class Item(Generic[Body]):
    """What a stage made of an arrival: where it stands in its video, and the rest; `due` if somebody waits for it."""

    video_id: str
    seq: int
    end: bool
    body: Body = field(repr=False)
    due: Due | None = None


class Stage(Protocol[Body]):
    """One part of the topology. All but `initial`, `expect` and `forget`, which don't wait, run in the pool."""

    def open(self, arrival: Arrival) -> Item[Body]:
        """Check and decode; raises PoisonError for a record that can't be processed."""
        ...

    def initial(self, camera_id: str) -> CameraState:
        """State of a camera that was never seen."""
        ...

    def expect(self, item: Item[Body], level: int) -> None:
        """What comes after the next item, maybe at this level of effort: its search may begin in time."""
        ...

    def forget(self, camera_id: str) -> None:
        """No more items of this camera are to come for now."""
        ...

    def step(
        self, state: CameraState, item: Item[Body], following: Item[Body] | None
    ) -> tuple[CameraState, Sequence[Output]]:
        """State at the end of the chunk, and what to send, in order; equal input gives equal outputs."""
        ...

    def lose(self, state: CameraState, item: Item[Body]) -> tuple[CameraState, Sequence[Output]]:
        """The same of an item that goes to quarantine, so that its video tells that it is missing; raises nothing."""
        ...

    def quarantine(self, arrival: Arrival, reason: str) -> Output:
        """The record sealed away, with the reason."""
        ...

    def overload(self, item: Item[Body]) -> Output:
        """The alarm that a chunk is dropped."""
        ...


class Port(Protocol):
    """What the runner needs of the world."""

    async def load(self, camera_id: str) -> bytes | None:
        """The stored state."""
        ...

    async def store(self, camera_id: str, state: bytes) -> None:
        """Store a state; returns once it is durable."""
        ...

    async def send(self, output: Output) -> None:
        """Send a record; returns once it is acknowledged."""
        ...

    def ack(self, partition: int, offset: int) -> None:
        """All records of the partition up to and with this one are done."""
        ...


def due(chunk: FrameChunk, sent_ms: int) -> Due | None:
    """When a live chunk that came at this time was to be seen; None for one that nobody waits for."""
    if not chunk.live or abs(sent_ms - chunk.capture_ms - chunk.length_ms) > FRESH_MS:
        return None
    return Due(sent_ms, chunk.length_ms / 1000, skippable=not chunk.end and not chunk.gaps)
