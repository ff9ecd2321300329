"""Red, green and blue of YUV 4:2:0 planes as floats, and back; ITU-T H.273 names matrices and ranges.

A video that names no matrix is read as BT.709 from 720 lines on, else as BT.601, as players do.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from schemas.frames import Plane, Planes, VideoFormat

Floats = npt.NDArray[np.float32]
HD_LINES = 720
_WEIGHTS = {1: (0.2126, 0.0722), 9: (0.2627, 0.0593)}
_SD = (0.299, 0.114)


def rgb_of(y: Plane | Floats, u: Plane | Floats, v: Plane | Floats, format: VideoFormat) -> Floats:
    """Red, green and blue (height, width, 3), 0 to 1, chroma interpolated."""
    red, blue = weights(format)
    size = y.shape[1], y.shape[0]
    grey = y.astype(np.float32) / 255 if format.full_range else (y.astype(np.float32) - 16) / 219
    span = 255 if format.full_range else 224
    cb, cr = (cv2.resize(c.astype(np.float32) - 128, size, interpolation=cv2.INTER_LINEAR) / span for c in (u, v))
    r, b = grey + 2 * (1 - red) * cr, grey + 2 * (1 - blue) * cb
    return np.clip(np.stack([r, (grey - red * r - blue * b) / (1 - red - blue), b], -1), 0, 1)


def samples_of(rgb: Floats, format: VideoFormat) -> Floats:
    """Luma and chroma (..., 3) in samples, not rounded, of colours (..., 3)."""
    red, blue = weights(format)
    grey = rgb @ np.array([red, 1 - red - blue, blue], np.float32)
    span = 255 if format.full_range else 224
    cb, cr = (rgb[..., 2] - grey) / (2 * (1 - blue)), (rgb[..., 0] - grey) / (2 * (1 - red))
    luma = grey * 255 if format.full_range else 16 + 219 * grey
    return np.asarray(np.stack([luma, 128 + span * cb, 128 + span * cr], -1), np.float32)


def planes_of(rgb: Floats, format: VideoFormat) -> Planes:
    """The picture as 8-bit planes, chroma averaged."""
    samples = samples_of(rgb, format)
    size = rgb.shape[1] // 2, rgb.shape[0] // 2
    u, v = (cv2.resize(samples[..., c], size, interpolation=cv2.INTER_AREA) for c in (1, 2))
    return Planes(*(np.clip(np.rint(plane), 0, 255).astype(np.uint8) for plane in (samples[..., 0], u, v)))


def weights(format: VideoFormat) -> tuple[float, float]:
    """Shares of red and blue in luma."""
    if format.matrix == 2:
        return _WEIGHTS[1] if format.height >= HD_LINES else _SD
    return _WEIGHTS.get(format.matrix, _SD)
