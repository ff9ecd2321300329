"""Undo what lenses and screens do to a picture's samples: a blur, and a tone curve on red, green and blue.

The curve is a power, as display and camera gammas together make it; the blur is taken as Gaussian and undone by a
Wiener filter (N. Wiener, 1949), which serves for the filters of scalers too.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from operators.colour import Floats, rgb_of, samples_of
from schemas.frames import Plane, VideoFormat

NOISE = 0.01


def untoned(y: Plane | Floats, u: Plane | Floats, v: Plane | Floats, format: VideoFormat, power: float) -> Floats:
    """Luma of the picture whose red, green and blue gave these samples when raised to `power`."""
    if power == 1:
        return y.astype(np.float32)
    return samples_of(rgb_of(y, u, v, format) ** np.float32(1 / power), format)[..., 0]


def unblurred(luma: Floats, sigma: float) -> Floats:
    """The picture before a Gaussian blur of this deviation in samples."""
    if sigma == 0:
        return luma
    pad = 16
    wide = np.pad(luma, pad, mode="symmetric")
    out = np.fft.irfft2(np.fft.rfft2(wide) * _inverse(wide.shape, sigma), s=wide.shape)
    return np.asarray(out[pad:-pad, pad:-pad], np.float32)


@lru_cache(maxsize=32)
def _inverse(shape: tuple[int, int], sigma: float) -> npt.NDArray[np.float64]:
    down, across = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None]
    passed = np.exp(-2 * (np.pi * sigma) ** 2 * (down**2 + across**2))
    return passed * (1 + NOISE) / (passed**2 + NOISE)
