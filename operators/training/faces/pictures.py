"""Training pictures: a folder of labelled photographs, and altered crops of them.

Every crop is drawn from the seed and its own number alone, so runs can be resumed and repeated. Faces that are
marked invalid, that end up too small or mostly outside, and boxes that only the teacher saw, count neither way.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from operators.detect.measure import overlaps
from operators.training.faces.passing import MIRROR, SHARE, passed_by
from schemas.errors import ConfigError

Rgb = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]

CROP = 256
LOWEST_FACE = 7.0
LEAST_SEEN = 0.4
SCALES = (0.45, 0.6, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 2.7)
SCALE_WEIGHTS = (1, 2, 3, 4, 4, 4, 4, 3, 2, 1)
HELD_OUT_EVERY = 22


@dataclass(frozen=True, slots=True)
class Photograph:
    """An RGB picture with its faces: boxes (n, 4) xyxy, points (n, 5, 2) or NaN, and whether each is to be found."""

    name: str
    picture: Rgb
    boxes: Floats
    points: Floats
    wanted: npt.NDArray[np.bool_]


def load(folder: Path, teacher: Path | None, held_out: bool) -> list[Photograph]:
    """All photographs of `folder`/labels.tsv, but every 22nd, which are kept back to measure by (`held_out`).

    `teacher` is a file of `teacher.predict`: it gives points to faces it is sure of, and boxes nobody labelled.
    """
    rows: dict[str, list[tuple[list[float], bool]]] = defaultdict(list)
    with (folder / "labels.tsv").open(encoding="utf-8", newline="") as table:
        for row in csv.DictReader(table, delimiter="\t"):
            x, y, w, h = (float(row[key]) for key in "xywh")
            if w > 0 and h > 0:
                rows[row["file"]].append(([x, y, x + w, y + h], "invalid=1" not in row["flags"]))
    seen = _teacher(teacher) if teacher else {}
    photographs = []
    for index, (name, faces) in enumerate(sorted(rows.items())):
        if (index % HELD_OUT_EVERY == 0) == held_out:
            boxes = np.array([box for box, _ in faces], np.float32)
            wanted = np.array([valid for _, valid in faces], bool)
            photographs.append(_joined(name, read_rgb(folder / name), boxes, wanted, seen.get(name)))
    return photographs


def read_rgb(path: Path) -> Rgb:
    """A picture file as RGB (h, w, 3); raises ConfigError for a file that is none."""
    picture = cv2.imread(str(path))
    if picture is None:
        raise ConfigError(f"{path.name} isn't a picture")
    return np.ascontiguousarray(picture[:, :, ::-1], np.uint8)


def _teacher(path: Path) -> dict[str, Floats]:
    with np.load(path) as file:
        names, rows = file["files"], file["rows"]
    return {str(name): rows[rows[:, 0] == index, 1:] for index, name in enumerate(names)}


def _joined(
    name: str, picture: Rgb, boxes: Floats, wanted: npt.NDArray[np.bool_], seen: Floats | None
) -> Photograph:
    """Points from the teacher's box that a face overlaps by half or more; its other sure boxes are put beside."""
    points = np.full((len(boxes), 5, 2), np.nan, np.float32)
    if seen is not None and len(seen):
        sure = seen[seen[:, 4] >= 0.5]
        over = overlaps(boxes, sure[:, :4])
        for index in range(len(boxes)):
            if len(sure) and over[index].max() >= 0.5:
                points[index] = sure[over[index].argmax(), 5:].reshape(5, 2)
        alone = sure[over.max(0, initial=0) < 0.3]
        boxes = np.concatenate([boxes, alone[:, :4]])
        points = np.concatenate([points, np.full((len(alone), 5, 2), np.nan, np.float32)])
        wanted = np.concatenate([wanted, np.zeros(len(alone), bool)])
    return Photograph(name, picture, boxes, points, wanted)


