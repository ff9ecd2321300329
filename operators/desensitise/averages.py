"""Methods that show a few coarse averages of a region: mosaic (a grid), blur (a grid, smooth).

What leaves is `rows * rows` luma values and a quarter as many of each chroma, in steps of 16: no filter is applied
to the region's samples, so nothing can be deconvolved; what isn't in the averages is not in the picture. In a small
region the grid is averaged further, to cells of `cell` samples and more: what is small shows less, and costs less.
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
    """A grid of `rows` x `rows` luma averages of at least `cell` samples; `smooth` interpolates between them."""

    name: str
    rows: int
    smooth: bool
    cell: int = 1
    lasts: Lasts = "track"
    keyed: bool = False
    easy: bool = True

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
        most = max(1, min(spot.planes.y.shape) // self.cell)
        for plane, side, fit in zip(spot.planes.all(), sides, (most, *2 * [max(1, most // 2)]), strict=True):
            grid = values[start : start + side * side].reshape(side, side)
            if fit < side:
                smaller = cv2.resize(grid, (fit, fit), interpolation=cv2.INTER_AREA)
                grid = np.asarray(smaller, np.uint8).reshape(fit, fit)
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


MOSAIC = Averages("mosaic", 6, smooth=False, cell=16)
BLUR = Averages("blur", 4, smooth=True, cell=32)
