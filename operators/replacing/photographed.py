"""Donors out of photographs: a face brought to the canvas by its landmarks."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from operators.replacing.drawn import HEIGHT, WIDTH, Donor, Floats, drawn
from schemas.errors import MalformedRecord

_MEAN_OF = 16


def photographed(rgb: npt.NDArray[np.uint8], landmarks: Floats) -> Donor:
    """The donor of the face whose landmarks (5, 2) lie in the picture; past its edge the last samples are repeated.

    By the similarity that brings them nearest to a mean drawn face's, in least squares (S. Umeyama, 1991).

    Raises:
        MalformedRecord: not five different finite landmarks.

    """
    points = np.asarray(landmarks, np.float64)
    if points.shape != (5, 2) or not np.isfinite(points).all() or not np.ptp(points, axis=0).all():
        raise MalformedRecord("a donor needs five different finite landmarks")
    source, target = (p[:, 0] + 1j * p[:, 1] for p in (points, _mean_landmarks()))
    centred = source - source.mean()
    turn = np.vdot(centred, target - target.mean()) / np.vdot(centred, centred)
    shift = target.mean() - turn * source.mean()
    matrix = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    if abs(turn) < 0.5:
        rgb = np.asarray(cv2.GaussianBlur(rgb, (0, 0), 0.4 / abs(turn)), np.uint8)
    warped = cv2.warpAffine(rgb, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return Donor(np.asarray(warped / 255, np.float32), points @ matrix[:, :2].T + matrix[:, 2])


@lru_cache(maxsize=1)
def _mean_landmarks() -> Floats:
    return np.asarray(np.mean([drawn(seed).landmarks for seed in range(_MEAN_OF)], 0))
