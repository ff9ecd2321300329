"""Plates in pictures: found, and read. Files in, findings out; nothing is kept.

Each is read straightened by its corners and as its box cuts it, and the two are joined. A picture without a plate that
has a plate's shape is taken for a crop and read whole. Pictures are searched at a longer side of 640, and again at 1280
where nothing is found. Coordinates are pixels of the picture, turned as its EXIF says.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from operators.detect.face import FaceDetector
from operators.plate_track import read_views, views
from operators.plates import PlateReader, Reading, Rgb, plausible
from schemas.errors import SourceError
from schemas.regions import Array

SIDES = (640, 1280)
MAX_SIDE, MAX_BYTES = 12_000, 128 * 2**20
SHAPE = (1.9, 7.5)
"""Width over height of what may be a crop of a plate; photographs are at most 16:9."""
SMALLEST = 8


@dataclass(frozen=True, slots=True)
class Found:
    """A plate of a picture: its reading, box xyxy, corners in reading order, the detector's score.

    Corners are empty where only the box is known; the score is None where the picture was read whole.
    """

    reading: Reading
    box: tuple[float, ...]
    corners: tuple[tuple[float, float], ...]
    score: float | None


def load_picture(path: Path) -> Rgb:
    """A picture file as RGB.

    Raises:
        SourceError: not a file, not a picture, too small or too large.

    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SourceError(f"larger than {MAX_BYTES >> 20} MiB")
        data = path.read_bytes()
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except OSError as error:
        raise SourceError(f"can't be read: {error.strerror}") from error
    except cv2.error as error:
        raise SourceError("not a picture that can be read, or one with too many pixels") from error
    if decoded is None:
        raise SourceError("not a picture")
    if max(decoded.shape[:2]) > MAX_SIDE:
        raise SourceError(f"more than {MAX_SIDE} pixels a side")
    if min(decoded.shape[:2]) < SMALLEST:
        raise SourceError(f"less than {SMALLEST} pixels a side")
    return np.ascontiguousarray(decoded[:, :, ::-1], np.uint8)


def read_picture(picture: Rgb, reader: PlateReader, detector: FaceDetector | None) -> list[Found]:
    """The plates of a picture, best found first; without a detector the picture is taken for a crop."""
    found = _detected(picture, detector) if detector else []
    height, width = picture.shape[:2]
    whole = not found and SHAPE[0] <= width / height <= SHAPE[1]
    places = [((0.0, 0.0, float(width), float(height)), (), None)] if whole else found
    crops = [[picture]] if whole else [views(picture, box, corners) for box, corners, _ in places]
    read = [read_views(reader, seen) for seen in crops]
    return [
        Found(reading, box, corners, score)
        for reading, (box, corners, score) in zip(read, places, strict=True) if not whole or plausible(reading.text)
    ]


Corners = tuple[tuple[float, float], ...]
Place = tuple[tuple[float, ...], Corners, float | None]


def _detected(picture: Rgb, detector: FaceDetector) -> list[Place]:
    height, width = picture.shape[:2]
    for side in SIDES:
        scale = min(1.0, side / max(height, width))
        target = max(1, round(width * scale)), max(1, round(height * scale))
        small = cv2.resize(picture, target, interpolation=cv2.INTER_AREA) if scale < 1 else picture
        said = detector.detect(np.ascontiguousarray(small, np.uint8))
        if len(said.boxes):
            grown = np.array([width / target[0], height / target[1]])
            limits = np.array([width, height, width, height])
            boxes = np.clip(said.boxes * np.tile(grown, 2), 0, limits)
            return [
                (tuple(map(float, box)), _corners(points * grown), float(score))
                for box, points, score in zip(boxes, said.landmarks, said.scores, strict=True)
                if (box[2:] - box[:2]).min() >= 1
            ]
        if scale == 1:
            break
    return []


def _corners(points: Array) -> Corners:
    usable = points.shape == (4, 2) and bool(np.isfinite(points).all())
    return tuple((float(x), float(y)) for x, y in points) if usable else ()
