"""People cut out of WIDER's training pictures (`train/wider`) by the teacher, each on a canvas about the face.

A face is taken that is whole, high enough, alone in its surroundings, and about which the teacher is sure.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from operators.heads import Box, height_of
from operators.training.heads.teacher import Alpha, Rgb, Teacher

HIGH, WIDE = 160, 128
BESIDE = (HIGH - WIDE) // 2
FACE = 49.0
"""Height of the face on the canvas, in pixels; its middle is at `MIDDLE`."""
MIDDLE = 64.0, 84.0
LEAST = 40.0
SURE = 0.12
"""Most of the cells around the head in which the teacher wavers (0.2 to 0.8)."""


@dataclass(frozen=True, slots=True, eq=False)
class Cutouts:
    """`pictures` (n, HIGH, WIDE, 3) as they were, and `alphas` (n, HIGH, WIDE) of the person, 0 to 255."""

    pictures: npt.NDArray[np.uint8]
    alphas: npt.NDArray[np.uint8]


def read_rgb(path: Path) -> Rgb:
    """A picture file, RGB (h, w, 3); raises `ValueError` where it can't be read."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(f"{path.name} can't be read as a picture")
    return np.ascontiguousarray(picture[:, :, ::-1], np.uint8)


def canvas(picture: Rgb, box: Box) -> Rgb:
    """The surroundings of a face (HIGH, HIGH, 3); the inner `WIDE` columns are the canvas."""
    scale = FACE / height_of(box)
    while scale < 0.5:
        half = picture.shape[1] // 2, picture.shape[0] // 2
        picture = np.asarray(cv2.resize(picture, half, interpolation=cv2.INTER_AREA), np.uint8)
        box = (box[0] / 2, box[1] / 2, box[2] / 2, box[3] / 2)
        scale *= 2
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    matrix = np.array([[scale, 0, MIDDLE[0] + BESIDE - scale * x], [0, scale, MIDDLE[1] - scale * y]])
    shown = cv2.warpAffine(picture, matrix, (HIGH, HIGH), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(shown, np.uint8)


def cut_out(folder: Path, teacher: Teacher) -> Cutouts:
    """Everybody of `folder`/labels.tsv who can be cut out well."""
    faces: dict[str, list[Box]] = defaultdict(list)
    with (folder / "labels.tsv").open(encoding="utf-8", newline="") as table:
        for row in csv.DictReader(table, delimiter="\t"):
            x, y, w, h = (float(row[side]) for side in "xywh")
            if w > 0 and h > 0:
                faces[row["file"]].append((x, y, x + w, y + h))
    pictures, alphas = [], []
    for name, boxes in sorted(faces.items()):
        large = [box for box in boxes if box[3] - box[1] >= LEAST]
        picture = read_rgb(folder / name) if large else np.empty((0, 0, 3), np.uint8)
        for box in large:
            if not _whole(box, picture.shape) or not _alone(box, boxes):
                continue
            shown = canvas(picture, box)
            alpha = teacher.alpha(shown)[:, BESIDE:-BESIDE]
            if _clear(alpha):
                pictures.append(shown[:, BESIDE:-BESIDE])
                alphas.append(np.rint(alpha * 255).astype(np.uint8))
    return Cutouts(np.stack(pictures), np.stack(alphas))


def _whole(box: Box, shape: tuple[int, ...]) -> bool:
    """The head around the face is in the picture."""
    face, x = height_of(box), (box[0] + box[2]) / 2
    return box[1] - 0.4 * face >= 0 and x - 0.6 * face >= 0 and x + 0.6 * face <= shape[1] and box[3] <= shape[0]


def _alone(box: Box, boxes: list[Box]) -> bool:
    """No other face reaches into the window about this one."""
    face, x, y = height_of(box), (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    near = x - face, y - 1.3 * face, x + face, y + face
    return not any(
        other is not box and other[0] < near[2] and near[0] < other[2] and other[1] < near[3] and near[1] < other[3]
        for other in boxes
    )


def _clear(alpha: Alpha) -> bool:
    """The teacher is sure around the head, sees the face as a person's, and something else beside it."""
    x, y = (int(value) for value in MIDDLE)
    face = int(FACE)
    head = alpha[y - face : y + face // 2, x - face * 2 // 3 : x + face * 2 // 3]
    inner = alpha[y - face // 3 : y + face // 3, x - face // 4 : x + face // 4]
    wavers = float(((head > 0.2) & (head < 0.8)).mean())
    return wavers <= SURE and float(inner.mean()) > 0.95 and 0.3 < float((head > 0.5).mean()) < 0.95
