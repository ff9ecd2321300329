"""Objects of several kinds in one frame: looked at as a whole, and once more at native resolution.

A frame up to 640 pixels wide is searched once, as it is. In a larger one what is small shows at native resolution only,
and what is large shows best in a picture that is small: so a larger frame is searched coarsely as a whole and again at
up to `size` pixels, tile by tile, so that memory doesn't grow with the frame, and what both looks find is merged. Each
look is scaled and turned to RGB once, for all networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from operators.detect.face import frozen, only, rescale, shifted, suppress
from operators.detect.picture import DETECTION_SIDE, Rgb, picture_of
from operators.detect.spec import Detector
from schemas.frames import Planes, VideoFormat
from schemas.regions import Detections, boxes

SAME = 0.4
"""IoU from which what two looks find is one object."""
WORTH = 1.2
"""How much larger a frame must be for two looks."""
COARSEST, SCALE = 320, 4
"""The coarse look is so many times smaller than the fine one, but not below so many pixels. Of 122 WIDER pictures at
1280 pixels AP50 is 0.831 with 320, 0.832 with 448, 0.828 with 640 and 0.816 without a coarse look."""
TILE, SHARED = 1280, 128
"""Longest side of a tile, and how much neighbours share: what is smaller lies whole in one of them, what is larger is
seen in the coarse look, so what a tile's inner edge cuts is left out."""
EDGE = 2.0
Part = tuple[int, int, int, int]


class Finder(Protocol):
    """What looks for objects in a frame."""

    def detect_planes(
        self, planes: Planes, video: VideoFormat, size: int = DETECTION_SIDE
    ) -> Detections | tuple[Detections, ...]:
        """Objects of one kind, or of each kind, in samples of the frame; raises ConfigError where a network fails."""
        ...


class Several:
    """Detectors side by side, one for each kind; where one fails, all do: the frame is then masked whole."""

    def __init__(self, *detectors: Detector) -> None:
        self.detectors = detectors

    def detect_planes(self, planes: Planes, video: VideoFormat, size: int = DETECTION_SIDE) -> tuple[Detections, ...]:
        """Objects of each kind in a frame, searched at up to `size` pixels on the longer side."""
        found = [self._look(planes, video, side) for side in looks(max(planes.y.shape), size)]
        return tuple(merged([look[k] for look in found]) for k in range(len(self.detectors)))

    def _look(self, planes: Planes, video: VideoFormat, side: int) -> list[Detections]:
        picture, scale_x, scale_y = picture_of(planes, video, side)
        parts = tiles(*picture.shape[:2]) if side > DETECTION_SIDE else ((0, 0, *picture.shape[:2]),)
        return [
            rescale(merged([_searched(detector, picture, part) for part in parts]), scale_x, scale_y)
            for detector in self.detectors
        ]


def looks(longer: int, size: int) -> tuple[int, ...]:
    """The sizes at which a frame of this longer side is searched, in pixels."""
    most = min(longer, size)
    if most <= WORTH * DETECTION_SIDE:
        return (min(most, DETECTION_SIDE),)
    return max(COARSEST, most // SCALE), most


def tiles(height: int, width: int) -> tuple[Part, ...]:
    """Top, left, bottom, right of the tiles of a picture: of equal size, overlapping, row by row."""
    return tuple(
        (top, left, bottom, right) for top, bottom in _spans(height) for left, right in _spans(width)
    )


def _spans(length: int) -> list[tuple[int, int]]:
    count = max(1, -(-(length - SHARED) // (TILE - SHARED)))
    size = -(-(length + (count - 1) * SHARED) // count)
    starts = [round(i * (length - size) / max(1, count - 1)) for i in range(count)]
    return [(start, start + size) for start in starts]


def _searched(detector: Detector, picture: Rgb, part: Part) -> Detections:
    """What a tile shows whole, in pixels of the picture."""
    top, left, bottom, right = part
    found = detector.detect(np.ascontiguousarray(picture[top:bottom, left:right]))
    return shifted(only(found, ~cut_off(found, part, *picture.shape[:2])), left, top)


def cut_off(found: Detections, part: Part, height: int, width: int) -> npt.NDArray[np.bool_]:
    """Which of these, in pixels of a part, reach an edge of it that isn't an edge of the picture (height, width)."""
    top, left, bottom, right = part
    x1, y1, x2, y2 = found.boxes.T
    whole = (
        ((x1 > EDGE) | (left == 0)) & ((y1 > EDGE) | (top == 0))
        & ((x2 < right - left - EDGE) | (right == width)) & ((y2 < bottom - top - EDGE) | (bottom == height))
    )  # fmt: skip
    return np.asarray(~whole)


def merged(found: Sequence[Detections]) -> Detections:
    """What several looks at one frame found of one kind, best first, each object once."""
    if len(found) == 1:
        return found[0]
    scores = np.concatenate([one.scores for one in found])
    order = np.argsort(-scores, kind="stable")
    every = np.concatenate([one.boxes for one in found])[order]
    kept = suppress(every, SAME)
    marks = np.concatenate([one.landmarks for one in found if len(one.scores)] or [found[0].landmarks])
    return Detections(found[0].kind, boxes(every[kept]), frozen(scores[order][kept]), frozen(marks[order][kept]))
