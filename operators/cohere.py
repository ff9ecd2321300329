"""Masks that stay put: which blocks each track claims in each frame, changed rarely.

A mask that follows its box exactly jumps with every detection, and each jump costs bits; one that stands still covers
more than it must. So moving a mask has a price, and the cheapest sequence is found by dynamic programming (Bellman,
"On the approximation of curves by line segments using dynamic programming", 1961, with block rectangles for lines):
a track's frames are cut into stretches, each with one rectangle that covers what the track needs in all of them.

What a track needs in each frame is in `operators/reach.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from operators.desensitise.policy import Policy
from operators.pixels import BlockRect, padded
from operators.reach import Box, by_track, in_doubt, reaches
from operators.zones import Zone
from schemas.frames import BLOCK, VideoFormat
from schemas.regions import ObjectKind, Place, Region, RegionSet

WHOLE = 0
LONGEST = 64
"""Frames for which a mask may stand still: bounds the work for a track and chunk."""
Rects = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Claim:
    """The blocks that a track claims in a frame, and what was found there; track 0, kind `frame`: nobody's blocks, a
    zone's or of a picture that is masked whole.
    """

    track: int
    kind: ObjectKind
    rect: BlockRect
    found: Region | None = field(default=None, compare=False)


Layout = tuple[tuple[Claim, ...], ...]


def lay_out(regions: RegionSet, format: VideoFormat, policy: Policy, bare: Set[Place] = frozenset()) -> Layout:
    """Claims of every frame of a chunk, by track id; zones last, so that they are painted over all else.

    `bare`: regions that claim nothing.
    """
    whole = Claim(WHOLE, "frame", BlockRect(0, 0, *format.blocks))
    claims: list[list[Claim]] = [[whole] if i in regions.failed else [] for i in range(len(regions.frames))]
    reach = reaches(regions, format, policy, in_doubt(regions, format) if policy.doubt else {})
    for track, found in by_track(regions).items():
        needs = [None if (i, track) in bare else blocks(reach[i, track], format) for i, _ in found]
        for (i, region), rect in zip(found, steady(needs, policy.hold), strict=True):
            if rect is not None and i not in regions.failed:
                claims[i].append(Claim(track, region.kind, rect, region))
    zones = [Claim(WHOLE, "frame", rect) for zone in policy.zones if (rect := zone_blocks(zone, format))]
    for i, frame in enumerate(claims):
        frame += zones if i not in regions.failed else []
    return tuple(tuple(frame) for frame in claims)


def blocks(box: Box, format: VideoFormat, padding: float = 0.0) -> BlockRect | None:
    """Blocks that a padded box touches; None where it lies outside the picture."""
    x1, y1, x2, y2 = padded(box, padding)
    rows, columns = format.blocks
    top, bottom = max(0, math.floor(y1 / BLOCK)), min(rows, math.ceil(y2 / BLOCK))
    left, right = max(0, math.floor(x1 / BLOCK)), min(columns, math.ceil(x2 / BLOCK))
    return BlockRect(top, left, bottom, right) if top < bottom and left < right else None


def zone_blocks(zone: Zone, format: VideoFormat) -> BlockRect | None:
    """Blocks that a zone touches."""
    left, top, right, bottom = zone
    box = left * format.width, top * format.height, right * format.width, bottom * format.height
    return blocks(box, format)


def steady(needs: Sequence[BlockRect | None], hold: float) -> list[BlockRect | None]:
    """The masks of a track from what it needs in each of its frames: least area in all, each move priced."""
    out: list[BlockRect | None] = [None] * len(needs)
    start = 0
    while start < len(needs):
        end = start
        while end < len(needs) and needs[end] is not None:
            end += 1
        run = np.array([(r.top, r.left, r.bottom, r.right) for r in needs[start:end] if r], np.int64).reshape(-1, 4)
        for first, last in _stretches(run, hold):
            top, left, bottom, right = _hulls(run[first:last])[-1].tolist()
            out[start + first : start + last] = [BlockRect(top, left, bottom, right)] * (last - first)
        start = end + 1
    return out


def _stretches(needs: Rects, hold: float) -> list[tuple[int, int]]:
    """The cheapest cut of frames into stretches, as (first, last + 1), latest first."""
    count = len(needs)
    best, origin = np.full(count + 1, np.inf), np.zeros(count + 1, np.int64)
    best[0] = 0
    own = _areas(needs)
    for first in range(count):
        last = min(count, first + LONGEST)
        lengths = np.arange(1, last - first + 1)
        cost = best[first] + hold * own[first] + lengths * _areas(_hulls(needs[first:last]))
        better = cost < best[first + 1 : last + 1]
        best[first + 1 : last + 1][better] = cost[better]
        origin[first + 1 : last + 1][better] = first
    out, last = [], count
    while last:
        out.append((int(origin[last]), last))
        last = int(origin[last])
    return out


def _hulls(needs: Rects) -> Rects:
    """Row k covers rows 0 to k."""
    return np.concatenate(
        [np.minimum.accumulate(needs[:, :2]), np.maximum.accumulate(needs[:, 2:])], 1
    )  # fmt: skip


def _areas(rects: Rects) -> Rects:
    return (rects[:, 2] - rects[:, 0]) * (rects[:, 3] - rects[:, 1])
