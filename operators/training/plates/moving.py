"""A drawn plate that moves before a camera: frames with its true corners, for measuring what a track says.

The plate comes nearer or goes away at changing angles; the hand shakes, the focus drifts, light changes, something
may pass between. Pictures are as small as a plate needs, (144, 320, 3). Drawn from the generator given alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from operators.training.plates.camera import blurred, covered, dirtied, lit

Rgb = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Cover = Literal["none", "post", "side", "halves"]
COVERS: tuple[Cover, ...] = ("none", "post", "side")
Hiding = tuple[float, float]
"""From, to: shares of the plate's width."""
HEIGHT, WIDTH = 144, 320
FOCAL = 420.0
LEAST, MOST = 12, 24


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture and the plate's corners in it, clockwise from where reading begins; `shown`: share not covered."""

    picture: Rgb
    corners: Floats
    shown: float


def film(plate: Rgb, rng: np.random.Generator, cover: Cover | None = None, hard: float = 1.0) -> list[Frame]:
    """12 to 24 frames of a flat plate on its way; `hard` scales how small, oblique, blurred and noisy it gets.

    Covers: a post that passes; a neighbour over one side who draws back; "halves": the left half is hidden in the
    first frames, the right half in the others, and no frame shows the whole plate.
    """
    count = int(rng.integers(LEAST, MOST + 1))
    plate = covered(dirtied(plate, rng), rng)
    mood = int(rng.integers(2**31))
    ground = _scene(rng)
    cover = COVERS[int(rng.integers(len(COVERS)))] if cover is None else cover
    pass_by = _passing(cover, rng)
    tone = [int(one) for one in rng.integers(10, 200, 3)]
    noise, quality = rng.uniform(1, 7) * hard, rng.uniform(35, 90) / hard**0.5
    frames = []
    for at, corners in zip(np.linspace(0, 1, count), _way(plate, count, hard, rng), strict=True):
        flat, shown = _hidden(plate, pass_by(float(at)), tone)
        picture = _placed(ground, flat, corners)
        if rng.random() < 0.6 * hard:
            picture = _shaken(picture, corners, hard, rng)
        picture = lit(picture, np.random.default_rng(mood))
        grain = rng.standard_normal(picture.shape, np.float32) * noise
        picture = np.clip(picture * rng.uniform(0.85, 1.15) + grain, 0, 255).astype(np.uint8)
        coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(np.clip(quality, 12, 95))])[1]
        frames.append(Frame(np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8), corners, shown))
    return frames


def misplaced(corners: Floats, rng: np.random.Generator, share: float = 0.05) -> Floats:
    """Corners as a detector would give them: each off by about this share of the plate's height, and half a pixel."""
    tall = float(np.linalg.norm(corners[3] - corners[0]))
    return np.asarray(corners + rng.normal(0, share * tall, (4, 2)) + rng.normal(0, 0.5, (4, 2)), np.float32)


def _way(plate: Rgb, count: int, hard: float, rng: np.random.Generator) -> list[Floats]:
    """The corners in each frame: a pose at either end, between them evenly, and a little shake."""
    aspect = plate.shape[1] / plate.shape[0]
    far, near = rng.uniform(44, 80) / hard, rng.uniform(70, 150) / hard
    far, near = max(far, 26.0) * (aspect / 4) ** 0.3, max(near, 40.0) * (aspect / 4) ** 0.3
    side = rng.choice([-1, 1])
    steep = np.deg2rad(min(70.0, rng.uniform(25, 58) * hard**0.5))
    yaws = side * steep, side * np.deg2rad(rng.uniform(-15, 25))
    pitches = np.deg2rad(rng.uniform(0, 28, 2))
    rolls = np.deg2rad(rng.normal(0, 6, 2))
    depths = FOCAL / far, FOCAL / near
    order = np.linspace(0, 1, count) if rng.random() < 0.6 else np.linspace(1, 0, count)
    begin, end = rng.uniform((-40, -15), (40, 15)), rng.uniform((-40, -15), (40, 15))
    flat = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]) * (1, 1 / aspect)
    made = []
    for share in order:
        yaw, pitch, roll = ((1 - share) * one[0] + share * one[1] for one in (yaws, pitches, rolls))
        depth = 1 / ((1 - share) / depths[0] + share / depths[1])
        solid = np.concatenate([flat, np.zeros((4, 1))], 1) @ _turned(yaw, pitch, roll).T
        seen = solid[:, :2] / (solid[:, 2:] + depth) * FOCAL
        place = np.array([WIDTH / 2, HEIGHT / 2]) + (1 - share) * begin + share * end + rng.normal(0, 1.5, 2)
        made.append(np.asarray(seen + place, np.float32))
    return made