@dataclass(frozen=True, slots=True)
class Crop:
    """A training picture (side, side, 3) with the faces to find, their points, and the boxes that count neither way.

    `clean` is the picture before it was discoloured.
    """

    picture: Rgb
    clean: Rgb
    boxes: Floats
    points: Floats
    ignored: Floats


def crop(photograph: Photograph, rng: np.random.Generator, side: int = CROP) -> Crop:
    """A scaled, turned, mirrored, discoloured part of a photograph."""
    scale = _pick_scale(photograph, rng)
    angle = np.deg2rad(rng.uniform(-20, 20)) if rng.random() < 0.3 else 0.0
    stretch = np.exp(rng.uniform(-0.12, 0.12)) if rng.random() < 0.3 else 1.0
    picture, before = shrunk(photograph.picture, scale)
    matrix = placed(photograph, rng, side, scale, angle, stretch)
    shown = np.ascontiguousarray(cv2.warpAffine(picture, unscaled(matrix, before), (side, side)), np.uint8)
    boxes, points = moved(photograph.boxes, photograph.points, matrix, angle)
    if rng.random() < 0.5:
        shown = np.ascontiguousarray(shown[:, ::-1])
        boxes[:, [0, 2]] = side - boxes[:, [2, 0]]
        points[..., 0] = side - points[..., 0]
        points = points[:, MIRROR]
    return _faces(shown, boxes, points, photograph.wanted, rng, side)


def shrunk(picture: Rgb, scale: float) -> tuple[Rgb, float]:
    """The picture at that scale, and the scale, where it is a smaller one: warping alone would leave out samples."""
    if scale >= 0.9:
        return picture, 1.0
    size = [max(1, round(length * scale)) for length in picture.shape[1::-1]]
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8), scale


def _pick_scale(photograph: Photograph, rng: np.random.Generator) -> float:
    weights = np.array(SCALE_WEIGHTS) / sum(SCALE_WEIGHTS)
    return float(rng.choice(SCALES, p=weights) * np.exp(rng.uniform(-0.12, 0.12)))


def placed(
    photograph: Photograph, rng: np.random.Generator, side: int, scale: float, angle: float, stretch: float
) -> Points:
    """From the photograph to the crop, (2, 3); four times in five a face is inside."""
    height, width = photograph.picture.shape[:2]
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ np.diag([scale * stretch, scale / stretch])
    wanted = np.flatnonzero(photograph.wanted)
    if len(wanted) and rng.random() < 0.8:
        box = photograph.boxes[rng.choice(wanted)]
        origin, target = (box[:2] + box[2:]) / 2, rng.uniform(0.1, 0.9, 2) * side
    else:
        origin, target = rng.uniform(0, 1, 2) * [width, height], np.array([side / 2, side / 2])
    if not angle:
        target = _kept_inside(target, origin, np.diag(linear), np.array([width, height]), side)
    return np.concatenate([linear, (target - linear @ origin)[:, None]], 1)


def _kept_inside(target: Points, origin: Points, scale: Points, size: Points, side: int) -> Points:
    """Where `origin` lands, moved so that as little as possible lies outside the photograph."""
    left = target - scale * origin
    low, high = np.minimum(side - scale * size, 0), np.maximum(side - scale * size, 0)
    return np.asarray(np.clip(left, low, high) + scale * origin)


def unscaled(matrix: Points, before: float) -> Points:
    """The matrix for a picture that has been shrunk so far before."""
    return np.concatenate([matrix[:, :2] / before, matrix[:, 2:]], 1)


def moved(boxes: Floats, points: Floats, matrix: Points, angle: float) -> tuple[Floats, Floats]:
    """Boxes as the extent of the turned ellipse inside each, and points."""
    linear = matrix[:, :2]
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2 @ linear.T + matrix[:, 2]
    half = (boxes[:, 2:] - boxes[:, :2]) / 2
    extent = np.sqrt(np.square(half) @ np.square(linear).T)
    return (
        np.concatenate([middle - extent, middle + extent], 1).astype(np.float32),
        (points @ linear.T + matrix[:, 2]).astype(np.float32),
    )


