"""The colours of an object, and CamShift on them, straight on the chroma planes around its box.

A histogram has 16 x 16 bins of U and V, one byte each, the fullest bin 255. It holds no picture, but it is personal
data all the same. CamShift: Bradski, "Computer Vision Face Tracking for Use in a Perceptual User Interface" (1998);
the weights that it climbs are the ratio histogram of Swain and Ballard, "Color Indexing" (1991), so that colours
which the background shares count less.
"""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from operators.track.geometry import Box
from schemas.frames import Planes

BINS = 16
CORE = 0.15
SEARCH = 0.75
MAX_SAMPLES = 64
MIN_CONTRAST = 1.4
MAX_SCALE = 1.1
REMEMBERED = 512
"""Histograms whose shares are kept, 2 KiB each, until others take their place: a track's is asked for several times a
frame."""
_V_BIN = np.clip((np.arange(256) - 80) // 6, 0, BINS - 1).astype(np.uint8)
_U_BIN = _V_BIN * np.uint8(BINS)
_CRITERIA = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 10, 0.5)


def histogram(planes: Planes, box: Box) -> bytes:
    """Colours of the middle of the box; empty when no sample of it lies in the picture."""
    dx, dy = CORE * (box[2] - box[0]), CORE * (box[3] - box[1])
    roi, _ = _bins(planes, (box[0] + dx, box[1] + dy, box[2] - dx, box[3] - dy))
    if not roi.size:
        return b""
    counts = np.bincount(roi.ravel(), minlength=BINS * BINS)
    return np.rint(counts * (255.0 / counts.max())).astype(np.uint8).tobytes()


def blend(old: bytes, new: bytes, share: float) -> bytes:
    """`old` moved towards `new` by `share`; where one is empty, the other."""
    if not old or not new:
        return new or old
    mixed = np.frombuffer(old, np.uint8) * (1 - share) + np.frombuffer(new, np.uint8) * share
    return np.rint(mixed * (255.0 / max(mixed.max(), 1.0))).astype(np.uint8).tobytes()


def similarity(a: bytes, b: bytes) -> float:
    """Shared part of two histograms, 0 to 1; 0.5 where one is empty (nothing known)."""
    if not a or not b:
        return 0.5
    return float(np.minimum(_shares(a), _shares(b)).sum())


def follow(planes: Planes, box: Box, colours: bytes) -> Box | None:
    """The box after CamShift, started at `box`; None where the colours don't tell the object from what is around."""
    if not colours:
        return None
    roi, (left, top, step) = _bins(planes, _around(box))
    if roi.shape[0] < 4 or roi.shape[1] < 4:
        return None
    width, height = (box[2] - box[0]) / step, (box[3] - box[1]) / step
    seen = np.bincount(roi.ravel(), minlength=BINS * BINS)
    wanted = _shares(colours) * (width * height)
    weight = np.rint(255 * np.minimum(1.0, wanted / np.maximum(seen, 1))).astype(np.uint8)[roi]
    x, y = round((box[0] - left) / step), round((box[1] - top) / step)
    window = _inside((x, y, max(2, round(width)), max(2, round(height))), roi.shape)
    if window is None:
        return None
    turned, (x, y, w, h) = cv2.CamShift(weight, window, _CRITERIA)
    if w < 2 or h < 2 or not math.isfinite(turned[0][0] + turned[0][1]):
        return None
    inside, total = float(weight[y : y + h, x : x + w].sum()), float(weight.sum())
    rest = weight.size - w * h
    if inside / (w * h) < MIN_CONTRAST * (total - inside) / max(rest, 1) or inside == 0:
        return None
    scale = min(MAX_SCALE, max(1 / MAX_SCALE, math.sqrt(w * h / max(width * height, 1.0))))
    cx, cy = left + (turned[0][0] + 0.5) * step, top + (turned[0][1] + 0.5) * step
    dx, dy = width * step * scale / 2, height * step * scale / 2
    return cx - dx, cy - dy, cx + dx, cy + dy


@lru_cache(REMEMBERED)
def _shares(colours: bytes) -> npt.NDArray[np.float64]:
    counts = np.frombuffer(colours, np.uint8).astype(np.float64)
    counts /= max(counts.sum(), 1.0)
    counts.flags.writeable = False
    return counts


def _around(box: Box) -> Box:
    dx, dy = SEARCH * (box[2] - box[0]), SEARCH * (box[3] - box[1])
    return box[0] - dx, box[1] - dy, box[2] + dx, box[3] + dy


def _bins(planes: Planes, box: Box) -> tuple[npt.NDArray[np.uint8], tuple[int, int, int]]:
    """Bin of each chroma sample of the box inside the picture; its left, top and sample distance in pixels."""
    rows, columns = planes.u.shape
    x1, x2 = max(0, math.floor(box[0] / 2)), min(columns, math.ceil(box[2] / 2))
    y1, y2 = max(0, math.floor(box[1] / 2)), min(rows, math.ceil(box[3] / 2))
    if x1 >= x2 or y1 >= y2:
        return np.empty((0, 0), np.uint8), (0, 0, 2)
    step = -(-max(x2 - x1, y2 - y1) // MAX_SAMPLES)
    part = np.s_[y1:y2:step, x1:x2:step]
    return _U_BIN[planes.u[part]] + _V_BIN[planes.v[part]], (2 * x1, 2 * y1, 2 * step)


def _inside(window: tuple[int, int, int, int], shape: tuple[int, ...]) -> tuple[int, int, int, int] | None:
    x1, y1 = max(0, window[0]), max(0, window[1])
    x2, y2 = min(shape[1], window[0] + window[2]), min(shape[0], window[1] + window[3])
    return (x1, y1, x2 - x1, y2 - y1) if x2 - x1 >= 2 and y2 - y1 >= 2 else None
