"""Donors that the user gives: a folder of photographs, one face of each."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from operators.detect import FaceDetector
from operators.detect.picture import shrunk
from operators.replacing.drawn import Donor
from operators.replacing.photographed import photographed
from schemas.errors import MalformedRecord, UsageError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
_SIDE = 640


def read_donors(folder: Path, detector: FaceDetector) -> tuple[Donor, ...]:
    """The largest face of every photograph, in the order of names.

    Raises:
        UsageError: no picture, or one without a face whose landmarks can be read.

    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise UsageError(f"{folder} holds no photograph ({', '.join(SUFFIXES)})")
    return tuple(_read(path, detector) for path in paths)


def _read(path: Path, detector: FaceDetector) -> Donor:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise UsageError(f"{path.name}: not a picture that can be read")
    rgb = np.ascontiguousarray(picture[:, :, ::-1], np.uint8)
    small, _ = shrunk(rgb, _SIDE)
    found = detector.detect(small)
    if not len(found.boxes):
        raise UsageError(f"{path.name}: no face is found; take it out of the folder")
    best = int((found.boxes[:, 2:] - found.boxes[:, :2]).prod(1).argmax())
    try:
        return photographed(small, found.landmarks[best].astype(np.float64))
    except MalformedRecord as error:
        raise UsageError(f"{path.name}: the face has no landmarks that can be read") from error
