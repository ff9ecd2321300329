"""Methods that show a few coarse averages of a region: solid (one), mosaic (a grid), blur (a grid, smooth).

What leaves is `rows * rows` luma values and a quarter as many of each chroma, in steps of 16: no filter is applied
to the region's samples, so nothing can be deconvolved; what isn't in the averages is not in the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from operators.desensitise.base import Lasts, Spot
from schemas.errors import MalformedRecord
from schemas.frames import Plane

STEP = 16


@dataclass(frozen=True, slots=True)
class Averages:
    """A grid of `rows` x `rows` luma averages; `smooth` interpolates between them."""

    name: str
    rows: int
    smooth: bool
    lasts: Lasts = "track"
    keyed: bool = False

    def prepare(self, spot: Spot, key: bytes) -> bytes:
        """Area averages, quantised: luma grid, then u and v, row by row."""
        return b"".join(averages(plane, side) for plane, side in zip(spot.planes.all(), self._sides, strict=True))

    def paint(self, spot: Spot, appearance: bytes) -> None:
        """Scale the grids over the region.

        Raises:
            MalformedRecord: the appearance is of another method.

        """
        sides = self._sides
        if len(appearance) != sum(side * side for side in sides):
            raise MalformedRecord(f"an appearance of {len(appearance)} bytes isn't one of method {self.name}")
        values, start = np.frombuffer(appearance, np.uint8), 0
        how = cv2.INTER_LINEAR if self.smooth else cv2.INTER_NEAREST
        for plane, side in zip(spot.planes.all(), sides, strict=True):
            grid = values[start : start + side * side].reshape(side, side)
            plane[:] = cv2.resize(grid, (plane.shape[1], plane.shape[0]), interpolation=how)
            start += side * side

    @property
    def _sides(self) -> tuple[int, int, int]:
        chroma = max(1, self.rows // 2)
        return self.rows, chroma, chroma


def averages(plane: Plane, side: int) -> bytes:
    """`side` x `side` area averages in steps of 16."""
    grid = cv2.resize(plane, (side, side), interpolation=cv2.INTER_AREA).astype(np.int32)
    return ((grid // STEP) * STEP + STEP // 2).astype(np.uint8).tobytes()


SOLID = Averages("solid", 1, smooth=False)
MOSAIC = Averages("mosaic", 6, smooth=False)
BLUR = Averages("blur", 4, smooth=True)
