"""Pictures with content at all scales, as cameras give them: drawn texture, an object that moves, fine noise."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import numpy.typing as npt

from operators.pixels import freeze
from schemas.frames import Planes, VideoFormat

TIME_BASE = Fraction(1, 25)


def pictures(format: VideoFormat, count: int, seed: int = 0) -> list[Planes]:
    """So many frames; the object goes two samples to the right in each."""
    rng = np.random.default_rng(seed)
    y, u, v = (_texture(rng, format.height // part, format.width // part, deep)
               for part, deep in ((1, 45.0), (2, 8.0), (2, 8.0)))
    object_ = _texture(rng, format.height // 3, format.width // 4, 60.0)
    out = []
    for number in range(count):
        luma = y.copy()
        left = 10 + 2 * number
        luma[40 : 40 + object_.shape[0], left : left + object_.shape[1]] = object_
        luma += rng.normal(0, 1, luma.shape)
        out.append(freeze(Planes(*(np.clip(np.rint(plane), 16, 235).astype(np.uint8) for plane in (luma, u, v)))))
    return out


def _texture(rng: np.random.Generator, height: int, width: int, deep: float) -> npt.NDArray[np.float64]:
    total = np.full((height, width), 125.0)
    for sigma, share in ((30, 0.7), (8, 0.25), (2, 0.1)):
        layer = cv2.GaussianBlur(rng.normal(0, 1, (height, width)), (0, 0), sigma)
        total += deep * share * layer / layer.std()
    return total
