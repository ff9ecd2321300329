"""Windows of a picture: which parts of it have to be searched when only some of its cells have changed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce

import cv2
import numpy as np
import numpy.typing as npt

from operators.detect.picture import DETECTION_SIDE
from operators.detect.several import WORTH, Part
from schemas.regions import Detections

CELL = 32
"""Samples a side of a cell: as large as a small face."""
MARGIN, AROUND = 64, 0.25
"""What is seen around a change: so many samples, and at least this share of its longer side."""
NARROWEST, ALIGNED = 256, 32
"""Windows are at least so wide and high, and begin and end on such multiples, as the networks' grids do."""
WORTHWHILE = 0.7
"""Windows that cover more of the picture save too little."""
Flags = npt.NDArray[np.bool_]


def windows(moved: Flags, known: Sequence[Part], height: int, width: int, scale: float) -> list[Part] | None:
    """Where a picture (height, width) has to be searched; None: everywhere. `scale`: how finely, at most 1.

    No two windows meet, and what is `known` lies whole in one of them or touches none.
    """
    cells = cv2.dilate(moved.astype(np.uint8), np.ones((3, 3), np.uint8))
    if cells.mean() > WORTHWHILE:
        return None
    parts: list[Part] = []
    for left, top, across, down, _ in cv2.connectedComponentsWithStats(cells)[2][1:].tolist():
        around = max(MARGIN - CELL, round(AROUND * CELL * max(across, down)))
        parts.append(_grown((CELL * top, CELL * left, CELL * (top + down), CELL * (left + across)), around))
    while True:
        fitted = [_fitted(part, height, width, scale) for part in parts]
        parts = _joined(fitted, known)
        if sum((bottom - top) * (right - left) for top, left, bottom, right in parts) > WORTHWHILE * height * width:
            return None
        if parts == fitted:
            return parts


def _grown(part: Part, around: int) -> Part:
    top, left, bottom, right = part
    return top - around, left - around, bottom + around, right + around


def _fitted(part: Part, height: int, width: int, scale: float) -> Part:
    """The part inside the picture, on multiples, and of a size that is searched as finely as the picture is."""
    top, left, bottom, right = part
    longer = max(bottom - top, right - left)
    coarser = DETECTION_SIDE < scale * longer <= WORTH * DETECTION_SIDE
    least = math.ceil(WORTH * DETECTION_SIDE / scale) + 1 if coarser else NARROWEST
    top, bottom = _span(top, bottom, least if bottom - top == longer else NARROWEST, height)
    left, right = _span(left, right, least if right - left == longer else NARROWEST, width)
    return top, left, bottom, right


def _span(low: int, high: int, least: int, limit: int) -> tuple[int, int]:
    """From `low` to `high` and at least so long, on multiples where the limit allows it."""
    low -= max(0, least - (high - low)) // 2
    low = max(0, min(low, limit - least)) // ALIGNED * ALIGNED
    return low, min(limit, math.ceil(max(high, low + least) / ALIGNED) * ALIGNED)


def _joined(parts: Sequence[Part], known: Sequence[Part]) -> list[Part]:
    """Parts with all that is known where they are, one of those that meet."""
    out: list[Part] = []
    for part in parts:
        for one in known:
            part = _both(part, one) if _meet(part, one) else part
        while met := [other for other in out if _meet(part, other)]:
            part, out = reduce(_both, met, part), [other for other in out if other not in met]
        out.append(part)
    return out


def _both(one: Part, other: Part) -> Part:
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])


def _meet(one: Part, other: Part) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def rooms_of(found: Detections, height: int, width: int) -> list[Part]:
    """Where each of these was found, with room around it, inside the picture."""
    rooms = []
    for x1, y1, x2, y2 in found.boxes.tolist():
        room = AROUND * max(x2 - x1, y2 - y1)
        rooms.append((max(0, math.floor(y1 - room)), max(0, math.floor(x1 - room)),
                      min(height, math.ceil(y2 + room)), min(width, math.ceil(x2 + room))))
    return rooms
