"""Masks that stay put: which blocks each track claims in each frame, changed rarely.

A mask that follows its box exactly jumps with every detection, and each jump costs bits; one that stands still covers
more than it must. So moving a mask has a price, and the cheapest sequence is found by dynamic programming (Bellman,
"On the approximation of curves by line segments using dynamic programming", 1961, with block rectangles for lines):
a track's frames are cut into stretches, each with one rectangle that covers what the track needs in all of them.

What a track needs is its box with padding, and more of it where a region is in doubt: filled in without a detection,
touching another one, or at the picture's edge, where detectors see a part and call it all; a few frames around, too.
Of 15,591 generated face-frames 9 leak with 10 % and 25 % in doubt, as with 15 % and 25 %; with 10 % and 20 %, 32 did.
"""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from operators.desensitise.policy import Policy
from operators.pixels import BlockRect, padded, touch
from operators.zones import Zone
from schemas.frames import BLOCK, VideoFormat
from schemas.regions import ObjectKind, Place, Region, RegionSet

WHOLE = 0
LONGEST = 64
"""Frames for which a mask may stand still: bounds the work for a track and chunk."""
DOUBT_FRAMES = 4
EDGE = 2.0
WIDE = 0.8
"""Width against height of what is hidden of a face, whatever its box: few are wider (a tenth in photographs, half in
clips), so that masks of equal faces differ by little.
"""
HEAD = 0.5, 0.3, 0.15
"""A head beyond its face: above, on each side, below, as shares of the face's height and width."""
Rects = npt.NDArray[np.int64]
Box = tuple[float, float, float, float]


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
    doubtful = in_doubt(regions, format) if policy.doubt else {}
    for track in sorted({region.track for frame in regions.frames for region in frame}):
        found = [(i, r) for i, frame in enumerate(regions.frames) for r in frame if r.track == track]
        unsure = doubtful.get(track, set())
        needs = [
            None if (i, track) in bare
            else blocks(extent(region, policy), format, policy.padding_of(region.kind) + policy.doubt * (i in unsure))
            for i, region in found
        ]
        for (i, region), rect in zip(found, steady(needs, policy.hold), strict=True):
            if rect is not None and i not in regions.failed:
                claims[i].append(Claim(track, region.kind, rect, region))
    zones = [Claim(WHOLE, "frame", rect) for zone in policy.zones if (rect := zone_blocks(zone, format))]
    for i, frame in enumerate(claims):
        frame += zones if i not in regions.failed else []
    return tuple(tuple(frame) for frame in claims)


def extent(region: Region, policy: Policy) -> Box:
    """The box to hide: of a face one of the shape that all get, drawn out to its head where the policy wants heads."""
    if region.kind != "face":
        return region.box
    x1, y1, x2, y2 = box = shaped(region.box)
    if not policy.hides_heads(region.kind):
        return box
    above, beside, below = HEAD
    w, h = x2 - x1, y2 - y1
    return x1 - beside * w, y1 - above * h, x2 + beside * w, y2 + below * h


def shaped(box: Box) -> Box:
    """The least box around this one, with the same middle, that is `WIDE` times as wide as high."""
    x1, y1, x2, y2 = box
    high = max(y2 - y1, (x2 - x1) / WIDE)
    across, down = WIDE * high / 2, high / 2
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    return x - across, y - down, x + across, y + down


def blocks(box: Box, format: VideoFormat, padding: float) -> BlockRect | None:
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
    return blocks(box, format, 0)


def in_doubt(regions: RegionSet, format: VideoFormat) -> dict[int, set[int]]:
    """Per track the frames where its region is in doubt, those close by in time counted in."""
    out: dict[int, set[int]] = {}
    for i, frame in enumerate(regions.frames):
        for region in frame:
            others = (other for other in frame if other.track != region.track)
            if region.source == "filled" or _at_edge(region, format) or any(touch(region.box, o.box) for o in others):
                out.setdefault(region.track, set()).update(range(i - DOUBT_FRAMES, i + DOUBT_FRAMES + 1))
    return out


def _at_edge(region: Region, format: VideoFormat) -> bool:
    x1, y1, x2, y2 = region.box
    return x1 <= EDGE or y1 <= EDGE or x2 >= format.width - EDGE or y2 >= format.height - EDGE


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
