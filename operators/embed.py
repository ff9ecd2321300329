"""A face as 128 numbers: the chip cut from a picture by five landmarks, and its unit vector.

Vectors of one person lie close: compare them by cosine. Chips are averaged with their mirror image, on both sides of
a comparison. Thresholds below are this network's, measured with one crop a picture on 1.8 million pairs of 1,899
pictures of Labeled Faces in the Wild, aligned by CenterFace's landmarks. What they stand for with six crops, by size
of face and for whole searches, is in `face_rates.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from operators.detect.picture import crop_rgb
from operators.detect.session import ORT_ERRORS, cpu_session
from schemas.errors import ConfigError, MalformedRecord
from schemas.regions import Array

__all__ = [
    "ALIKE", "CHIP", "CROPS", "FEATURES", "SAME", "SURE", "TIGHT", "WHOLE", "Crop", "FaceEmbedder", "align",
    "crop_rgb", "template",
]

CHIP, FEATURES = 150, 128
ALIKE = 0.910
"""Cosine from which a face is worth a look: false accept rate 1e-2, 99 % of true pairs pass (measured)."""
SAME = 0.928
"""The same for one person, more likely than not: false accept rate 1e-3, 96 % of true pairs pass (measured)."""
SURE = 0.942
"""The same for a false accept rate of 1e-4, 86 % of true pairs pass (measured)."""


@dataclass(frozen=True, slots=True)
class Crop:
    """How a chip is cut: so many times as large as the network's own, moved right and down by pixels of the chip."""

    zoom: float = 1.0
    right: float = 0.0
    down: float = 0.0


WHOLE, TIGHT = Crop(), Crop(1.07)
"""The network's own crop, and the single one that tells people apart best (measured; see `FIGURES.md`)."""
CROPS = (WHOLE, TIGHT, Crop(1.1, -6), Crop(1.1, 6), Crop(1.1, 0, -6), Crop(1.1, 0, 6))
"""What a still picture is read by, and averaged over: it has no other frames that noise could cancel out in."""

_POINTS = np.array([[47.8, 47.5], [102.1, 46.0], [74.2, 78.6], [51.4, 104.0], [97.3, 102.9]])
_HALVE_BELOW = 0.5
_BATCH = 16


def align(rgb: npt.NDArray[np.uint8], landmarks: npt.ArrayLike, crop: Crop = WHOLE) -> npt.NDArray[np.uint8]:
    """The chip (150, 150, 3) of the face whose landmarks (5, 2) x y lie in the RGB picture.

    Least-squares similarity (turn, scale, shift) to the network's five points, as `crop` moves them. A large face is
    halved first until it's at most twice the chip, so that nothing aliases.

    Raises:
        MalformedRecord: the landmarks aren't five different finite points.

    """
    points = np.asarray(landmarks, np.float64).reshape(-1, 2)
    if points.shape != (5, 2) or not np.isfinite(points).all() or not np.ptp(points, axis=0).any():
        raise MalformedRecord("a face is aligned by five different finite landmarks")
    target = (_POINTS - CHIP / 2) * crop.zoom + CHIP / 2 + (crop.right, crop.down)
    turn, shift = _similarity(points, target)
    while abs(turn) < _HALVE_BELOW and min(rgb.shape[:2]) > 1:
        height, width = rgb.shape[0] // 2, rgb.shape[1] // 2
        half = cv2.resize(rgb[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
        rgb = np.asarray(half, np.uint8)
        points = (points + 0.5) / 2 - 0.5
        turn, shift = _similarity(points, target)
    matrix = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    return np.asarray(cv2.warpAffine(rgb, matrix, (CHIP, CHIP), flags=cv2.INTER_LINEAR), np.uint8)


def _similarity(points: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64]) -> tuple[complex, complex]:
    """a, b of z -> a z + b, over complex x + iy, nearest to the `wanted` points in least squares."""
    source, target = (p[:, 0] + 1j * p[:, 1] for p in (points, wanted))
    centred = source - source.mean()
    turn = np.vdot(centred, target - target.mean()) / np.vdot(centred, centred)
    return complex(turn), complex(target.mean() - turn * source.mean())


class FaceEmbedder:
    """The network, ready to run on one core; `embed` may be called from several threads at once."""

    def __init__(self, model: bytes | Path) -> None:
        data = model.read_bytes() if isinstance(model, Path) else model
        self._session = cpu_session(data, "face embedder")
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or inputs[0].shape[1:] != [CHIP, CHIP, 3] or outputs[0].shape[1:] != [FEATURES]:
            raise ConfigError("the face embedder must turn chips (n, 150, 150, 3) into (n, 128)")
        self._input = inputs[0].name

    def embed(self, chips: npt.NDArray[np.uint8]) -> Array:
        """Unit vectors (n, 128) of chips (n, 150, 150, 3) RGB, each averaged with its mirror image.

        Raises:
            ConfigError: the chips have another shape, or the network answers with values that aren't numbers.

        """
        if chips.dtype != np.uint8 or chips.ndim != 4 or chips.shape[1:] != (CHIP, CHIP, 3):
            raise ConfigError(f"the face embedder takes uint8 chips (n, 150, 150, 3), not {chips.dtype} {chips.shape}")
        parts = [self._unit(chips[i : i + _BATCH]) for i in range(0, len(chips), _BATCH)]
        return np.concatenate([np.empty((0, FEATURES), np.float32), *parts])

    def _unit(self, chips: npt.NDArray[np.uint8]) -> Array:
        both = np.stack([*chips, *(cv2.flip(chip, 1) for chip in chips)])
        try:
            (features,) = self._session.run(None, {self._input: both})
        except ORT_ERRORS as error:
            raise ConfigError(f"the face embedder doesn't run: {type(error).__name__}") from error
        mean = _normalised(_normalised(features).reshape(2, len(chips), FEATURES).mean(0))
        if not np.isfinite(mean).all():
            raise ConfigError("the face embedder answers with values that aren't numbers")
        return mean


def template(vectors: Array) -> Array:
    """The direction (128,) of the mean of unit vectors (n, 128), n > 0: several pictures or crops as one."""
    return _normalised(vectors.mean(0, keepdims=True))[0]


def _normalised(vectors: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
