"""Which frames of a chunk a detector looks at: every so manieth, and one more where two looks don't agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from operators.detect.measure import overlaps
from operators.track.settings import TrackSettings
from schemas.errors import UsageError
from schemas.frames import DecodedChunk, Planes
from schemas.regions import Detections

APART = 0.15
"""Below this IoU with all that the other look found, an object isn't there any more. Of 25,788 generated face-frames as
many leak with 0.3, for a fifth more looks."""


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


def between(
    found: Mapping[int, tuple[Detections, ...] | None], settings: TrackSettings | None = None
) -> tuple[int, ...]:
    """The frames in the middle between neighbouring looks that don't show the same sure objects in about one place.

    Somebody came, left, was hidden, or moved by most of a face: one more look says when, and where to. `found`: what
    each look showed, by kind; None where it failed, and all around it is masked anyway.
    """
    known = settings or TrackSettings()
    return tuple(
        (i + j) // 2 for i, j in pairwise(sorted(found)) if j - i > 1 and _differ(found[i], found[j], known)
    )


def _differ(
    before: tuple[Detections, ...] | None, after: tuple[Detections, ...] | None, settings: TrackSettings
) -> bool:
    if before is None or after is None:
        return False
    pairs = zip(before, after, strict=True)
    return any(_misses(one, other, settings) or _misses(other, one, settings) for one, other in pairs)


def _misses(here: Detections, there: Detections, settings: TrackSettings) -> bool:
    """Whether something is surely here and not there."""
    starts = [settings.start(here.kind, (x1, y1, x2, y2)) for x1, y1, x2, y2 in here.boxes.tolist()]
    sure = here.boxes[here.scores >= np.array(starts, np.float32)]
    return bool((overlaps(sure, there.boxes).max(1, initial=0) < APART).any())
