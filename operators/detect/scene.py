"""Does a new scene begin? Two luma planes are compared by their thumbnails and histograms."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from schemas.frames import Plane, Planes

THUMBNAIL = (32, 18)
CUT = 5.4
SAME = 0.92
"""Correlation of two thumbnails from which they show one place, whatever the light."""
_STEP, _BINS = 4, 32


def is_cut(previous: Planes, planes: Planes) -> bool:
    """A new scene: mean thumbnail difference (0 to 255) times the share of the histogram that is new exceeds `CUT`.

    Motion changes thumbnails but hardly the histogram; a cut changes both. Another size is a cut. The limit lies
    between the largest value inside 15 real clips (4.6) and the smallest between two of them that show different
    places (6.2). Light that flickers or is switched changes both, but hardly what is brighter than what: thumbnails
    of two places correlate by 0.89 at most (two people before one wall), those of one place whose light swings by 25 %
    by 0.94 at least.
    """
    if previous.y.shape != planes.y.shape:
        return True
    before, now = _thumbnail(previous.y), _thumbnail(planes.y)
    shared = np.minimum(_histogram(previous.y), _histogram(planes.y)).sum()
    return bool(np.abs(before - now).mean() * (1 - shared) > CUT and _correlation(before, now) < SAME)


def _correlation(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum() + 1e-6))


def _thumbnail(luma: Plane) -> npt.NDArray[np.float32]:
    return cv2.resize(luma[::_STEP, ::_STEP], THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.float32)


def _histogram(luma: Plane) -> npt.NDArray[np.float64]:
    counts = cv2.calcHist([np.ascontiguousarray(luma[::_STEP, ::_STEP])], [0], None, [_BINS], [0, 256])
    return np.asarray(counts.ravel() / counts.sum(), np.float64)
