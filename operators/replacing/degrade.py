"""A donor made less real: any of blur, JPEG and noise, in this order, each on the result before."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from schemas.errors import MalformedRecord

KERNELS = (3, 5, 7, 9, 11)
QUALITIES = (35, 50, 65, 80, 95)
MEANS, VARIANCES = (-4.0, 0.0, 4.0), (4.0, 9.0, 16.0, 25.0)
Rgb8 = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Degradation:
    """Gaussian `kernel` (odd side, 0: none), JPEG `quality` (0: none), `noise` (mean, variance in 8-bit steps)."""

    kernel: int = 0
    quality: int = 0
    noise: tuple[float, float] | None = None
    seed: int = 0

    def __call__(self, rgb: Rgb8) -> Rgb8:
        """The picture (h, w, 3) after it; noise is clipped to 8 bits."""
        if self.kernel:
            rgb = np.asarray(cv2.GaussianBlur(rgb, (self.kernel, self.kernel), 0), np.uint8)
        if self.quality:
            rgb = _jpeg(rgb, self.quality)
        if self.noise:
            mean, variance = self.noise
            drawn = np.random.default_rng(self.seed).normal(mean, variance**0.5, rgb.shape)
            rgb = np.clip(np.rint(rgb + drawn), 0, 255).astype(np.uint8)
        return rgb


def drawn_degradation(rng: np.random.Generator) -> Degradation:
    """One with every part in or out, and every value, equally likely."""
    blur, jpeg, noise = rng.integers(0, 2, 3)
    return Degradation(
        int(rng.choice(KERNELS)) if blur else 0, int(rng.choice(QUALITIES)) if jpeg else 0,
        (float(rng.choice(MEANS)), float(rng.choice(VARIANCES))) if noise else None, int(rng.integers(2**31)),
    )


def _jpeg(rgb: Rgb8, quality: int) -> Rgb8:
    done, data = cv2.imencode(".jpg", np.ascontiguousarray(rgb[:, :, ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality])
    back = cv2.imdecode(data, cv2.IMREAD_COLOR) if done else None
    if back is None:
        raise MalformedRecord("a donor can't be coded as JPEG")
    return np.ascontiguousarray(back[:, :, ::-1], np.uint8)
