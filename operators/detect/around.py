"""Search windows of a picture: what they show whole, as finely as all of it is searched."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from operators.detect.face import only, shifted
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


def in_windows(
    finder: Finder, parts: Sequence[Part], planes: Planes, video: VideoFormat, size: int,
    still: Sequence[Detections] = (),
) -> list[tuple[Detections, ...]] | None:
    """What each window shows whole, in samples of the picture.

    None where an edge cuts something that isn't, by half at least, in what is known to be there `still`, by kind.
    """
    looks = []
    for part in parts:
        top, left, *_ = part
        look = _in_window(finder, part, planes, video, size)
        cuts = [cut_off(one, part, *planes.y.shape) for one in look]
        edged = [shifted(only(one, cut), left, top) for one, cut in zip(look, cuts, strict=True)]
        known = still or [Detections.none(one.kind) for one in look]
        if not all(map(_within, edged, known)):
            return None
        looks.append(tuple(shifted(only(one, ~cut), left, top) for one, cut in zip(look, cuts, strict=True)))
    return looks


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
    looks = in_windows(finder, parts, planes, video, size) if parts else None
    if parts is None or looks is None:
        return whole(finder, planes, video, size)
    found = tuple(merged(list(of_kind)) for of_kind in zip(*looks, strict=True))
    return PartlySeen(found, boxes([(left, top, right, bottom) for top, left, bottom, right in parts]))


def _in_window(finder: Finder, part: Part, planes: Planes, video: VideoFormat, size: int) -> tuple[Detections, ...]:
    """What a window shows, in its own samples."""
    top, left, bottom, right = part
    luma, chroma = np.s_[top:bottom, left:right], np.s_[top // 2 : bottom // 2, left // 2 : right // 2]
    window = Planes(planes.y[luma], planes.u[chroma], planes.v[chroma])
    return whole(finder, window, video, round(scale(planes, size) * max(window.y.shape)))


def _within(found: Detections, known: Detections) -> bool:
    """Whether each of these lies, by half at least, in something known."""
    low = np.maximum(found.boxes[:, None, :2], known.boxes[None, :, :2])
    shared = np.clip(np.minimum(found.boxes[:, None, 2:], known.boxes[None, :, 2:]) - low, 0, None).prod(2)
    area = (found.boxes[:, 2:] - found.boxes[:, :2]).prod(1)
    return bool((shared.max(1, initial=0) >= area / 2).all())


def _cells(places: Array, height: int, width: int) -> Flags:
    """The cells in which what was seen at these places may be."""
    cells = np.zeros((-(-height // CELL), -(-width // CELL)), np.bool_)
    for x1, y1, x2, y2 in places.tolist():
        away = AWAY * max(x2 - x1, y2 - y1)
        rows = slice(max(0, math.floor((y1 - away) / CELL)), max(0, math.ceil((y2 + away) / CELL)))
        columns = slice(max(0, math.floor((x1 - away) / CELL)), max(0, math.ceil((x2 + away) / CELL)))
        cells[rows, columns] = True
    return cells