def _faces(
    shown: Rgb, boxes: Floats, points: Floats, wanted: npt.NDArray[np.bool_], rng: np.random.Generator, side: int
) -> Crop:
    cut = np.clip(boxes, 0, side)
    seen = (cut[:, 2:] - cut[:, :2]).prod(1) / np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(1), 1e-6)
    good = wanted & (seen >= LEAST_SEEN) & ((cut[:, 3] - cut[:, 1]) >= LOWEST_FACE) & (cut[:, 2] - cut[:, 0] >= 4)
    rest = ~good & (seen > 0.02)
    found, marks, ignored = cut[good], points[good], cut[rest]
    clean = _hidden(shown, found, rng)
    if len(found) and rng.random() < SHARE:
        clean, found, marks, lost = passed_by(clean, found, marks, rng)
        ignored = np.concatenate([ignored, lost])
    return Crop(discoloured(clean, rng), clean, found, marks, ignored)


def _hidden(picture: Rgb, boxes: Floats, rng: np.random.Generator) -> Rgb:
    """One face in ten pictures is partly covered by another place of the picture."""
    if not len(boxes) or rng.random() > 0.1:
        return picture
    x1, y1, x2, y2 = boxes[rng.integers(len(boxes))].astype(int)
    width, height = max(2, int((x2 - x1) * rng.uniform(0.3, 1))), max(2, int((y2 - y1) * rng.uniform(0.2, 0.45)))
    to_y = int(rng.integers(y1, max(y1 + 1, y2 - height + 1)))
    to_x = int(rng.integers(x1, max(x1 + 1, x2 - width + 1)))
    rows, columns = picture.shape[:2]
    from_y, from_x = int(rng.integers(0, max(1, rows - height))), int(rng.integers(0, max(1, columns - width)))
    patch = picture[from_y : from_y + height, from_x : from_x + width].copy()
    target = picture[to_y : to_y + height, to_x : to_x + width]
    target[:] = patch[: target.shape[0], : target.shape[1]]
    return picture


def discoloured(picture: Rgb, rng: np.random.Generator) -> Rgb:
    """Light, colour, blur, noise and compression as cameras have them."""
    if rng.random() < 0.7:
        picture = _lit(picture, rng)
    if rng.random() < 0.15:
        picture = _blurred(picture, rng)
    if rng.random() < 0.15:
        noise = rng.standard_normal(picture.shape, np.float32) * rng.uniform(2, 14)
        picture = np.clip(picture + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.2:
        coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 80))])[1]
        picture = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return picture


def _lit(picture: Rgb, rng: np.random.Generator) -> Rgb:
    """One linear change of colour: contrast, brightness, saturation, tint; one in ten is dark."""
    gain = rng.uniform(0.15, 0.5) if rng.random() < 0.12 else rng.uniform(0.6, 1.4)
    saturation = 0.0 if rng.random() < 0.08 else rng.uniform(0.5, 1.5)
    grey = np.full((3, 3), 1 / 3) * (1 - saturation)
    colour = (grey + np.eye(3) * saturation) * gain * rng.uniform(0.92, 1.08, 3)[:, None]
    shift = rng.uniform(-25, 25) * min(gain, 1) + 128 * max(0.0, 1 - gain) * (rng.random() < 0.3)
    return np.asarray(cv2.transform(picture, np.concatenate([colour, np.full((3, 1), shift)], 1)), np.uint8)


def _blurred(picture: Rgb, rng: np.random.Generator) -> Rgb:
    if rng.random() < 0.5:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 1.6)), np.uint8)
    length = int(rng.integers(3, 10))
    kernel = np.zeros((length, length), np.float32)
    angle, middle = rng.uniform(0, np.pi), (length - 1) / 2
    ends = [round(middle + sign * middle * part) for sign in (-1, 1) for part in (np.cos(angle), np.sin(angle))]
    cv2.line(kernel, (ends[0], ends[1]), (ends[2], ends[3]), (1.0,))
    return np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()), np.uint8)
