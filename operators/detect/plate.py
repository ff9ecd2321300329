"""Plates in one picture: boxes, and four corners each, by the network trained in `operators/training/plate_detector`.

What it finds and misses: `operators/weights/PLATE_DETECTOR.md`. Like a face detector in all but its spec: one thread
per call, safe to call from several threads, and a network that answers nonsense raises.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from operators.detect.face import OVERLAP, FaceDetector
from operators.detect.pyramid import Pyramid
from schemas.regions import ObjectKind

PLATE_SCORE, PLATE_KEPT = 0.42, 0.3
"""From the first on a box is a plate: on pictures trained on that gives a third of a false box a picture, and no miss;
from the second on it continues a track."""


@dataclass(frozen=True, slots=True)
class PyramidPlate(Pyramid):
    """The plate detector shipped in `operators/weights`."""

    name: str = "PyramidPlate"
    kind: ObjectKind = "plate"
    points: int = 4


class PlateDetector(FaceDetector):
    """A plate detector ready to run; landmarks (n, 4, 2) are corners in reading order, from the top left clockwise."""

    def __init__(self, model: bytes | Path, score: float = PLATE_SCORE, overlap: float = OVERLAP) -> None:
        super().__init__(model, PyramidPlate(), score, overlap)
