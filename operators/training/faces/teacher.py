"""What another detector finds in the training pictures: points for faces, boxes that nobody labelled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from operators.detect import FaceDetector
from operators.training.faces.pictures import read_rgb

SCORE = 0.2


def predict(detector: FaceDetector, folder: Path, out: Path, tell: Callable[[str], None]) -> None:
    """Write `out` (npz): `files`, sorted, and `rows` of file index, box xyxy, score, five points x y."""
    files = sorted(path.name for path in folder.glob("*.webp"))
    rows = []
    for index, name in enumerate(files):
        found = detector.detect(read_rgb(folder / name))
        for box, score, points in zip(found.boxes, found.scores, found.landmarks, strict=True):
            rows.append([index, *box, score, *points.ravel()])
        if index % 500 == 0:
            tell(f"teacher: {index} of {len(files)} pictures")
    np.savez_compressed(out, files=np.array(files), rows=np.array(rows, np.float32))
