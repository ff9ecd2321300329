"""Outlines of plates against drawn ones, whose corners are known exactly.

Scenes as the plate detector learned from (`operators/training/plate_detector/scenes.py`), of a seed and photographs
that it never saw, coded (x264 veryfast CRF 23) and searched by the worker's detector. A plate that it doesn't find has
no outline to compare, and isn't counted. Beside it: the ellipse in the detected box.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from operators.cohere import lay_out
from operators.desensitise.paint import spot
from operators.desensitise.policy import Policy
from operators.desensitise.silhouette import SILHOUETTE, painted
from operators.detect import Finder
from operators.detect.measure import overlaps
from operators.training.plate_detector.scenes import TALL, WIDE, Scene, Scenes
from operators.training.plates.glyphs import load
from schemas.frames import VideoFormat
from schemas.regions import Detections, Region, RegionSet
from streams.evaluate.attack.film import planes_of
from streams.evaluate.passages import Coded
from streams.evaluate.report import Figure

SEED = 6_000_000
FORMAT = VideoFormat(WIDE, TALL, Fraction(1, 25), matrix=1)
POLICY = Policy({}, {"plate": SILHOUETTE.name}, custodian=False, insist=True)
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one plate: IoU of its outline and of the ellipse with its quadrilateral, share of it that is painted."""

    iou: float
    oval: float
    covered: float


def evaluate(photographs: Sequence[Path], count: int, finder: Finder, tell: Callable[[str], None]) -> list[Figure]:
    """Figures over so many plates that are found.

    Raises:
        ConfigError: the fonts of plates aren't installed.

    """
    scenes, found, number = Scenes(load(), list(photographs), [], SEED, 0.0), list[Outcome](), 0
    while len(found) < count and number < 4 * count:
        found += _outcomes(scenes[number], finder)
        number += 1
    tell(f"{len(found)} plates in {number} scenes")
    covered = np.array([one.covered for one in found])
    return [
        Figure("silhouette_plate_iou", float(np.mean([one.iou for one in found])), "", ">=", None, len(found),
               "drawn plates, corners as detected"),
        Figure("silhouette_plate_ellipse_iou", float(np.mean([one.oval for one in found])), "", ">=", None, len(found),
               "in the detected box"),
        Figure("silhouette_plate_covered", float(covered.mean()), "", ">=", None, len(found),
               f"one in twenty has less than {np.percentile(covered, 5):.3f}"),
    ]


def _outcomes(scene: Scene, finder: Finder) -> Iterator[Outcome]:
    planes = Coded(23)([planes_of(scene.picture)], FORMAT)[0]
    look = finder.detect_planes(planes, FORMAT, max(WIDE, TALL))
    seen: Detections = look[0] if isinstance(look, tuple) else look
    shares = overlaps(scene.boxes, seen.boxes) if len(seen.boxes) else np.zeros((len(scene.boxes), 1))
    for corners, share in zip(scene.corners, shares, strict=True):
        if share.max() < 0.4:
            continue
        best = int(share.argmax())
        x1, y1, x2, y2 = box = tuple(seen.boxes[best].tolist())
        marks = tuple(seen.landmarks[best].ravel().tolist())
        region = Region(1, "plate", box, float(seen.scores[best]), "detected", marks)  # type: ignore[arg-type]
        (claim,) = lay_out(RegionSet("", "", 0, ((region,),)), FORMAT, POLICY)[0]
        place = spot(planes, claim, FORMAT)
        inside, (rows, columns) = np.zeros((TALL, WIDE), bool), place.planes.y.shape
        inside[place.top : place.top + rows, place.left : place.left + columns] = painted(
            SILHOUETTE.prepare(place, b""), (rows, columns)
        )
        true, oval = np.zeros((TALL, WIDE), np.uint8), np.zeros((TALL, WIDE), np.uint8)
        cv2.fillPoly(true, [np.rint(corners * 16 - 8).astype(np.int32)], 1, cv2.LINE_8, 4)
        cv2.ellipse(oval, (((x1 + x2) / 2, (y1 + y2) / 2), (x2 - x1, y2 - y1), 0.0), 1, cv2.FILLED)
        plate = true.view(bool)
        yield Outcome(_iou(inside, plate), _iou(oval.view(bool), plate), float((inside & plate).sum() / plate.sum()))


def _iou(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / max(1, (one | other).sum()))
