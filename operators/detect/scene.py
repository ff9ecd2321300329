"""Does a new scene begin? Two luma planes are compared by their thumbnails and histograms."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from schemas.frames import Plane, Planes

THUMBNAIL = (32, 18)
CUT, RELIT = 5.4, 2.0
"""From so different on two pictures show two places; from so different on they still do in one light."""
SAME, ALIKE = 0.92, 0.5
"""Correlation of two thumbnails from which they show one place, whatever the light; from which they may."""
BLACK, MOST_GAIN = 16, 4.0
_STEP, _BINS, _LEVELS = 4, 32, 256
Thumbnail = npt.NDArray[np.float32]
Histogram = npt.NDArray[np.float64]


def is_cut(previous: Planes, planes: Planes) -> bool:
    """A new scene: mean thumbnail difference (0 to 255) times the share of the histogram that is new exceeds `CUT`.

    Motion changes thumbnails but hardly the histogram; a cut changes both. Another size is a cut. The limit lies
    between the largest value inside 15 real clips (4.6) and the smallest between two of them that show different
    places (6.2). Light that flickers or is switched changes both, but hardly what is brighter than what: thumbnails
    of two places correlate by 0.89 at most (two people before one wall), those of one place whose light swings by 25 %
    by 0.94 at least. Where somebody near moves in such light it is 0.72; so what may be one place is compared in one
    light, too: then the value is 1.6 at most for one place in such light, and 2.7 at least for two places, but for two
    people before one wall (0.8), who are no cut in one light either.
    """
    if previous.y.shape != planes.y.shape:
        return True
    before, now = _thumbnail(previous.y), _thumbnail(planes.y)
    if np.abs(before - now).mean() <= CUT or (alike := _correlation(before, now)) >= SAME:
        return False  # whatever the histograms say
    then, later = _histogram(previous.y), _histogram(planes.y)
    if _distance(before, now, then, later) <= CUT:
        return False
    return alike < ALIKE or _relit_distance(before, now, then, later) > RELIT


def _relit_distance(before: Thumbnail, now: Thumbnail, then: Histogram, later: Histogram) -> float:
    """The distance in the light of the darker one."""
    ratio = float(np.median((now - BLACK + 1) / np.maximum(before - BLACK + 1, 1)))
    gain = min(max(ratio, 1 / MOST_GAIN), MOST_GAIN)
    first, second = min(1.0, gain), min(1.0, 1 / gain)
    return _distance(
        _dimmed(before, first), _dimmed(now, second), _dimmed_levels(then, first), _dimmed_levels(later, second)
    )


def _distance(before: Thumbnail, now: Thumbnail, then: Histogram, later: Histogram) -> float:
    """Mean difference of two thumbnails, times the share of the second histogram that isn't in the first."""
    shared = np.minimum(_binned(then), _binned(later)).sum()
    return float(np.abs(before - now).mean() * (1 - shared))


def _dimmed(luma: Thumbnail, gain: float) -> Thumbnail:
    """In so much of the light."""
    return np.asarray((luma - BLACK) * gain + BLACK, np.float32)


def _dimmed_levels(histogram: Histogram, gain: float) -> Histogram:
    """The histogram of a picture in so much of the light."""
    levels = np.rint(_dimmed(np.arange(_LEVELS, dtype=np.float32), gain)).astype(np.int64)
    return np.asarray(np.bincount(levels, histogram, _LEVELS), np.float64)


def _correlation(a: Thumbnail, b: Thumbnail) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum() + 1e-6))


def _thumbnail(luma: Plane) -> Thumbnail:
    return cv2.resize(luma[::_STEP, ::_STEP], THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.float32)


def _histogram(luma: Plane) -> Histogram:
    """The share of each level."""
    counts = cv2.calcHist([np.ascontiguousarray(luma[::_STEP, ::_STEP])], [0], None, [_LEVELS], [0, _LEVELS])
    return np.asarray(counts.ravel() / counts.sum(), np.float64)


def _binned(histogram: Histogram) -> Histogram:
    return np.asarray(histogram.reshape(_BINS, -1).sum(1), np.float64)
