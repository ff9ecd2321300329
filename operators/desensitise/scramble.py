"""Encrypted scramble: a coarse view of a region, encrypted cell by cell, that survives the codec.

What is shown is a grid of area averages as levels 0 to 15, each with the next four bits of a keystream added modulo 16:
a one-time pad over Z16, so without the key every grid is as likely as every other, whatever the region held. Permuting
blocks or samples would keep their statistics, and jigsaw solvers read that; here nothing is kept. The keystream is
SHAKE-256 (FIPS 202) over a key that no other track or chunk has.

`read` takes the levels back out of a decoded picture, and `decrypt` gives the coarse view to whoever has the key. The
exact samples come from the evidence alone. Once a chunk a new grid is made, so the coarse view follows the face.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from operators import pixels
from operators.desensitise.averages import averages
from operators.desensitise.base import Lasts, Spot
from schemas.errors import MalformedRecord
from schemas.frames import Plane, Planes

LEVELS = 16
KEY_BYTES = 32
Levels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Scramble:
    """A grid of `rows` x `rows` luma cells and half as many each way of both chroma planes."""

    name: str
    rows: int
    lasts: Lasts = "chunk"
    keyed: bool = True
    easy: bool = False

    def prepare(self, spot: Spot, key: bytes) -> bytes:
        """The encrypted levels: luma grid, then u and v, row by row.

        Raises:
            MalformedRecord: no key.

        """
        grids = zip(spot.planes.all(), self._sides, strict=True)
        levels = np.frombuffer(b"".join(averages(plane, side) for plane, side in grids), np.uint8) // LEVELS
        return self._added(levels, key, 1).tobytes()

    def paint(self, spot: Spot, appearance: bytes) -> None:
        """Flat cells of the levels, scaled over the region.

        Raises:
            MalformedRecord: the appearance is of another method.

        """
        for plane, grid in zip(spot.planes.all(), self._grids(np.frombuffer(appearance, np.uint8)), strict=True):
            shown = (grid * LEVELS + LEVELS // 2).astype(np.uint8)
            plane[:] = cv2.resize(shown, (plane.shape[1], plane.shape[0]), interpolation=cv2.INTER_NEAREST)

    def read(self, shown: Planes) -> bytes:
        """The appearance that a decoded region shows: the nearest level to the mean of each cell's inner part."""
        pairs = zip(shown.all(), self._sides, strict=True)
        return b"".join(_levels(plane, side).tobytes() for plane, side in pairs)

    def decrypt(self, appearance: bytes, key: bytes, width: int, height: int) -> Planes:
        """The coarse view, `width` x `height` luma samples (even), of whoever has the key; smooth between the cells.

        Raises:
            MalformedRecord: the appearance is of another method, or no key.

        """
        grids = self._grids(self._added(np.frombuffer(appearance, np.uint8), key, -1))
        view = pixels.blank(width, height)
        for plane, grid in zip(view.all(), grids, strict=True):
            values = (grid * LEVELS + LEVELS // 2).astype(np.uint8)
            plane[:] = cv2.resize(values, (plane.shape[1], plane.shape[0]), interpolation=cv2.INTER_LINEAR)
        return view

    def _added(self, levels: Levels, key: bytes, sign: int) -> Levels:
        if len(key) != KEY_BYTES:
            raise MalformedRecord(f"{self.name} needs a key of {KEY_BYTES} bytes")
        stream = np.frombuffer(hashlib.shake_256(key).digest(len(levels)), np.uint8).astype(np.int16)
        return ((levels + sign * stream) % LEVELS).astype(np.uint8)

    def _grids(self, levels: Levels) -> list[Levels]:
        sides = self._sides
        if len(levels) != sum(side * side for side in sides) or (levels >= LEVELS).any():
            raise MalformedRecord(f"an appearance of {len(levels)} bytes isn't one of method {self.name}")
        ends = np.cumsum([side * side for side in sides])[:-1]
        return [part.reshape(side, side) for part, side in zip(np.split(levels, ends), sides, strict=True)]

    @property
    def _sides(self) -> tuple[int, int, int]:
        chroma = max(1, self.rows // 2)
        return self.rows, chroma, chroma


def _levels(plane: Plane, side: int) -> Levels:
    """Mean of each cell without its rim, which the codec smears, as the level it is nearest to."""
    height, width = plane.shape
    out = np.empty((side, side), np.uint8)
    for row in range(side):
        for column in range(side):
            top, bottom = row * height // side, max((row + 1) * height // side, row * height // side + 1)
            left, right = column * width // side, max((column + 1) * width // side, column * width // side + 1)
            dy, dx = (bottom - top) // 4, (right - left) // 4
            mean = float(plane[top + dy : bottom - dy, left + dx : right - dx].mean())
            out[row, column] = min(LEVELS - 1, max(0, round((mean - LEVELS // 2) / LEVELS)))
    return out


SCRAMBLE = Scramble("scramble", 8)
