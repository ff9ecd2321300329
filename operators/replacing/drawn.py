"""Faces that nobody has: drawn from a seed, shaded softly, as detectors know faces.

Canvas of `WIDTH` x `HEIGHT` pixels; the face is frontal, its landmarks near the middle. All measures are shares of the
face's width, drawn about those of a mean face (L. Farkas, "Anthropometry of the Head and Face", 1994, rounded).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Rgb = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
WIDTH, HEIGHT = 128, 160
_FINE = 2
"""Drawn so much larger, then averaged: smooth edges."""


@dataclass(frozen=True, slots=True, eq=False)
class Donor:
    """A face to put in place of another: `rgb` (HEIGHT, WIDTH, 3), 0 to 1; `landmarks` (5, 2) x y on it."""

    rgb: Rgb
    landmarks: Floats


@dataclass(frozen=True, slots=True)
class _Shape:
    """Measures in canvas pixels."""

    x: float
    y: float
    wide: float
    high: float
    eyes: float
    eye_y: float
    eye_wide: float
    open: float
    brow: float
    nose_y: float
    nose_wide: float
    mouth_y: float
    mouth_wide: float
    lips: float
    jaw: float
    hair: float


def drawn(seed: int) -> Donor:
    """The face of this seed."""
    rng = np.random.default_rng((7, seed))
    shape = _shape(rng)
    skin = np.array([0.80, 0.60, 0.48]) * rng.uniform(0.75, 1.1) + rng.uniform(-0.03, 0.03, 3)
    hair = np.array([0.25, 0.18, 0.13]) * rng.uniform(0.4, 1.8)
    picture = _painted(shape, np.clip(skin, 0, 1), np.clip(hair, 0, 1), rng)
    marks = np.array([
        (shape.x - shape.eyes, shape.eye_y), (shape.x + shape.eyes, shape.eye_y), (shape.x, shape.nose_y),
        (shape.x - shape.mouth_wide, shape.mouth_y), (shape.x + shape.mouth_wide, shape.mouth_y),
    ])
    return Donor(picture, marks)


def _shape(rng: np.random.Generator) -> _Shape:
    wide = 44 * rng.uniform(0.94, 1.05)
    high = wide * rng.uniform(1.30, 1.42)
    x, y = WIDTH / 2, HEIGHT / 2 + 4
    eye_y = y - 0.12 * high * rng.uniform(0.8, 1.2)
    return _Shape(
        x, y, wide, high, 0.45 * wide * rng.uniform(0.95, 1.07), eye_y, 0.23 * wide * rng.uniform(0.9, 1.1),
        rng.uniform(0.36, 0.48), 0.30 * wide * rng.uniform(0.9, 1.15), y + 0.24 * high * rng.uniform(0.9, 1.1),
        0.22 * wide * rng.uniform(0.85, 1.2), y + 0.50 * high * rng.uniform(0.95, 1.05),
        0.36 * wide * rng.uniform(0.9, 1.12), 0.085 * wide * rng.uniform(0.8, 1.3), rng.uniform(0.72, 0.9),
        rng.uniform(0.62, 0.78),
    )


class _Canvas:
    """A picture under the brush: soft spots and filled outlines, in canvas pixels."""

    def __init__(self, colour: Floats) -> None:
        self.rgb = np.tile(colour.astype(np.float32), (HEIGHT * _FINE, WIDTH * _FINE, 1))

    def spot(self, x: float, y: float, wide: float, high: float, colour: Floats, strength: float) -> None:
        """A Gaussian of colour, as far as three deviations."""
        rows, columns = self._span(y, 3 * high, HEIGHT), self._span(x, 3 * wide, WIDTH)
        down = np.exp(-(((np.arange(rows.start, rows.stop) / _FINE - y) / high) ** 2) / 2)
        across = np.exp(-(((np.arange(columns.start, columns.stop) / _FINE - x) / wide) ** 2) / 2)
        self._lay((rows, columns), strength * np.outer(down, across), colour)

    def fill(self, points: Floats, colour: Floats, soft: float, strength: float = 1.0) -> None:
        """An outline (n, 2), its edge blurred by `soft`."""
        (left, top), (right, bottom) = points.min(0), points.max(0)
        rows = self._span((top + bottom) / 2, (bottom - top) / 2 + 3 * soft, HEIGHT)
        columns = self._span((left + right) / 2, (right - left) / 2 + 3 * soft, WIDTH)
        mask = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.uint8)
        inner = points * _FINE - (columns.start, rows.start)
        cv2.fillPoly(mask, [np.rint(inner * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        self._lay((rows, columns), strength * cv2.GaussianBlur(mask, (0, 0), soft * _FINE) / 255, colour)

    def _span(self, middle: float, reach: float, size: int) -> slice:
        first, last = int((middle - reach) * _FINE), int((middle + reach) * _FINE) + 1
        return slice(max(0, first), max(1, min(size * _FINE, last)))

    def _lay(self, part: tuple[slice, slice], share: Floats, colour: Floats) -> None:
        self.rgb[part] += share[..., None].astype(np.float32) * (colour.astype(np.float32) - self.rgb[part])


def _egg(x: float, y: float, wide: float, above: float, below: float, narrow: float) -> Floats:
    """An outline rounder above and, by `narrow`, slimmer below."""
    turn = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    down = np.sin(turn)
    width = wide * np.cos(turn) * np.where(down > 0, 1 - (1 - narrow) * down**2, 1)
    return np.stack([x + width, y + np.where(down > 0, below, above) * down], 1)


def _almond(x: float, y: float, wide: float, high: float) -> Floats:
    across = np.linspace(-1, 1, 17)
    lid = high * (1 - across**2) ** 0.75
    return _between(x + wide * across, y - lid, y + 0.8 * lid)


def _between(x: Floats, above: Floats, below: Floats) -> Floats:
    """The outline of what lies between two lines."""
    return np.concatenate([np.stack([x, above], 1), np.stack([x, below], 1)[::-1]])


def _painted(s: _Shape, skin: Floats, hair: Floats, rng: np.random.Generator) -> Rgb:
    canvas = _Canvas(np.clip(np.array([0.5, 0.52, 0.55]) * rng.uniform(0.6, 1.3), 0, 1))
    dark, light = skin * 0.55, np.clip(skin * 1.18, 0, 1)
    canvas.fill(_egg(s.x, s.y - 0.15 * s.high, 1.12 * s.wide, 0.98 * s.high, 0.8 * s.high, 0.95), hair, 2.0)
    neck = np.array([(-0.52, 0.6), (0.52, 0.6), (0.62, 1.6), (-0.62, 1.6)]) * s.wide + (s.x, s.y + 0.2 * s.high)
    canvas.fill(neck, skin * 0.72, 2.0)
    for side in (-1, 1):
        canvas.fill(_egg(s.x + side * 1.0 * s.wide, s.y, 0.13 * s.wide, 0.2 * s.high, 0.2 * s.high, 1), skin * 0.8, 1.0)
    canvas.fill(_egg(s.x, s.y, s.wide, s.high, s.high, s.jaw), skin, 1.2)
    _shade(canvas, s, dark, light)
    canvas.fill(_fringe(s), hair, 2.5)
    _eyes(canvas, s, skin, hair, rng)
    _nose_and_mouth(canvas, s, dark, light, skin)
    small = cv2.resize(np.clip(canvas.rgb, 0, 1), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)


def _fringe(s: _Shape) -> Floats:
    """The hair line above the forehead."""
    across = np.linspace(-1.08, 1.08, 21)
    line = s.y - s.high * (s.hair - 0.35 * np.abs(across) ** 4)
    top = s.y - 0.15 * s.high - 0.98 * s.high * np.sqrt(1 - (across / 1.12) ** 2)
    return _between(s.x + s.wide * across, line, top)


def _shade(canvas: _Canvas, s: _Shape, dark: Floats, light: Floats) -> None:
    for side in (-1, 1):
        canvas.spot(s.x + side * 1.0 * s.wide, s.y + 0.1 * s.high, 0.28 * s.wide, 0.6 * s.high, dark, 0.55)
        canvas.spot(s.x + side * 0.55 * s.wide, s.y + 0.18 * s.high, 0.22 * s.wide, 0.16 * s.high, light, 0.5)
        canvas.spot(s.x + side * s.eyes, s.eye_y, 0.30 * s.wide, 0.15 * s.high, dark, 0.5)
    canvas.spot(s.x, s.y - 0.45 * s.high, 0.5 * s.wide, 0.2 * s.high, light, 0.5)
    canvas.spot(s.x, s.y + 0.82 * s.high, 0.3 * s.wide, 0.1 * s.high, light, 0.4)
    canvas.spot(s.x, s.y + 1.02 * s.high, 0.9 * s.wide, 0.1 * s.high, dark, 0.7)
    canvas.spot(s.x, s.mouth_y + 0.13 * s.high, 0.28 * s.wide, 0.04 * s.high, dark, 0.45)


def _eyes(canvas: _Canvas, s: _Shape, skin: Floats, hair: Floats, rng: np.random.Generator) -> None:
    iris = np.array([0.22, 0.17, 0.13]) * rng.uniform(0.6, 1.5)
    high = s.open * s.eye_wide
    for side in (-1, 1):
        x = s.x + side * s.eyes
        canvas.fill(_almond(x, s.eye_y, 1.12 * s.eye_wide, 1.3 * high), skin * 0.4, 0.8, 0.9)
        canvas.fill(_almond(x, s.eye_y + 0.3, s.eye_wide, high), np.array([0.82, 0.80, 0.78]), 0.5)
        canvas.fill(_egg(x, s.eye_y, 0.98 * high, 0.98 * high, 0.98 * high, 1), iris, 0.4)
        canvas.fill(_egg(x, s.eye_y, 0.45 * high, 0.45 * high, 0.45 * high, 1), iris * 0.2, 0.3)
        canvas.spot(x + 0.3 * high, s.eye_y - 0.4 * high, 0.5, 0.5, np.ones(3), 0.8)
        across = np.linspace(-1, 1, 13)
        arch = s.eye_y - s.brow * (1 + 0.25 * (1 - across**2)) + 0.05 * s.wide * side * across
        thick = 0.045 * s.wide * (1.1 - 0.7 * np.abs(across) ** 2)
        canvas.fill(_between(x + 1.35 * s.eye_wide * across, arch - thick, arch + thick), hair * 0.8, 0.7, 0.85)


def _nose_and_mouth(canvas: _Canvas, s: _Shape, dark: Floats, light: Floats, skin: Floats) -> None:
    middle = (s.eye_y + s.nose_y) / 2
    canvas.spot(s.x, middle, 0.06 * s.wide, 0.16 * s.high, light, 0.6)
    for side in (-1, 1):
        canvas.spot(s.x + side * 0.15 * s.wide, middle, 0.06 * s.wide, 0.17 * s.high, dark, 0.35)
        canvas.spot(s.x + side * s.nose_wide, s.nose_y, 0.06 * s.wide, 0.05 * s.high, dark, 0.6)
        nostril = s.x + side * 0.55 * s.nose_wide, s.nose_y + 0.05 * s.high
        canvas.spot(*nostril, 0.07 * s.wide, 0.022 * s.high, skin * 0.25, 0.9)
    canvas.spot(s.x, s.nose_y - 0.02 * s.high, 0.09 * s.wide, 0.05 * s.high, light, 0.6)
    canvas.spot(s.x, s.nose_y + 0.10 * s.high, 0.2 * s.wide, 0.035 * s.high, dark, 0.5)
    red = np.clip(skin * (0.82, 0.52, 0.52), 0, 1)
    across = np.linspace(-1, 1, 21)
    upper = s.lips * (1 - across**2) * (1 - 0.25 * np.exp(-((across / 0.15) ** 2)))
    lower = 1.35 * s.lips * (1 - across**2)
    line = s.x + s.mouth_wide * across
    canvas.fill(_between(line, s.mouth_y - upper, s.mouth_y + lower), red, 0.7, 0.95)
    canvas.fill(_between(line, s.mouth_y - 0.12 * upper, s.mouth_y + 0.14 * lower), skin * 0.22, 0.5, 0.95)
    canvas.spot(s.x, s.mouth_y + 0.7 * s.lips, 0.16 * s.wide, 0.3 * s.lips, light, 0.4)
