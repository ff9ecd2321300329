"""What was found where: boxes, detections and regions of tracks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from schemas.errors import MalformedRecord

Array = npt.NDArray[np.float32]
ObjectKind = Literal["face", "plate", "head", "person", "frame"]
RegionSource = Literal["detected", "tracked", "filled", "coasting", "zone"]
Place = tuple[int, int]
"""Index of a frame in its chunk, and a track that has a region there."""


def boxes(values: npt.ArrayLike) -> Array:
    """The one type of boxes: float32 (n, 4) xyxy in pixels, x2 > x1 and y2 > y1, read-only.

    Raises:
        MalformedRecord: another shape, a value that isn't finite, or an empty box.

    """
    array = np.array(values, dtype=np.float32).reshape(-1, 4)
    if not np.isfinite(array).all() or (array[:, 2:] <= array[:, :2]).any():
        raise MalformedRecord(f"boxes of shape {array.shape} hold an empty or non-finite one")
    array.flags.writeable = False
    return array


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """What a detector found in one picture: boxes (n, 4), scores (n,), landmarks (n, 5, 2) x y in pixels.

    Landmark order: eye, eye, nose, mouth corner, mouth corner, each pair left to right in the picture; NaN, or
    (n, 0, 2), where the detector gives none. Plates have four, (n, 4, 2): their corners as they are read, top left, top
    right, bottom right, bottom left; a corner may lie outside box and picture.
    """

    kind: ObjectKind
    boxes: Array
    scores: Array
    landmarks: Array

    @staticmethod
    def none(kind: ObjectKind) -> Detections:
        """A result without objects (which differs from no result)."""
        return Detections(kind, boxes(np.empty((0, 4))), np.empty(0, np.float32), np.empty((0, 5, 2), np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class PartlySeen:
    """What was found, of each kind, where only some windows of a picture were searched; elsewhere nobody looked.

    `windows` (n, 4) xyxy in pixels; each detection lies whole in one of them.
    """

    found: tuple[Detections, ...]
    windows: Array


Seen = tuple[Detections, ...] | PartlySeen
"""What one look showed, of each kind."""


@dataclass(frozen=True, slots=True)
class Region:
    """One object in one frame. `box` xyxy in pixels, before padding; `landmarks` ten floats, eight (plates) or none."""

    track: int
    kind: ObjectKind
    box: tuple[float, float, float, float]
    score: float
    source: RegionSource
    landmarks: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class RegionSet:
    """The regions of every frame of a chunk, in frame order; `failed` are frame indices to be masked whole.

    `cuts` are frame indices where a new scene begins. `moved`: a fixed camera shows another view than it did.
    `effort`: how little is spent on masks and evidence, see `operators/effort.py`.
    """

    camera_id: str
    video_id: str
    chunk_seq: int
    frames: tuple[tuple[Region, ...], ...]
    failed: frozenset[int] = frozenset()
    cuts: frozenset[int] = frozenset()
    moved: bool = False
    effort: int = 0
