"""Masks that stay put: which blocks each track claims in each frame, changed rarely.

A mask that follows its box exactly jumps with every detection, and each jump costs bits. Here a track's mask is a
rectangle of blocks that is kept as long as it covers the padded box and isn't far too large; a new one covers what the
track needs over the next frames.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from operators.pixels import BlockRect
from schemas.frames import BLOCK, VideoFormat
from schemas.regions import ObjectKind, Region, RegionSet

WHOLE = 0
MAX_EXCESS = 2.5


@dataclass(frozen=True, slots=True)
class Claim:
    """The blocks that a track claims in a frame; track 0, kind `frame`: the picture is masked whole."""

    track: int
    kind: ObjectKind
    rect: BlockRect


Layout = tuple[tuple[Claim, ...], ...]


def lay_out(regions: RegionSet, format: VideoFormat, padding: float, hold: int) -> Layout:
    """Claims of every frame of a chunk, by track id."""
    whole = Claim(WHOLE, "frame", BlockRect(0, 0, *format.blocks))
    claims: list[list[Claim]] = [[whole] if i in regions.failed else [] for i in range(len(regions.frames))]
    for track in sorted({region.track for frame in regions.frames for region in frame}):
        found = [(i, r) for i, frame in enumerate(regions.frames) for r in frame if r.track == track]
        needs = [needed(region, format, padding) for _, region in found]
        for (i, region), rect in zip(found, _steady(needs, hold), strict=True):
            if rect is not None and i not in regions.failed:
                claims[i].append(Claim(track, region.kind, rect))
    return tuple(tuple(frame) for frame in claims)


def needed(region: Region, format: VideoFormat, padding: float) -> BlockRect | None:
    """Blocks that a padded box touches; None where it lies outside the picture."""
    x1, y1, x2, y2 = region.box
    dx, dy = padding * (x2 - x1), padding * (y2 - y1)
    rows, columns = format.blocks
    top, bottom = max(0, math.floor((y1 - dy) / BLOCK)), min(rows, math.ceil((y2 + dy) / BLOCK))
    left, right = max(0, math.floor((x1 - dx) / BLOCK)), min(columns, math.ceil((x2 + dx) / BLOCK))
    return BlockRect(top, left, bottom, right) if top < bottom and left < right else None


def _steady(needs: Sequence[BlockRect | None], hold: int) -> list[BlockRect | None]:
    steady: list[BlockRect | None] = []
    current: BlockRect | None = None
    for i, need in enumerate(needs):
        if need is None:
            current = None
        elif current is None or not _contains(current, need) or _area(current) > MAX_EXCESS * _area(need):
            current = _hull(need, needs[i : i + hold])
        steady.append(current)
    return steady


def _hull(first: BlockRect, following: Sequence[BlockRect | None]) -> BlockRect:
    hull = first
    for rect in following:
        if rect is None:
            break
        wider = BlockRect(min(hull.top, rect.top), min(hull.left, rect.left),
                          max(hull.bottom, rect.bottom), max(hull.right, rect.right))
        if _area(wider) > MAX_EXCESS * _area(first):
            break
        hull = wider
    return hull


def _contains(outer: BlockRect, inner: BlockRect) -> bool:
    return (outer.top <= inner.top and outer.left <= inner.left
            and outer.bottom >= inner.bottom and outer.right >= inner.right)


def _area(rect: BlockRect) -> int:
    return (rect.bottom - rect.top) * (rect.right - rect.left)
