"""Which frames of a chunk a detector looks at: every so manieth, and parts of one more where two looks don't agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from operators.detect.measure import overlaps
from operators.track.geometry import Box, union
from operators.track.settings import TrackSettings
from schemas.errors import UsageError
from schemas.frames import DecodedChunk, Planes
from schemas.regions import Array, Detections, Seen, boxes

APART = 0.15
"""Below this IoU with all that the other look found, an object isn't there any more. Of 25,788 generated face-frames as
many leak with 0.3, for a fifth more looks."""
SLOWEST_RATE = 20
"""Frames a second down to which `every` of them may pass from look to look. Where fewer come, or none for a while,
looks are no further apart in time: in five frames of a second each somebody could come, stay and go unseen."""
FASTEST, LARGER = 4.0, 2.0
"""So many of its sizes something may move from one look to the next, and so many times larger or smaller become."""


@dataclass(frozen=True, slots=True)
class DetectPlan:
    """Frame indices of a chunk, ascending: `examine`, and the `cuts` where a new scene begins."""

    examine: tuple[int, ...]
    cuts: frozenset[int]


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """Places (n, 4) xyxy where neighbouring looks don't agree, and `known`: all that both of them found."""

    places: Array
    known: tuple[Detections, ...]


def plan(
    decoded: DecodedChunk, every: int, is_cut: Callable[[Planes, Planes], bool], before: Planes | None = None,
    *, ends: bool = False,
) -> DetectPlan:
    """Every `every`-th frame, more of a slow video, the first one, and each scene cut with the frame before it.

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
    wanted = {*_due(decoded, every), *cuts, *(i - 1 for i in cuts), *((count - 1,) if ends else ())}
    return DetectPlan(tuple(sorted(i for i in wanted if 0 <= i < count)), frozenset(cuts))


def longest_s(every: int) -> float:
    """How long nobody may look, in seconds."""
    return every / SLOWEST_RATE


def _due(decoded: DecodedChunk, every: int) -> list[int]:
    """Each frame after which `every` frames or too much time would pass until the next."""
    due: list[int] = []
    chunk = decoded.chunk
    times = [float(pts * chunk.format.time_base) for pts in (*(one.pts for one in decoded.frames), chunk.end_pts)]
    for i in range(len(decoded.frames)):
        if not due or i - due[-1] >= every or times[i + 1] - times[due[-1]] > longest_s(every):
            due.append(i)
    return due


def between(found: Mapping[int, Seen | None], settings: TrackSettings | None = None) -> dict[int, Difference]:
    """The frames in the middle between neighbouring looks that don't show the same sure objects in about one place.

    Somebody came, left, was hidden, or moved by most of a face: one more look there says when, and where to. `found`:
    what each look showed; None where it failed, and all around it is masked anyway.
    """
    known, out = settings or TrackSettings(), {}
    for i, j in pairwise(sorted(found)):
        before, after = found[i], found[j]
        if j - i > 1 and isinstance(before, tuple) and isinstance(after, tuple):
            places = [place for one, other in zip(before, after, strict=True) for place in _differ(one, other, known)]
            if places:
                out[(i + j) // 2] = Difference(boxes(places), before + after)
    return out


def _differ(before: Detections, after: Detections, settings: TrackSettings) -> list[Box]:
    """Places of one kind: where something was, where something is, and what lies between where they may be one."""
    left, came = _missing(before, after, settings), _missing(after, before, settings)
    return left + came + [union(one, other) for one in left for other in came if _may_be_one(one, other)]


def _missing(here: Detections, there: Detections, settings: TrackSettings) -> list[Box]:
    """What is surely here and not there."""
    starts = [settings.start(here.kind, (x1, y1, x2, y2)) for x1, y1, x2, y2 in here.boxes.tolist()]
    sure = here.boxes[here.scores >= np.array(starts, np.float32)]
    alone = sure[overlaps(sure, there.boxes).max(1, initial=0) < APART]
    return [(x1, y1, x2, y2) for x1, y1, x2, y2 in alone.tolist()]


def _may_be_one(before: Box, after: Box) -> bool:
    """Whether what was at the one place may be at the other now."""
    side, other = (max(box[2] - box[0], box[3] - box[1]) for box in (before, after))
    way = max(abs(after[k] + after[k + 2] - before[k] - before[k + 2]) / 2 for k in (0, 1))
    return 1 / LARGER <= other / side <= LARGER and way <= FASTEST * max(side, other)
