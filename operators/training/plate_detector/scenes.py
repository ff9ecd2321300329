"""Training pictures, 384x192: drawn plates put into photographs with their true corners, and real labelled plates.

Scene n is drawn from the seed and n alone. Real boxes have no corners: those are NaN, and no loss is taken there.
Some drawn plates go behind something that stands before them, or over the picture's edge: what is left of such a
plate is to be found. Plates that end up too small, or almost gone, count neither way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from operators.detect.measure import overlaps
from operators.training.faces.pictures import discoloured, read_rgb
from operators.training.plate_detector.clutter import clutter
from operators.training.plate_detector.place import hull, put, turned
from operators.training.plates.camera import covered, dirtied, lit
from operators.training.plates.glyphs import Glyphs
from operators.training.plates.labels import Photograph
from operators.training.plates.layouts import draw

Rgb = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

WIDE, TALL = 384, 192
WIDTHS = (16.0, 320.0)
LOWEST, NARROWEST = 5.0, 8.0
LEAST_SEEN = 0.25
HIDDEN = 0.15
FIELD = 640.0
"""A real picture's longer side before it is scaled at random: the size at which frames are searched."""
REAL_SHARE = 0.4
STREETS = ("14_", "59_")
"""Backgrounds whose names begin so show traffic: plates that nobody labelled."""
UNLABELLED = (
    ("test_096.jpg", (477, 67, 534, 83)),
    ("test_055.jpg", (104, 13, 145, 27)),
    ("test_030.jpg", (116, 51, 163, 63)),
    ("test_051.jpg", (0, 139, 48, 160)),
    ("car22.jpg", (3, 331, 47, 357)),
    ("test_064.jpg", (22, 33, 48, 41)),
)
"""Plates seen by eye in the training half that have no label: file name, box xyxy in the unscaled picture."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture (192, 384, 3), its plates' boxes (n, 4) and corners (n, 4, 2), and boxes that count neither way."""

    picture: Rgb
    boxes: Floats
    corners: Floats
    ignored: Floats


@dataclass(frozen=True, slots=True)
class Street:
    """A real picture with its plates' boxes, its longer side at most 1280; `others`: plates that nobody labelled."""

    picture: Rgb
    boxes: Floats
    part: str
    others: Floats = field(default_factory=lambda: np.empty((0, 4), np.float32))


def backgrounds(folder: Path) -> list[Path]:
    """Photographs without plates, sorted by name."""
    return [path for path in sorted(folder.glob("*.webp")) if not path.name.startswith(STREETS)]


def street(photograph: Photograph, most: int = 1280) -> Street:
    """A labelled picture, read and scaled."""
    picture = read_rgb(photograph.path)
    ratio = min(1.0, most / max(picture.shape[:2]))
    if ratio < 1:
        picture = np.asarray(cv2.resize(picture, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA), np.uint8)
    others = np.array([box for name, box in UNLABELLED if name == photograph.path.name], np.float32).reshape(-1, 4)
    return Street(picture, photograph.boxes * np.float32(ratio), photograph.part, others * np.float32(ratio))


