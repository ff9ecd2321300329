"""How good a face region is for recognition, to pick the best one of a subject.

quality = size^.05 * sharpness^.2 * pose^.1 * light^.05 * score^.6, each factor in 0..1, so one bad factor can't be
bought off. The weights follow what recognition errors follow (`sealframe eval quality`):

- size: shorter side of the box over 96 px, at most 1 (rank-1 search falls from 94 to 88 % at 27 px)
- sharpness: v / (v + 150), v the variance of the Laplacian of the luma crop scaled to 64x64
- pose: 1 - 2 |t - 1/2|, t the foot of the nose on the line between the eyes: 1/2 in a frontal face; at least 0.02,
  so that the views of a turned face still have an order
- light: 1 for a mean luma of 60 to 190, falling in straight lines to 0 at 16 and 235
- score: the detector's; it falls where something covers the face. What a chip has unlike a mean face, cell by cell, was
  tried beside it for that: over covered faces it left no fewer errors
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from schemas.frames import Plane

_FULL_SIZE = 96.0
_HALF_SHARP = 150.0
_SIDE = 64
_TURNED = 0.02
_WEIGHTS = {"size": 0.05, "sharpness": 0.2, "pose": 0.1, "light": 0.05, "score": 0.6}
_LIGHT = ([16, 60, 190, 235], [0, 1, 1, 0])


def quality(box: Sequence[float], landmarks: npt.ArrayLike, score: float, luma_crop: Plane) -> float:
    """Quality 0..1 of a face: box xyxy, landmarks (5, 2) x y or ten numbers, luma of the box (limited range).

    0 for a face without landmarks, which can't be aligned, and for an empty crop.
    """
    points = np.asarray(landmarks, np.float64)
    if points.size != 10 or not np.isfinite(points).all() or luma_crop.size == 0:
        return 0.0
    factors = {
        "size": min(1.0, max(0.0, min(box[2] - box[0], box[3] - box[1]) / _FULL_SIZE)),
        "sharpness": _sharpness(luma_crop),
        "pose": _pose(points.reshape(5, 2)),
        "light": float(np.interp(luma_crop.mean(), *_LIGHT)),
        "score": min(1.0, max(0.0, score)),
    }
    return math.prod(factors[name] ** weight for name, weight in _WEIGHTS.items())


def _sharpness(luma: Plane) -> float:
    small = cv2.resize(luma, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    variance = float(cv2.Laplacian(small, cv2.CV_64F).var())
    return variance / (variance + _HALF_SHARP)


def _pose(points: npt.NDArray[np.float64]) -> float:
    eyes = points[1] - points[0]
    length = float(eyes @ eyes)
    if length == 0:
        return _TURNED
    return max(_TURNED, 1 - 2 * abs(float((points[2] - points[0]) @ eyes) / length - 0.5))