def _turned(yaw: float, pitch: float, roll: float) -> npt.NDArray[np.float64]:
    (sy, sp, sr), (cy, cp, cr) = np.sin([yaw, pitch, roll]), np.cos([yaw, pitch, roll])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return about_z @ about_x @ about_y


def _scene(rng: np.random.Generator) -> Rgb:
    """A car's rear as far as it matters: a smooth ground with edges, darker than most plates."""
    few = rng.integers(0, 160, (4, 6, 1)).astype(np.float32) + rng.normal(0, 10, (4, 6, 3))
    ground = np.asarray(cv2.resize(np.clip(few, 0, 255).astype(np.float32), (WIDTH, HEIGHT)), np.uint8)
    for _ in range(int(rng.integers(1, 6))):
        ends = [(int(x), int(y)) for x, y in rng.uniform((0, 0), (WIDTH, HEIGHT), (2, 2))]
        cv2.line(ground, ends[0], ends[1], [int(one) for one in rng.integers(0, 220, 3)], int(rng.integers(1, 5)))
    return ground


def _passing(cover: Cover, rng: np.random.Generator) -> Callable[[float], Hiding]:
    """What is hidden at a share of the way."""
    if cover == "post":
        wide, begin, speed = rng.uniform(0.07, 0.25), rng.uniform(-0.3, 0.6), rng.uniform(0.3, 1.4)
        sign = rng.choice([-1.0, 1.0])
        return lambda at: _between(begin + speed * at, wide, sign)
    if cover == "side":
        most, until = rng.uniform(0.2, 0.6), rng.uniform(0.3, 0.7)
        left = rng.random() < 0.5
        return lambda at: _beside(most * max(0.0, 1 - at / until), left)
    if cover == "halves":
        turn, first, second = rng.uniform(0.35, 0.65), rng.uniform(0.25, 0.5), rng.uniform(0.25, 0.5)
        return lambda at: _beside(first, True) if at < turn else _beside(second, False)
    return lambda at: (0.0, 0.0)


def _between(at: float, wide: float, sign: float) -> Hiding:
    at = at if sign > 0 else 1 - at - wide
    return max(0.0, min(1.0, at)), max(0.0, min(1.0, at + wide))


def _beside(share: float, left: bool) -> Hiding:
    return (0.0, share) if left else (1 - share, 1.0)


def _hidden(plate: Rgb, hiding: Hiding, tone: list[int]) -> tuple[Rgb, float]:
    begin, end = (round(share * plate.shape[1]) for share in hiding)
    if end <= begin:
        return plate, 1.0
    plate = plate.copy()
    plate[:, begin:end] = tone
    return plate, 1 - (end - begin) / plate.shape[1]


def _placed(ground: Rgb, plate: Rgb, corners: Floats) -> Rgb:
    height, width = plate.shape[:2]
    scale = float(np.linalg.norm(corners[1] - corners[0])) / width
    if scale < 0.7:
        plate = np.asarray(cv2.GaussianBlur(plate, (0, 0), 0.35 / scale), np.uint8)
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    picture = ground.copy()
    cv2.warpPerspective(
        plate, cv2.getPerspectiveTransform(source, corners), (WIDTH, HEIGHT), dst=picture,
        flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_TRANSPARENT,
    )
    return picture


def _shaken(picture: Rgb, corners: Floats, hard: float, rng: np.random.Generator) -> Rgb:
    """Out of focus or moved, by a share of the plate's width (`blurred` goes by the picture's: so it is cut first)."""
    wide = max(16, int(np.linalg.norm(corners[1] - corners[0]) * hard))
    moved = picture.copy()
    low, high = corners.min(0) - 12, corners.max(0) + 12
    x1, y1 = (max(0, int(value)) for value in low)
    x2, y2 = min(WIDTH, max(int(high[0]), x1 + wide)), min(HEIGHT, int(high[1]))
    moved[y1:y2, x1:x2] = blurred(np.ascontiguousarray(picture[y1:y2, x1:x2]), rng)
    return moved