class Scenes:
    """Scene number n. Without streets all plates are drawn ones; parts of streets come up about equally often."""

    def __init__(
        self, glyphs: Glyphs, photographs: Sequence[Path], streets: Sequence[Street], seed: int,
        real: float = REAL_SHARE,
    ) -> None:  # fmt: skip
        self.glyphs, self.photographs, self.seed = glyphs, photographs, seed
        self.parts = [[one for one in streets if one.part == part] for part in sorted({one.part for one in streets})]
        sizes = np.array([len(part) for part in self.parts], np.float64) ** 0.7
        self.weights = sizes / sizes.sum() if self.parts else sizes
        self.real = real if self.parts else 0.0

    def __getitem__(self, number: int) -> Scene:
        cv2.setNumThreads(1)
        rng = np.random.default_rng([self.seed, number])
        if rng.random() < self.real:
            part = self.parts[int(rng.choice(len(self.parts), p=self.weights))]
            return self._street(*_street_crop(part[int(rng.integers(len(part)))], rng), rng)
        picture = _background(read_rgb(self.photographs[int(rng.integers(len(self.photographs)))]), rng)
        if rng.random() < 0.6:
            clutter(picture, self.glyphs, rng)
        count = int(rng.choice(5, p=(0.14, 0.5, 0.22, 0.1, 0.04)))
        placed: list[Floats] = []
        for _ in range(count):
            self._draw(picture, placed, np.empty((0, 4), np.float32), rng)
        known = np.array(placed, np.float32).reshape(-1, 4, 2)
        return _finished(picture, hull(known), known, rng)

    def _street(self, picture: Rgb, corners: Floats, others: Floats, rng: np.random.Generator) -> Scene:
        """A real picture as it is, or with drawn plates over its own, or with more of them beside."""
        boxes, known = hull(corners), np.full_like(corners, np.nan)
        kind = rng.random()
        if kind < 0.3:
            for index, quad in enumerate(corners):
                plate = self._plate(rng)
                middle = quad.mean(0)
                known[index] = middle + (quad - middle) * rng.uniform(1.03, 1.2, 2) + rng.normal(0, 0.4, (4, 2))
                put(picture, plate, known[index])
            boxes = hull(known)
        elif kind < 0.4:
            placed: list[Floats] = []
            self._draw(picture, placed, np.concatenate([boxes, others]), rng)
            more = np.array(placed, np.float32).reshape(-1, 4, 2)
            boxes, known = np.concatenate([boxes, hull(more)]), np.concatenate([known, more])
        scene = _finished(picture, boxes, known, rng)
        return replace(scene, ignored=np.concatenate([scene.ignored, np.clip(others, 0, (WIDE, TALL, WIDE, TALL))]))

    def _plate(self, rng: np.random.Generator) -> Rgb:
        plate, _ = draw(self.glyphs, rng)
        plate = covered(dirtied(plate, rng), rng)
        if rng.random() < 0.1 and plate.shape[1] > 3 * plate.shape[0]:
            half = plate.shape[1] // 2
            plate = np.ascontiguousarray(np.concatenate([plate[:, :half], plate[:, -half:]]))
        return lit(plate, rng) if rng.random() < 0.5 else plate

    def _draw(self, picture: Rgb, placed: list[Floats], others: Floats, rng: np.random.Generator) -> None:
        """One more plate, on a ground of its own more often than not; nothing where it would lie on another one."""
        plate = self._plate(rng)
        corners = turned(plate.shape[1] / plate.shape[0], rng)
        width = np.exp(rng.uniform(*np.log(WIDTHS)))
        corners = corners * np.float32(width / np.ptp(corners[:, 0]))
        where = rng.uniform(0.03, 0.97, 2) * (WIDE, TALL)
        corners = corners + where.astype(np.float32)
        taken = np.concatenate([others, *(hull(one)[None] for one in placed)])
        if len(taken) and overlaps(hull(corners)[None], taken).max() > 0:
            return
        middle = corners.mean(0)
        if rng.random() < 0.6:
            ground = _bumper(rng)
            around = middle + (corners - middle) * rng.uniform((1.1, 1.2), (2.6, 4.0)).astype(np.float32)
            around += rng.uniform(-0.3, 0.3, 2).astype(np.float32) * (np.ptp(corners, 0))
            if not len(taken) or overlaps(hull(around)[None], taken).max() == 0:
                put(picture, ground, around)
        if rng.random() < 0.25:
            rim = np.full((8, 8, 3), rng.integers(0, 90) if rng.random() < 0.7 else rng.integers(0, 256, 3), np.uint8)
            put(picture, rim, middle + (corners - middle) * rng.uniform((1.02, 1.05), (1.1, 1.3)).astype(np.float32))
        put(picture, plate, corners)
        placed.append(_hidden(picture, corners, rng) if rng.random() < HIDDEN else corners)


def _hidden(picture: Rgb, corners: Floats, rng: np.random.Generator) -> Floats:
    """Put another car's side or a post before one end of a plate; the corners of the end that stays in view."""
    share = np.float32(rng.uniform(0.2, 0.72))
    top, bottom = corners[1] - corners[0], corners[2] - corners[3]
    tall, long = np.linalg.norm(corners[3] - corners[0]), float(np.ptp(corners[:, 0]))
    low, high = (np.float32(rng.uniform(*span) * tall) for span in ((0.1, 3), (0.1, 1.5)))
    out = np.array([0, 1], np.float32)
    away = np.array([rng.uniform(0.05, 1.5) * long, 0], np.float32)
    if rng.random() < 0.5:
        inner = np.array([corners[0] + top * share, corners[3] + bottom * share])
        left, kept = corners[[0, 3]] - away, np.array([inner[0], corners[1], corners[2], inner[1]], np.float32)
        cover = np.array([left[0] - low * out, inner[0] - low * out, inner[1] + high * out, left[1] + high * out])
    else:
        inner = np.array([corners[1] - top * share, corners[2] - bottom * share])
        right, kept = corners[[1, 2]] + away, np.array([corners[0], inner[0], inner[1], corners[3]], np.float32)
        cover = np.array([inner[0] - low * out, right[0] - low * out, right[1] + high * out, inner[1] + high * out])
    put(picture, _bumper(rng), cover.astype(np.float32))
    return kept


def _bumper(rng: np.random.Generator) -> Rgb:
    """A smooth ground with an edge or a lamp, as cars have around their plates."""
    few = rng.integers(0, 230, (int(rng.integers(2, 5)), int(rng.integers(2, 4)), 1)).astype(np.float32)
    tone = rng.uniform(0.3, 1, 3) if rng.random() < 0.5 else np.ones(3)
    few = np.clip(few * rng.uniform(0.2, 1.1) * tone + rng.normal(0, 5, (*few.shape[:2], 3)), 0, 255)
    ground = np.asarray(cv2.resize(few.astype(np.float32), (120, 60)), np.uint8)
    for _ in range(int(rng.integers(0, 4))):
        y, shade = int(rng.integers(60)), [int(one) for one in rng.integers(0, 160, 1)] * 3
        cv2.line(ground, (0, y), (120, y + int(rng.integers(-6, 7))), shade, int(rng.integers(1, 5)))
    if rng.random() < 0.3:
        lamp = (200, 30, 30) if rng.random() < 0.6 else (240, 235, 220)
        for x in (rng.uniform(0, 20), rng.uniform(100, 120)):
            cv2.ellipse(ground, (int(x), int(rng.uniform(5, 40))), (12, 7), 0, 0, 360, lamp, -1)
    return ground


