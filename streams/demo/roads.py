"""Make a video of cars on a road, from a seed, and say where every plate is in every frame.

Each car is drawn once, seen from behind, with its plate, and then brought into each frame by a homography: it drives
away or comes nearer along the road, or crosses before the camera, turned so that its plate is oblique. Nearer cars hide
farther ones. The same arguments give the same file. What it does not do: cars that turn while they are in view.

Source of the geometry: a plane's picture under perspective is a homography (Hartley and Zisserman, 2004, chapter 2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from streams.demo.backdrop import noise, street
from streams.demo.compose import Face, Truth, write_video

Rgb = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator], tuple[Rgb, str]]
CAR = (520, 400)
"""Width and height of a drawn car in its own pixels."""
PLATE_WIDTH = 132
FARTHEST, MOST_TURNED = 0.45, 0.9
LEAST_SEEN = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Car:
    """A drawn car: RGBA (h, w, 4), its plate's text, and the plate's corners in it (4, 2)."""

    text: str
    pixels: npt.NDArray[np.float32]
    corners: Floats


@dataclass(frozen=True, slots=True)
class Drive:
    """A car's way: from frame to frame, from and to (x, y of its middle, plate's width in pixels), turned by `yaw`."""

    car: Car
    first: int
    last: int
    start: tuple[float, float, float]
    end: tuple[float, float, float]
    yaw: float

    def at(self, number: int) -> Floats | None:
        """Homography of the car into this frame; None while it is away."""
        if not self.first <= number <= self.last:
            return None
        share = (number - self.first) / max(1, self.last - self.first)
        # sizes grow as one over distance, which shrinks evenly
        (x0, y0, s0), (x1, y1, s1) = self.start, self.end
        size = 1 / ((1 - share) / s0 + share / s1)
        along = share if s0 == s1 else (size - s0) / (s1 - s0)
        return _homography(x0 + along * (x1 - x0), y0 + along * (y1 - y0), size / PLATE_WIDTH, self.yaw)


def compose_road(
    draw: Draw, out: Path, *, seed: int, seconds: float = 9.0, fps: int = 25, width: int = 640, height: int = 360,
    cars: int = 6, plate_width: tuple[float, float] = (28.0, 110.0), crf: int = 18,
) -> Truth:
    """Write an H.264 MP4 of cars whose plates `draw` gives; plates are so many pixels wide, far to near."""
    rng, frames = np.random.default_rng(seed), round(seconds * fps)
    scene, grain = street(rng, width, height), noise(rng, width, height)
    drives = [_drive(draw, rng, frames, width, height, plate_width) for _ in range(cars)]
    truth: list[tuple[Face, ...]] = []

    def pictures() -> Iterator[Rgb]:
        for number in range(frames):
            picture = scene.frame(number / fps)
            truth.append(_put(picture, drives, number))
            down, across = rng.integers(0, [grain.shape[0] - height, grain.shape[1] - width]).tolist()
            yield np.asarray(
                cv2.add(picture, grain[down : down + height, across : across + width], dtype=cv2.CV_8U), np.uint8
            )

    write_video(out, pictures(), width, height, fps, crf)
    return Truth(width, height, fps, tuple(sorted({drive.car.text for drive in drives})), tuple(truth))


def draw_car(draw: Draw, rng: np.random.Generator) -> Car:
    """A car from behind: body, window, lamps, bumper, shadow, and a plate on it or on its bumper."""
    wide, high = CAR
    rgb, alpha = np.zeros((high, wide, 3), np.uint8), np.zeros((high, wide), np.uint8)
    body = tuple(int(v) for v in rng.integers(20, 225, 3))
    dark = tuple(int(v * 0.6) for v in body)
    roof = np.array([[110, 30], [410, 30], [470, 170], [50, 170]], np.int32)
    for colour, mask in ((body, rgb), ((255,), alpha)):
        cv2.fillPoly(mask, [roof], colour, cv2.LINE_AA)
        cv2.rectangle(mask, (24, 160), (496, 330), colour, -1, cv2.LINE_AA)
    cv2.fillPoly(rgb, [np.array([[130, 48], [390, 48], [436, 158], [84, 158]], np.int32)], (40, 48, 56), cv2.LINE_AA)
    cv2.rectangle(rgb, (24, 286), (496, 330), dark, -1)
    for x in (36, 414):
        cv2.rectangle(rgb, (x, 188), (x + 70, 226), (190, 30, 30), -1, cv2.LINE_AA)
        for mask, colour in ((rgb, (18, 18, 20)), (alpha, (255,))):
            cv2.rectangle(mask, (x + 4, 326), (x + 66, 386), colour, -1)
    plate, text = draw(rng)
    tall = round(plate.shape[0] * PLATE_WIDTH / plate.shape[1])
    top = int(rng.choice([206, 292 - tall // 4]))
    left = (wide - PLATE_WIDTH) // 2
    rgb[top : top + tall, left : left + PLATE_WIDTH] = cv2.resize(
        plate, (PLATE_WIDTH, tall), interpolation=cv2.INTER_AREA
    )
    right, bottom = left + PLATE_WIDTH, top + tall
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)
    light = np.linspace(1.12, 0.82, high)[:, None, None] * rng.uniform(0.75, 1.1)
    pixels = np.dstack([np.clip(rgb * light, 0, 255), alpha / 255.0]).astype(np.float32)
    return Car(text, pixels, corners)


def _drive(
    draw: Draw, rng: np.random.Generator, frames: int, width: int, height: int, plate_width: tuple[float, float]
) -> Drive:
    low, high = plate_width
    length = int(rng.integers(frames // 3, frames * 4 // 5))
    first = int(rng.integers(-length // 4, frames - length // 2))
    if rng.random() < 0.6:
        near, far = rng.uniform(0.6, 1.0) * high, max(low, rng.uniform(0.25, FARTHEST) * high)
        ends = [
            (float(width * rng.uniform(0.42, 0.58)), float(height * rng.uniform(0.4, 0.5)), float(far)),
            (float(width * rng.uniform(0.15, 0.85)), float(height * rng.uniform(0.6, 0.95)), float(near)),
        ]
        start, end = ends if rng.random() < 0.5 else ends[::-1]
        yaw = float(rng.uniform(-0.35, 0.35))
    else:
        size, y = float(rng.uniform(max(low, 0.4 * high), 0.8 * high)), float(height * rng.uniform(0.45, 0.7))
        reach = size / PLATE_WIDTH * CAR[0]
        start, end = (-reach / 2, y, size), (width + reach / 2, y, size)
        if rng.random() < 0.5:
            start, end = end, start
        yaw = float(rng.choice([-1, 1]) * rng.uniform(0.3, MOST_TURNED))
    return Drive(draw_car(draw, rng), first, first + length, start, end, yaw)


def _homography(x: float, y: float, scale: float, yaw: float) -> Floats:
    """Of a car turned about its vertical axis by `yaw`, at this scale in the middle, its middle at x, y."""
    wide, high = CAR
    distance = 3.0 * wide
    cos, sin = np.cos(yaw), np.sin(yaw)
    # a point (u, v) of the car's plane lies at (u cos, v, u sin) before a camera at this distance
    plane = np.array([[distance * cos, 0, 0], [0, distance, 0], [sin, 0, distance]])
    centred = np.array([[1, 0, -wide / 2], [0, 1, -high / 2], [0, 0, 1]])
    into = np.array([[scale, 0, x], [0, scale, y], [0, 0, 1]])
    return np.asarray(into @ plane @ centred, np.float64)


def _put(picture: Rgb, drives: Sequence[Drive], number: int) -> tuple[Face, ...]:
    """Paint all cars into a frame, far ones first; the plates that are seen in it, far to near."""
    height, width = picture.shape[:2]
    placed = [(drive.car, matrix) for drive in drives if (matrix := drive.at(number)) is not None]
    placed.sort(key=lambda one: float(np.ptp(_corners(one), axis=0).max()))
    layers = [cv2.warpPerspective(car.pixels, matrix, (width, height)) for car, matrix in placed]
    near, found = np.zeros((height, width), np.float32), list[Face]()
    for one, layer in zip(reversed(placed), reversed(layers), strict=True):
        plate = _plate(one[0].text, _corners(one), near)
        found += [plate] if plate else []
        np.maximum(near, layer[..., 3], out=near)
    for layer in layers:
        alpha = layer[..., 3:]
        picture[:] = (picture * (1 - alpha) + layer[..., :3] * alpha).astype(np.uint8)
    return tuple(reversed(found))


def _corners(placed: tuple[Car, Floats]) -> Floats:
    car, matrix = placed
    return np.asarray(cv2.perspectiveTransform(car.corners[None], matrix)[0], np.float64)


def _plate(text: str, corners: Floats, near: npt.NDArray[np.float32]) -> Face | None:
    """The plate as far as it is in the frame and no nearer car hides it; None where nothing of it is seen."""
    height, width = near.shape
    area = cv2.contourArea(corners.astype(np.float32))
    inside = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(inside, np.rint(corners * 16).astype(np.int32), 1, shift=4)
    (x1, y1), (x2, y2) = corners.min(0), corners.max(0)
    x1, y1, x2, y2 = max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height))
    if x2 - x1 < 1 or y2 - y1 < 1:
        return None
    cut = round(float(x1), 2), round(float(y1), 2), round(float(x2), 2), round(float(y2), 2)
    left, top, right, bottom = int(cut[0]), int(cut[1]), int(np.ceil(cut[2])), int(np.ceil(cut[3]))
    seen = (inside[top:bottom, left:right] > 0) & (near[top:bottom, left:right] < 0.5)
    visible = round(float(min(1.0, seen.sum() / max(area, 1.0))), 4)
    return Face(text, cut, visible, np.packbits(seen).tobytes()) if visible > LEAST_SEEN else None
