"""A face in place of a face: one donor a track, steady through it, that owes the hidden one a single bit.

The appearance is the seed of donor and recipe (4 bytes, of the track's number, not of its samples) and whether the
region is light or dark (1 byte): so nobody can tell more than two sorts of people apart by one track, whatever is
learned from replaced faces: at most 2 of 200 at rank 1. Every sample of the region is overwritten, hair and ground
too: nothing that covered the hidden face stays, as it might show some of it. Donors are drawn
(`operators/replacing/drawn.py`) or the user's own.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import cv2
import numpy as np

from operators.colour import planes_of
from operators.desensitise.base import Lasts, Spot
from operators.replacing.drawn import HEIGHT, WIDTH, Donor, drawn
from operators.replacing.recipe import Picture, Recipe
from schemas.errors import MalformedRecord
from schemas.frames import Plane, Planes, VideoFormat

DARK = 100
"""Mean luma below which a region counts as dark."""
LIGHTS = (0.62, 1.0)
TARGETS = 8
_INNER = (8, 14, 120, 154)
"""Columns and rows of the canvas, left, top, right, bottom, that are scaled into a region."""
_FORMAT = "<IB"


@dataclass(frozen=True, slots=True)
class Replacement:
    """Puts the face of a donor over the whole region; without `donors` drawn ones."""

    name: str = "replace"
    donors: tuple[Donor, ...] = ()
    lasts: Lasts = "track"
    keyed: bool = False
    easy: bool = False

    def prepare(self, spot: Spot, key: bytes) -> bytes:
        """The seed of the track, and a bit of light."""
        track = spot.found.track if spot.found else 0
        seed = int.from_bytes(hashlib.sha256(b"sealframe donor 1/%d" % track).digest()[:4], "big")
        return struct.pack(_FORMAT, seed, int(cv2.mean(spot.planes.y)[0] >= DARK))

    def paint(self, spot: Spot, appearance: bytes) -> None:
        """Scale the face into the region, evenly, its middle in the middle.

        Raises:
            MalformedRecord: the appearance is of another method.

        """
        if len(appearance) != struct.calcsize(_FORMAT) or appearance[-1] >= len(LIGHTS):
            raise MalformedRecord(f"an appearance of {len(appearance)} bytes isn't one of method {self.name}")
        face = _shown(self.donors, appearance, spot.full_range)
        for plane, shown, part in zip(spot.planes.all(), face.all(), (1, 2, 2), strict=True):
            plane[:] = _placed(shown, plane.shape, part)


@lru_cache(maxsize=256)
def _shown(donors: tuple[Donor, ...], appearance: bytes, full_range: bool) -> Planes:
    """The replaced face on its canvas."""
    seed, light = struct.unpack(_FORMAT, appearance)
    donor = donors[seed % len(donors)] if donors else drawn(seed)
    target = np.clip(np.rint(_target() * LIGHTS[light]), 0, 255).astype(np.uint8)
    replaced, _ = Recipe.drawn(seed).replaced(donor, target)
    video = VideoFormat(WIDTH, HEIGHT, Fraction(1, 25), full_range=full_range, matrix=1)
    return planes_of(np.asarray(replaced / 255, np.float32), video)


@lru_cache(maxsize=1)
def _target() -> Picture:
    """Where donors go: the mean of a few drawn faces, like nobody."""
    return np.rint(255 * np.mean([drawn(seed).rgb for seed in range(TARGETS)], 0)).astype(np.uint8)


def _placed(face: Plane, shape: tuple[int, ...], part: int) -> Plane:
    height, width = shape[:2]
    left, top, right, bottom = (side / part for side in _INNER)
    scale = min(width / (right - left), height / (bottom - top))
    source = cv2.resize(face, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else face
    step = source.shape[1] / face.shape[1]
    matrix = np.array([
        [scale / step, 0, (width - 1) / 2 - scale / step * ((left + right) / 2 * step - 0.5)],
        [0, scale / step, (height - 1) / 2 - scale / step * ((top + bottom) / 2 * step - 0.5)],
    ])
    placed = cv2.warpAffine(source, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(placed, np.uint8)


REPLACE = Replacement()
