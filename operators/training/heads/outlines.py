"""Outlines to measure by: people of Labeled Faces in the Wild cut out by the teacher, kept as polygons.

A line each: SHA-256 of the photograph (250 x 250 pixels, so a coordinate is a byte), the face's box x1 y1 x2 y2 and the
person's outline x y, x y ..., both hexadecimal. One photograph a person. Nobody is trained on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from operators.detect import FaceDetector
from operators.heads import face_about, head_of, height_of
from operators.training.heads.cutouts import read_rgb
from operators.training.heads.teacher import Alpha, Teacher

SIDE = 250
SURE = 0.1
LEAST = 60.0


def outlines(people: Iterable[Sequence[Path]], teacher: Teacher, detector: FaceDetector) -> Iterator[str]:
    """A line for each person, by the first photograph that can be cut out well."""
    for photographs in people:
        found = (line for path in photographs if (line := _outline(path, teacher, detector)))
        yield from islice(found, 1)


def _outline(path: Path, teacher: Teacher, detector: FaceDetector) -> str:
    """The line of a photograph; empty where the outline isn't clear."""
    picture = read_rgb(path)
    found = detector.detect(picture)
    if picture.shape[:2] != (SIDE, SIDE) or len(found.boxes) != 1:
        return ""
    box, alpha = found.boxes[0], teacher.alpha(picture)
    if not _clear(picture, alpha, box):
        return ""
    _, parts = cv2.connectedComponents((alpha >= 0.5).view(np.uint8))
    x, y = ((box[:2] + box[2:]) / 2).astype(int).tolist()
    contours, _ = cv2.findContours((parts == parts[y, x]).view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    points = cv2.approxPolyDP(max(contours, key=cv2.contourArea), 0.6, True)[:, 0]
    face = np.rint(box).astype(np.uint8).tobytes().hex()
    return f"{hashlib.sha256(path.read_bytes()).hexdigest()}\t{face}\t{points.astype(np.uint8).tobytes().hex()}"


def _clear(picture: npt.NDArray[np.uint8], alpha: Alpha, box: npt.NDArray[np.float32]) -> bool:
    """The teacher is sure around the head, which is whole, and isn't cut by the black beyond a turned picture."""
    x1, y1, x2, y2 = box.tolist()
    face, x, y = height_of((x1, y1, x2, y2)), (x1 + x2) / 2, (y1 + y2) / 2
    left, top, right, bottom = (round(side) for side in head_of(face_about(x, y, face)))
    if face < LEAST or left < 0 or top < 0 or right > SIDE or bottom > SIDE:
        return False
    head, inner = alpha[top:bottom, left:right], alpha[round(y1) : round(y2), round(x1) : round(x2)]
    black = picture.max(2) <= 2
    cut = (head >= 0.5) & cv2.dilate(black.view(np.uint8), np.ones((3, 3), np.uint8))[top:bottom, left:right].view(bool)
    wavers = float(((head > 0.2) & (head < 0.8)).mean())
    crown = float((alpha[:3, left:right] > 0.5).mean())
    return wavers <= SURE and float((inner > 0.5).mean()) > 0.8 and float(cut.mean()) < 0.01 and crown < 0.02
