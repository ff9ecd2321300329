"""Search a picture only where it has changed since it was last searched: most cameras watch places where little moves.

Every cell of a picture, as large as a small face, is compared with what that cell showed when it was last searched, so
that what changes little by little counts, too. What changed is searched with a margin around it, together with all that
was found there before; elsewhere what was found still holds, since the samples are the same. Whatever is cut by the
edge of such a window, and whatever fails, leads to a search of the whole picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from operators.detect.around import in_windows, scale, whole
from operators.detect.face import only
from operators.detect.several import Finder, merged
from operators.detect.windows import CELL, Flags, rooms_of, windows
from schemas.frames import Plane, Planes, VideoFormat
from schemas.regions import Detections

STEP = 4
"""Samples a side of what is averaged before it is compared: noise is less there, a face isn't."""
LEAST, MOST, CONTRAST = 3, 8, 16
"""A mean that differs by more levels has changed: one in so many of the levels that the picture spans, `LEAST` to
`MOST` of them."""
TOUCHED = 0.125
"""What has changed by so much since all was searched is searched again whenever it changes."""
Small = tuple[Plane, ...]


@dataclass(slots=True)
class _Last:
    """What was searched last at one size: the picture, small, how many levels are no change, and what was found.

    `touched`: cells that have changed since all of a picture was searched.
    """

    small: Small
    least: int
    found: tuple[Detections, ...]
    touched: Flags | None = None


class Watch:
    """Searches pictures of one place, one after the other; for one thread. `everywhere`: each as a whole."""

    def __init__(self, finder: Finder, *, everywhere: bool = False) -> None:
        self._finder, self._everywhere, self._last = finder, everywhere, dict[int, _Last]()

    def look(self, planes: Planes, video: VideoFormat, size: int) -> tuple[Detections, ...]:
        """What the finder finds in the picture at this size; raises what the finder raises."""
        if self._everywhere:
            return whole(self._finder, planes, video, size)
        small, last = _small(planes), self._last.pop(size, None)
        if last is None or last.small[0].shape != small[0].shape:
            last = _Last(small, _least(small[0]), whole(self._finder, planes, video, size))
        elif (moved := changed(last.small, small, last.least)).any():
            last = self._again(last, small, moved, planes, video, size)
        self._last[size] = last
        return last.found

    def _again(
        self, last: _Last, small: Small, moved: Flags, planes: Planes, video: VideoFormat, size: int
    ) -> _Last:
        """The picture searched where it has changed, or as a whole."""
        height, width = planes.y.shape
        touched = moved if last.touched is None else moved | last.touched
        stays = [
            np.array([not _share(moved, box) or _share(touched, box) < TOUCHED for box in one.boxes.tolist()], bool)
            for one in last.found
        ]
        still = tuple(only(one, kept) for one, kept in zip(last.found, stays, strict=True))
        gone = [room for one, kept in zip(last.found, stays, strict=True)
                for room in rooms_of(only(one, ~kept), height, width)]
        parts = windows(moved, gone, height, width, scale(planes, size))
        looks = None if parts is None else in_windows(self._finder, parts, planes, video, size, still)
        if parts is None or looks is None:
            return _Last(small, _least(small[0]), whole(self._finder, planes, video, size))
        for top, left, bottom, right in parts:
            rows, columns = slice(top // STEP, -(-bottom // STEP)), slice(left // STEP, -(-right // STEP))
            for old, new in zip(last.small, small, strict=True):
                old[rows, columns] = new[rows, columns]
        found = tuple(merged([one, *(look[k] for look in looks)]) for k, one in enumerate(still))
        return _Last(last.small, last.least, found, touched)


def _share(moved: Flags, box: Sequence[float]) -> float:
    """How much of a box (xyxy) lies in cells that have changed."""
    left, top = (int(side // CELL) for side in box[:2])
    right, bottom = (math.ceil(side / CELL) for side in box[2:])
    return float(moved[top:bottom, left:right].mean())


def _small(planes: Planes) -> Small:
    """Means of `STEP` x `STEP` samples of luma, and of the chroma that lies there."""
    height, width = planes.y.shape
    half, quarter = ((max(1, width // part), max(1, height // part)) for part in (STEP // 2, STEP))
    luma = cv2.resize(planes.y, half, interpolation=cv2.INTER_AREA)  # two steps, each of a kind that OpenCV is fast at
    return tuple(np.asarray(cv2.resize(p, quarter, interpolation=cv2.INTER_AREA), np.uint8)
                 for p in (luma, planes.u, planes.v))


def _least(small: Plane) -> int:
    """From how many levels on a mean has changed, by the contrast of the picture without its extreme hundredths."""
    some = small[::8, ::8].ravel()
    few = len(some) // 100
    dark, light = np.partition(some, (few, -1 - few))[[few, -1 - few]]
    return int(np.clip((int(light) - int(dark)) / CONTRAST, LEAST, MOST))


def changed(before: Small, now: Small, least: int) -> Flags:
    """Which cells differ by more than `least` levels anywhere in them, in luma or chroma: rows x columns of cells."""
    apart = cv2.absdiff(before[0], now[0])
    for one, other in zip(before[1:], now[1:], strict=True):
        apart = cv2.max(apart, cv2.absdiff(one, other))
    side, (rows, columns) = CELL // STEP, apart.shape
    padded = np.zeros((-(-rows // side) * side, -(-columns // side) * side), bool)
    padded[:rows, :columns] = apart > least
    return np.asarray(padded.reshape(len(padded) // side, side, -1, side).any((1, 3)))
