"""Which frames of a chunk a detector looks at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from schemas.errors import UsageError
from schemas.frames import DecodedChunk, Planes


@dataclass(frozen=True, slots=True)
class DetectPlan:
    """Frame indices of a chunk, ascending: `examine`, and the `cuts` where a new scene begins."""

    examine: tuple[int, ...]
    cuts: frozenset[int]


def plan(
    decoded: DecodedChunk, every: int, is_cut: Callable[[Planes, Planes], bool], before: Planes | None = None,
    *, ends: bool = False,
) -> DetectPlan:
    """Every `every`-th frame, the first one, and each scene cut with the frame before it.

    `is_cut(previous, planes)` compares neighbours; `before` is the last picture of the chunk before (a cut at frame 0
    can't be seen without it). The frame before a cut is the last sight of what the cut ends, so it is examined too;
    so is the last frame where no other chunk follows (`ends`).

    Raises:
        UsageError: `every` is below 1.

    """
    if every < 1:
        raise UsageError(f"every {every}-th frame can't be examined")
    frames, last = decoded.frames, before
    cuts = set()
    for i, frame in enumerate(frames):
        if last is not None and is_cut(last, frame.planes):
            cuts.add(i)
        last = frame.planes
    count = len(frames)
    wanted = {*range(0, count, every), *cuts, *(i - 1 for i in cuts), *((count - 1,) if ends else ())}
    return DetectPlan(tuple(sorted(i for i in wanted if 0 <= i < count)), frozenset(cuts))
