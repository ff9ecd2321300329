"""Invertible scaling of a region: the low band of the Haar transform is shown, the exact samples are sealed.

Shown is what a camera of 1/`factor` of the resolution would have seen, in every frame anew, so it follows movement and
adds up over frames: it hides less than methods with one appearance a track, the less the larger the region is. `scale8`
leaves a face of 48 pixels 6 x 6 values; one of 200 pixels keeps 25 x 25.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from operators.desensitise.base import Lasts, Spot
from operators.haar import low_band
from schemas.errors import MalformedRecord
from schemas.frames import Plane


@dataclass(frozen=True, slots=True)
class Scale:
    """Every side `2^stages` times smaller; chroma is halved as often as luma."""

    name: str
    stages: int
    lasts: Lasts = "frame"
    keyed: bool = False
    easy: bool = True

    def prepare(self, spot: Spot, key: bytes) -> bytes:
        """The low bands, y, u, v, row by row."""
        return b"".join(low_band(plane, self.stages).tobytes() for plane in spot.planes.all())

    def paint(self, spot: Spot, appearance: bytes) -> None:
        """Each value in the middle of the square it stands for, smooth between: edges of squares would cost bits.

        Raises:
            MalformedRecord: the appearance is of another region or method.

        """
        shapes = [self._shape(plane) for plane in spot.planes.all()]
        if len(appearance) != sum(height * width for height, width in shapes):
            raise MalformedRecord(f"an appearance of {len(appearance)} bytes isn't one of method {self.name} here")
        values, start, step = np.frombuffer(appearance, np.uint8), 0, 2**self.stages
        for plane, (height, width) in zip(spot.planes.all(), shapes, strict=True):
            low = values[start : start + height * width].reshape(height, width)
            smooth = cv2.resize(low, (width * step, height * step), interpolation=cv2.INTER_LINEAR)
            plane[:] = smooth[: plane.shape[0], : plane.shape[1]]
            start += height * width

    def _shape(self, plane: Plane) -> tuple[int, int]:
        step = 2**self.stages
        return -(-plane.shape[0] // step), -(-plane.shape[1] // step)


SCALES = (Scale("scale2", 1), Scale("scale4", 2), Scale("scale8", 3))
