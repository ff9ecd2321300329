"""Search windows of a picture: what they show whole, as finely as all of it is searched."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from operators.detect.face import shifted
from operators.detect.several import Finder, Part, cut_off, merged
from operators.detect.windows import CELL, Flags, rooms_of, windows
from schemas.frames import Planes, VideoFormat
from schemas.regions import Array, Detections, PartlySeen, Seen, boxes

AWAY = 0.5
"""So much of its longer side beyond a place something may be that was seen there a moment ago."""


def whole(finder: Finder, planes: Planes, video: VideoFormat, size: int) -> tuple[Detections, ...]:
    """What the finder finds of each kind in all of a picture."""
    seen = finder.detect_planes(planes, video, size)
    return (seen,) if isinstance(seen, Detections) else seen


def scale(planes: Planes, size: int) -> float:
    """How finely a picture is searched."""
    return min(1.0, size / max(planes.y.shape))


def in_window(finder: Finder, part: Part, planes: Planes, video: VideoFormat, size: int) -> tuple[Detections, ...]:
    """What a window shows, in its own samples."""
    top, left, bottom, right = part
    luma, chroma = np.s_[top:bottom, left:right], np.s_[top // 2 : bottom // 2, left // 2 : right // 2]
    window = Planes(planes.y[luma], planes.u[chroma], planes.v[chroma])
    return whole(finder, window, video, round(scale(planes, size) * max(window.y.shape)))


def around(
    finder: Finder, planes: Planes, video: VideoFormat, size: int, where: Array, known: Sequence[Detections]
) -> Seen:
    """A picture searched around these places (n, 4) xyxy alone, or as a whole where that saves little.

    No window cuts anything that is `known` of the pictures before and after; where one cuts something else, all of the
    picture is searched.
    """
    height, width = planes.y.shape
    rooms = [room for one in known for room in rooms_of(one, height, width)]
    parts = windows(_cells(where, height, width), rooms, height, width, scale(planes, size))
    looks = []
    for part in parts or ():
        look = in_window(finder, part, planes, video, size)
        if any(cut_off(one, part, height, width).any() for one in look):
            return whole(finder, planes, video, size)
        looks.append([shifted(one, part[1], part[0]) for one in look])
    if not parts:
        return whole(finder, planes, video, size)
    found = tuple(merged(list(of_kind)) for of_kind in zip(*looks, strict=True))
    return PartlySeen(found, boxes([(left, top, right, bottom) for top, left, bottom, right in parts]))


def _cells(places: Array, height: int, width: int) -> Flags:
    """The cells in which what was seen at these places may be."""
    cells = np.zeros((-(-height // CELL), -(-width // CELL)), np.bool_)
    for x1, y1, x2, y2 in places.tolist():
        away = AWAY * max(x2 - x1, y2 - y1)
        rows = slice(max(0, math.floor((y1 - away) / CELL)), max(0, math.ceil((y2 + away) / CELL)))
        columns = slice(max(0, math.floor((x1 - away) / CELL)), max(0, math.ceil((x2 + away) / CELL)))
        cells[rows, columns] = True
    return cells