def _background(photograph: Rgb, rng: np.random.Generator) -> Rgb:
    """A part of a photograph, (192, 384, 3), mirrored half of the time."""
    height, width = photograph.shape[:2]
    scale = max(WIDE / width, TALL / height) * np.exp(rng.uniform(0, 0.9))
    size = WIDE / scale, TALL / scale
    x, y = (rng.uniform(0, max(0.0, full - part)) for full, part in zip((width, height), size, strict=True))
    part = photograph[int(y) : int(y + size[1]) + 1, int(x) : int(x + size[0]) + 1]
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    made = cv2.resize(part, (WIDE, TALL), interpolation=way)
    return np.asarray(np.ascontiguousarray(made[:, ::-1] if rng.random() < 0.5 else made), np.uint8)


def _street_crop(one: Street, rng: np.random.Generator) -> tuple[Rgb, Floats, Floats]:
    """A part of a street, a little turned, the corners of its boxes there, and boxes of plates without a label.

    Four times in five a plate is inside.
    """
    side = max(one.picture.shape[:2])
    box = one.boxes[int(rng.integers(len(one.boxes)))]
    width = float(box[2] - box[0])
    low, high = WIDTHS[0] / width, WIDTHS[1] / width
    scale = float(np.clip(FIELD / side * np.exp(rng.normal(0, 0.45)), low, min(high, 2.5)))
    angle = np.deg2rad(rng.normal(0, 7)) if rng.random() < 0.4 else 0.0
    stretch, shear = np.exp(rng.normal(0, 0.08)), rng.normal(0, 0.06) if rng.random() < 0.4 else 0.0
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ np.array([[scale * stretch, shear * scale], [0, scale / stretch]])
    if rng.random() < 0.8:
        origin, target = (box[:2] + box[2:]) / 2, rng.uniform(0.06, 0.94, 2) * (WIDE, TALL)
    else:
        origin, target = rng.uniform(0, 1, 2) * one.picture.shape[1::-1], np.array([WIDE / 2, TALL / 2])
    move = target - linear @ origin
    picture, before = one.picture, 1.0
    if scale < 0.8:
        before = scale
        picture = np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    matrix = np.concatenate([linear / before, move[:, None]], 1)
    border = cv2.BORDER_CONSTANT if rng.random() < 0.5 else cv2.BORDER_REFLECT_101
    shown = cv2.warpAffine(picture, matrix, (WIDE, TALL), flags=cv2.INTER_LINEAR, borderMode=border)
    around = np.concatenate([one.boxes, one.others])[:, [[0, 1], [2, 1], [2, 3], [0, 3]]]
    corners, others = np.split(np.asarray(around @ linear.T + move, np.float32), [len(one.boxes)])
    if border == cv2.BORDER_REFLECT_101 and _mirrored(one, linear, move):
        shown = cv2.warpAffine(picture, matrix, (WIDE, TALL), flags=cv2.INTER_LINEAR)
    return np.ascontiguousarray(shown, np.uint8), corners, hull(others)


def _mirrored(one: Street, linear: npt.NDArray[np.float64], move: npt.NDArray[np.float64]) -> bool:
    """Whether a plate could come up a second time beyond the picture's edge: the crop shows much of the outside."""
    back = np.linalg.inv(linear)
    seen = (np.array([[0, 0], [WIDE, 0], [WIDE, TALL], [0, TALL]]) - move) @ back.T
    low, high = np.minimum(seen.min(0), 0), np.maximum(seen.max(0) - one.picture.shape[1::-1], 0)
    boxes = np.concatenate([one.boxes, one.others])
    near = np.minimum(boxes[:, :2].min(0), one.picture.shape[1::-1] - boxes[:, 2:].max(0))
    return bool((np.maximum(-low, high) > near).any())


def _finished(picture: Rgb, boxes: Floats, corners: Floats, rng: np.random.Generator) -> Scene:
    """The camera's part, and which plates count."""
    cut = np.clip(boxes, 0, (WIDE, TALL, WIDE, TALL)).astype(np.float32)
    size = cut[:, 2:] - cut[:, :2]
    seen = size.prod(1) / np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(1), 1e-6)
    good = (seen >= LEAST_SEEN) & (size[:, 1] >= LOWEST) & (size[:, 0] >= NARROWEST)
    rest = ~good & (seen > 0.02)
    return Scene(discoloured(picture, rng), cut[good], corners[good].astype(np.float32), cut[rest])
