"""What a made-up camera sees behind the people: a still scene drawn from a seed, and a few things that move in it.

All shapes are drawn here, none is a picture of anything real. Colours are RGB 0 to 255.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Rgb = npt.NDArray[np.uint8]
Mover = Callable[[Rgb, float], None]
NOISE_SIGMA = 2.0


@dataclass(frozen=True, slots=True)
class Backdrop:
    """A scene: `still` is what never changes, each mover paints its part of a frame at a time in seconds."""

    still: Rgb
    movers: tuple[Mover, ...]

    def frame(self, seconds: float) -> Rgb:
        """A fresh picture (h, w, 3) of the scene."""
        picture = self.still.copy()
        for move in self.movers:
            move(picture, seconds)
        return picture


def backdrop(rng: np.random.Generator, width: int, height: int) -> Backdrop:
    """A lobby or a street, by chance."""
    return _lobby(rng, width, height) if rng.random() < 0.5 else street(rng, width, height)


def noise(rng: np.random.Generator, width: int, height: int) -> npt.NDArray[np.int16]:
    """A field of sensor noise, larger than a frame by half, to be cut at another place for every frame."""
    field = rng.normal(0.0, NOISE_SIGMA, (height * 3 // 2, width * 3 // 2, 3))
    return np.rint(field).astype(np.int16)


def _lobby(rng: np.random.Generator, width: int, height: int) -> Backdrop:
    floor = int(height * rng.uniform(0.74, 0.82))
    still = _gradient(_colour(rng, 120, 185), _colour(rng, 150, 205), width, height)
    for x in range(0, width, int(rng.uniform(70, 110))):
        cv2.line(still, (x, 0), (x, floor), _colour(rng, 110, 140), 2, cv2.LINE_AA)
    for _ in range(3):
        _board(still, rng, floor)
    still[floor:] = _gradient(_colour(rng, 70, 100), _colour(rng, 95, 130), width, height - floor)
    for x in range(-width, 2 * width, 60):
        cv2.line(still, (width // 2 + (x - width // 2) // 2, floor), (x, height), (82, 80, 78), 1, cv2.LINE_AA)
    left, top = int(width * rng.uniform(0.05, 0.6)), int(height * 0.08)
    window = (left, top, left + int(width * 0.28), top + int(height * 0.32))
    cv2.rectangle(still, window[:2], window[2:], (60, 62, 66), 6)
    still = _grain(still, rng)
    return Backdrop(still, (_clouds(window, rng), _screen(rng, width, height), _shadow(rng, width, floor)))


def street(rng: np.random.Generator, width: int, height: int) -> Backdrop:
    """Houses, a pavement and a road; clouds, a tree and a far car move."""
    road = int(height * rng.uniform(0.7, 0.78))
    still = _gradient((150, 180, 215), (205, 215, 225), width, height)
    x = -20
    while x < width:
        wide, top = int(rng.uniform(90, 170)), int(height * rng.uniform(0.02, 0.25))
        wall = _colour(rng, 90, 170)
        cv2.rectangle(still, (x, top), (x + wide, road), wall, -1)
        _windows(still, rng, (x + 10, top + 12, x + wide - 10, road - 30))
        x += wide
    still[road:] = _gradient((110, 110, 112), (88, 88, 92), width, height - road)
    cv2.rectangle(still, (0, road), (width, road + 8), (160, 158, 150), -1)
    still = _grain(still, rng)
    cars = tuple(_car(rng, width, road) for _ in range(2))
    return Backdrop(still, (*cars, _tree(rng, width, road)))


def _gradient(above: tuple[int, ...], below: tuple[int, ...], width: int, height: int) -> Rgb:
    share = np.linspace(0.0, 1.0, height)[:, None, None]
    rows = np.asarray(above) * (1 - share) + np.asarray(below) * share
    return np.ascontiguousarray(np.broadcast_to(rows, (height, width, 3)).astype(np.uint8))


def _colour(rng: np.random.Generator, low: int, high: int) -> tuple[int, int, int]:
    """A muted colour."""
    middle = rng.uniform(low, high)
    red, green, blue = np.rint(middle + 0.45 * (rng.uniform(low, high, 3) - middle)).astype(int).tolist()
    return red, green, blue


def _grain(picture: Rgb, rng: np.random.Generator) -> Rgb:
    """Soft edges, and texture at three scales, as plaster and stone have it."""
    height, width = picture.shape[:2]
    texture = np.zeros((height, width), np.float32)
    for cell, strength in ((4, 3.0), (16, 5.0), (64, 8.0)):
        coarse = rng.normal(0.0, strength, (height // cell + 2, width // cell + 2)).astype(np.float32)
        texture += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    soft = cv2.GaussianBlur(picture, (0, 0), 0.8).astype(np.float32) + texture[..., None]
    return np.asarray(np.clip(soft, 0, 255), np.uint8)


def _board(picture: Rgb, rng: np.random.Generator, floor: int) -> None:
    """A notice board with sheets and lines of text."""
    width = picture.shape[1]
    x, y = int(rng.uniform(0, width - 90)), int(rng.uniform(0.15, 0.5) * floor)
    cv2.rectangle(picture, (x, y), (x + 90, y + 60), _colour(rng, 60, 200), -1)
    for row in range(4):
        end = x + int(rng.uniform(40, 82))
        cv2.line(picture, (x + 8, y + 12 + 12 * row), (end, y + 12 + 12 * row), _colour(rng, 20, 90), 3)


def _windows(picture: Rgb, rng: np.random.Generator, area: tuple[int, int, int, int]) -> None:
    left, top, right, bottom = area
    for y in range(top, bottom - 26, 40):
        for x in range(left, right - 16, 28):
            cv2.rectangle(picture, (x, y), (x + 16, y + 26), _colour(rng, 40, 110), -1)
            cv2.line(picture, (x + 8, y), (x + 8, y + 26), (170, 170, 170), 1)


def _clouds(window: tuple[int, int, int, int], rng: np.random.Generator) -> Mover:
    """Sky behind a window, drifting."""
    left, top, right, bottom = window
    wide, high = right - left, bottom - top
    coarse = rng.random((4, 12)).astype(np.float32)
    cloud = cv2.resize(coarse, (4 * wide, high), interpolation=cv2.INTER_CUBIC)[..., None].clip(0, 1)
    sky = (np.array([140, 175, 215]) * (1 - cloud) + np.array([235, 238, 240]) * cloud).astype(np.uint8)

    def move(picture: Rgb, seconds: float) -> None:
        start = int(seconds * 12) % (3 * wide)
        part = picture[top:bottom, left:right]
        part[:] = sky[: part.shape[0], start : start + part.shape[1]]

    return move


def _screen(rng: np.random.Generator, width: int, height: int) -> Mover:
    """A screen whose bars change four times a second."""
    x, y = int(rng.uniform(0.7, 0.85) * width), int(0.1 * height)
    bars = [_colour(rng, 30, 220) for _ in range(64)]

    def move(picture: Rgb, seconds: float) -> None:
        cv2.rectangle(picture, (x - 3, y - 3), (x + 75, y + 47), (25, 25, 28), -1)
        for row in range(4):
            colour = bars[(int(seconds * 4) + 5 * row) % len(bars)]
            reach = 12 + (int(seconds * 20) + 17 * row) % 60
            cv2.rectangle(picture, (x, y + 11 * row), (x + reach, y + 11 * row + 9), colour, -1)

    return move


def _shadow(rng: np.random.Generator, width: int, floor: int) -> Mover:
    """The shadow of something swinging, on the wall."""
    middle, swing = rng.uniform(0.2, 0.8) * width, rng.uniform(0.05, 0.12) * width

    def move(picture: Rgb, seconds: float) -> None:
        x = int(middle + swing * np.sin(2.1 * seconds))
        part = picture[:floor, max(0, x - 30) : max(0, x + 30)]
        part[:] = (part * 0.86).astype(np.uint8)

    return move


def _car(rng: np.random.Generator, width: int, road: int) -> Mover:
    """A car passing along the road again and again."""
    colour, speed, start = _colour(rng, 30, 200), rng.uniform(70, 190), rng.uniform(0, width)
    way = 1 if rng.random() < 0.5 else -1

    def move(picture: Rgb, seconds: float) -> None:
        x = int((start + way * speed * seconds) % (width + 240)) - 160
        cv2.rectangle(picture, (x, road - 26), (x + 120, road + 6), colour, -1, cv2.LINE_AA)
        roof = np.array([(x + 22, road - 26), (x + 36, road - 48), (x + 84, road - 48), (x + 102, road - 26)])
        cv2.fillConvexPoly(picture, roof, (58, 66, 76), cv2.LINE_AA)
        for wheel in (x + 26, x + 94):
            cv2.circle(picture, (wheel, road + 6), 11, (24, 24, 26), -1, cv2.LINE_AA)

    return move


def _tree(rng: np.random.Generator, width: int, road: int) -> Mover:
    """A tree whose leaves sway."""
    foot = int(rng.uniform(0.1, 0.9) * width)
    leaves = [(rng.normal(0, 28), rng.normal(0, 18), rng.uniform(8, 16), int(rng.uniform(0, 50))) for _ in range(60)]

    def move(picture: Rgb, seconds: float) -> None:
        cv2.rectangle(picture, (foot - 4, road - 90), (foot + 4, road + 4), (84, 66, 50), -1)
        for dx, dy, radius, shade in leaves:
            sway = 4 * np.sin(1.7 * seconds + dy)
            centre = int(foot + dx + sway), int(road - 120 + dy)
            cv2.circle(picture, centre, int(radius), (50 + shade, 90 + shade, 48), -1, cv2.LINE_AA)

    return move
