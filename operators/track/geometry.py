"""Boxes as tuples of four floats, xyxy in pixels: what the tracker computes with, one box at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence

Box = tuple[float, float, float, float]
MIN_SIDE = 2.0
EDGE = 0.1
"""So near to the picture's edge, as a share of its longer side, a box is cut by it."""


def area(box: Box) -> float:
    """Pixels inside."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def shared(a: Box, b: Box) -> float:
    """Pixels inside both."""
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return wide * high if wide > 0 and high > 0 else 0.0


def iou(a: Box, b: Box) -> float:
    """Shared part of the area that both cover, 0 to 1."""
    both = shared(a, b)
    if not both:
        return 0.0
    whole = area(a) + area(b) - both
    return both / whole if whole > 0 else 0.0


def covered(a: Box, b: Box) -> float:
    """Shared part of the smaller one, 0 to 1."""
    both = shared(a, b)
    if not both:
        return 0.0
    smaller = min(area(a), area(b))
    return both / smaller if smaller > 0 else 0.0


def union(a: Box, b: Box) -> Box:
    """The smallest box around both."""
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def between(a: Box, b: Box, part: float) -> Box:
    """On the way from `a` (part 0) to `b` (part 1)."""
    x1, y1, x2, y2 = (low + (high - low) * part for low, high in zip(a, b, strict=True))
    return x1, y1, x2, y2


def grow(box: Box, share: float) -> Box:
    """Larger by `share` of its width and height on each side."""
    dx, dy = (box[2] - box[0]) * share, (box[3] - box[1]) * share
    return box[0] - dx, box[1] - dy, box[2] + dx, box[3] + dy


def cut(box: Box, size: tuple[int, int]) -> tuple[bool, bool]:
    """Whether the picture's edge cuts its width, and its height; detectors end a box a little before the edge."""
    near = EDGE * max(box[2] - box[0], box[3] - box[1])
    return box[0] <= near or box[2] >= size[0] - near, box[1] <= near or box[3] >= size[1] - near


def along_edge(box: Box, others: Sequence[Box], size: tuple[int, int]) -> Box:
    """The box; where the picture's edge cuts one of its sides, the other is made as long as the longest of `others`."""
    wide, high = cut(box, size)
    if wide == high:
        return box
    k = 1 if wide else 0
    middle, half = (box[k] + box[k + 2]) / 2, max(one[k + 2] - one[k] for one in (box, *others)) / 2
    low, end = middle - half, middle + half
    return (box[0], low, box[2], end) if wide else (low, box[1], end, box[3])


def clip(box: Box, width: int, height: int) -> Box | None:
    """The part inside the picture, at least 2 px a side (a sliver may still show someone); None: all outside."""
    x1, x2 = _span(box[0], box[2], width)
    y1, y2 = _span(box[1], box[3], height)
    return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None


def _span(low: float, high: float, limit: int) -> tuple[float, float]:
    if high <= 0 or low >= limit or not math.isfinite(high - low):
        return 0.0, 0.0
    low, high = max(0.0, low), min(float(limit), high)
    if high - low < MIN_SIDE:
        low = max(0.0, min((low + high - MIN_SIDE) / 2, limit - MIN_SIDE))
        high = min(float(limit), low + MIN_SIDE)
    return low, high
