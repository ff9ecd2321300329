"""Undo what lenses and screens do to a picture's samples: a blur, and a tone curve on red, green and blue.

The curve is a power, as display and camera gammas together make it; the blur is taken as Gaussian and undone by a
Wiener filter (N. Wiener, 1949), which serves for the filters of scalers too.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from operators.hiding.carrier import Floats
from schemas.frames import Plane, Planes, VideoFormat

Rgb = npt.NDArray[np.float32]
NOISE = 0.01
_HD_LINES = 720
_WEIGHTS = {1: (0.2126, 0.0722), 9: (0.2627, 0.0593)}
_SD = (0.299, 0.114)


def rgb_of(y: Plane | Floats, u: Plane | Floats, v: Plane | Floats, format: VideoFormat) -> Rgb:
    """Red, green and blue (height, width, 3), 0 to 1, chroma interpolated; ITU-T H.273 says the matrix."""
    red, blue = _weights(format)
    size = y.shape[1], y.shape[0]
    grey = y.astype(np.float32) / 255 if format.full_range else (y.astype(np.float32) - 16) / 219
    span = 255 if format.full_range else 224
    cb, cr = (cv2.resize(c.astype(np.float32) - 128, size, interpolation=cv2.INTER_LINEAR) / span for c in (u, v))
    r, b = grey + 2 * (1 - red) * cr, grey + 2 * (1 - blue) * cb
    return np.clip(np.stack([r, (grey - red * r - blue * b) / (1 - red - blue), b], -1), 0, 1)


def luma_of(rgb: Rgb, format: VideoFormat) -> Floats:
    """Luma in samples, not rounded."""
    red, blue = _weights(format)
    grey = rgb @ np.array([red, 1 - red - blue, blue], np.float32)
    return np.asarray(grey * 255 if format.full_range else 16 + 219 * grey, np.float32)


def planes_of(rgb: Rgb, format: VideoFormat) -> Planes:
    """The picture as 8-bit planes, chroma averaged."""
    red, blue = _weights(format)
    luma = luma_of(rgb, format)
    grey = rgb @ np.array([red, 1 - red - blue, blue], np.float32)
    size, span = (luma.shape[1] // 2, luma.shape[0] // 2), 255 if format.full_range else 224
    halves = (
        cv2.resize((rgb[:, :, c] - grey) / (2 * (1 - weight)), size, interpolation=cv2.INTER_AREA) * span + 128
        for c, weight in ((2, blue), (0, red))
    )
    return Planes(*(np.clip(np.rint(plane), 0, 255).astype(np.uint8) for plane in (luma, *halves)))


def untoned(y: Plane | Floats, u: Plane | Floats, v: Plane | Floats, format: VideoFormat, power: float) -> Floats:
    """Luma of the picture whose red, green and blue gave these samples when raised to `power`."""
    if power == 1:
        return y.astype(np.float32)
    return luma_of(rgb_of(y, u, v, format) ** np.float32(1 / power), format)


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


def _weights(format: VideoFormat) -> tuple[float, float]:
    """Shares of red and blue in luma."""
    if format.matrix == 2:
        return _WEIGHTS[1] if format.height >= _HD_LINES else _SD
    return _WEIGHTS.get(format.matrix, _SD)
