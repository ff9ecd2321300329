"""Kalman filter of a box: constant velocity of centre and size, each axis on its own.

Kalman (1960); the axes and noise in proportion to the object's size follow Wojke et al., "Simple Online and Realtime
Tracking with a Deep Association Metric" (2017), with noise per second, so that 10 and 60 fps behave alike.
`mean` is cx, cy, w, h and their velocities (pixels, pixels per frame); `covariance` per axis: 4 variances of
position, 4 covariances, 4 variances of velocity.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from operators.track.geometry import Box

MEASURED = 0.05
DRIFT = 0.1
START_SPEED = 2.0
ACCELERATION = 1.0
SIZE_PART = 0.5
_PART = (1.0, 1.0, SIZE_PART, SIZE_PART)


@dataclass(frozen=True, slots=True)
class Filter:
    """Where a box is and how it moves."""

    mean: tuple[float, ...]
    covariance: tuple[float, ...]

    @property
    def box(self) -> Box:
        """xyxy; sides never below 1 px."""
        cx, cy, w, h = self.mean[:4]
        w, h = max(w, 1.0), max(h, 1.0)
        return cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2

    @property
    def sigma(self) -> tuple[float, float]:
        """Standard deviation of the centre, pixels."""
        return math.sqrt(self.covariance[0]), math.sqrt(self.covariance[1])

    @property
    def side(self) -> float:
        """Geometric mean of the sides, pixels."""
        return math.sqrt(max(self.mean[2], 1.0) * max(self.mean[3], 1.0))


def start(box: Box, seconds: float) -> Filter:
    """A filter at rest on a first sight; `seconds` between frames."""
    side = math.sqrt((box[2] - box[0]) * (box[3] - box[1]))
    position = (2 * MEASURED * side) ** 2
    speed = [(START_SPEED * seconds * side * part) ** 2 for part in _PART]
    return Filter((*_centred(box), 0.0, 0.0, 0.0, 0.0), (position,) * 4 + (0.0,) * 4 + tuple(speed))


def predict(now: Filter, frames: int, seconds: float) -> Filter:
    """`frames` later."""
    mean, p, c, v = _split(now)
    drift = (DRIFT * now.side) ** 2 * seconds * frames
    push = (ACCELERATION * seconds * now.side) ** 2 * seconds * frames
    for axis, part in enumerate(_PART):
        mean[axis] += mean[axis + 4] * frames
        p[axis] += 2 * frames * c[axis] + frames * frames * v[axis] + drift * part * part
        c[axis] += frames * v[axis]
        v[axis] += push * part * part
    if mean[2] < 1.0 or mean[3] < 1.0:
        mean[2], mean[3], mean[6], mean[7] = max(mean[2], 1.0), max(mean[3], 1.0), 0.0, 0.0
    return Filter(tuple(mean), (*p, *c, *v))


def at_rest(now: Filter, motion: bool) -> Filter:
    """The filter, without its speed unless there is `motion`."""
    return now if motion else Filter((*now.mean[:4], 0.0, 0.0, 0.0, 0.0), now.covariance)


def update(now: Filter, box: Box, place: float = 1.0, size: float = 1.0) -> Filter:
    """Corrected by a measured box; `place` and `size` multiply the noise of its centre and sides."""
    mean, p, c, v = _split(now)
    noise = MEASURED * math.sqrt(max((box[2] - box[0]) * (box[3] - box[1]), 1.0))
    for axis, (value, times) in enumerate(zip(_centred(box), (place, place, size, size), strict=True)):
        total = p[axis] + (noise * times) ** 2
        gain, gain_speed = p[axis] / total, c[axis] / total
        error = value - mean[axis]
        mean[axis] += gain * error
        mean[axis + 4] += gain_speed * error
        v[axis] -= gain_speed * c[axis]
        c[axis] -= gain * c[axis]
        p[axis] -= gain * p[axis]
    return Filter(tuple(mean), (*p, *c, *v))


def _centred(box: Box) -> tuple[float, float, float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, box[2] - box[0], box[3] - box[1]


def _split(now: Filter) -> tuple[list[float], list[float], list[float], list[float]]:
    covariance = list(now.covariance)
    return list(now.mean), covariance[:4], covariance[4:8], covariance[8:]
