"""What happens to copies of a video: coded again, blurred, scaled, filmed from a screen. Pictures in, pictures out.

The filmed screen: red, green and blue in 64 steps; display gamma 2.4; scaled by 0.98 or 1.02 and shifted by parts of a
sample, in light, bicubic; sensor noise of 0.2 % of full scale and shot noise of 1.4 % at full light; camera gamma 2.2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import cv2
import numpy as np

from operators.codec import decode_units, encode
from operators.colour import planes_of, rgb_of
from schemas.frames import CodedUnit, Plane, Planes, VideoFormat

STEPS, DISPLAY, CAMERA = 63, 2.4, 2.2
READ_NOISE, SHOT_NOISE = 0.002, 0.0002
_MOST = 2**31
Pictures = list[Planes]
Pass = Callable[[Sequence[Planes], VideoFormat], Pictures]


@dataclass(frozen=True, slots=True)
class Coded:
    """Through x264, at 25 frames a second: its quality depends on how long a frame is shown."""

    crf: float
    preset: str = "veryfast"

    def __call__(self, frames: Sequence[Planes], format: VideoFormat) -> Pictures:
        """Decoded again."""
        return decode_units(self.units(frames, format), "h264", format.width, format.height, _MOST, _MOST)

    def units(self, frames: Sequence[Planes], format: VideoFormat) -> tuple[CodedUnit, ...]:
        """The coded pictures."""
        timed = replace(format, time_base=Fraction(1, 25))
        return encode(frames, range(len(frames)), timed, crf=self.crf, preset=self.preset)


@dataclass(frozen=True, slots=True)
class Blurred:
    """A Gaussian of this deviation in luma samples."""

    sigma: float

    def __call__(self, frames: Sequence[Planes], format: VideoFormat) -> Pictures:
        """Every plane."""
        return [Planes(*(self._one(plane, part) for plane, part in zip(planes.all(), (1, 2, 2), strict=True)))
                for planes in frames]

    def _one(self, plane: Plane, part: int) -> Plane:
        return np.asarray(cv2.GaussianBlur(plane, (0, 0), self.sigma / part), np.uint8)


@dataclass(frozen=True, slots=True)
class Rescaled:
    """To a share of the size (area averages) and back (bicubic)."""

    share: float

    def __call__(self, frames: Sequence[Planes], format: VideoFormat) -> Pictures:
        """Every plane."""
        return [Planes(*map(self._one, planes.all())) for planes in frames]

    def _one(self, plane: Plane) -> Plane:
        height, width = plane.shape
        size = round(width * self.share), round(height * self.share)
        small = cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


@dataclass(frozen=True, slots=True)
class Filmed:
    """From a screen by a camera; `shift` in samples, `seed` draws the noise."""

    scale: float
    shift: tuple[float, float]
    seed: int = 0

    def __call__(self, frames: Sequence[Planes], format: VideoFormat) -> Pictures:
        """As the camera gives it."""
        width, height = format.width, format.height
        away = [(1 - self.scale) * (side - 1) / 2 + by for side, by in zip((width, height), self.shift, strict=True)]
        matrix = np.array([[self.scale, 0, away[0]], [0, self.scale, away[1]]])
        rng = np.random.default_rng(self.seed)
        return [self._one(planes, format, matrix, rng) for planes in frames]

    def _one(
        self, planes: Planes, format: VideoFormat, matrix: np.ndarray, rng: np.random.Generator
    ) -> Planes:
        screen = (np.rint(rgb_of(*planes.all(), format) * STEPS) / STEPS) ** np.float32(DISPLAY)
        light = cv2.warpAffine(screen, matrix, (format.width, format.height), flags=cv2.INTER_CUBIC)
        noise = np.sqrt(READ_NOISE**2 + SHOT_NOISE * np.clip(light, 0, 1))
        light = np.clip(light + rng.standard_normal(light.shape, np.float32) * noise, 0, 1)
        return planes_of(np.asarray(light ** np.float32(1 / CAMERA), np.float32), format)


PASSAGES: dict[str, Pass] = {
    "x264_crf28": Coded(28),
    "x264_crf23": Coded(23),
    "x264_crf22": Coded(22),
    "blur": Blurred(1.5),
    "rescale": Rescaled(0.75),
    "analogue_larger": Filmed(1.02, (0.4, -0.3)),
    "analogue_smaller": Filmed(0.98, (-0.35, 0.6)),
}
