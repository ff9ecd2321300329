"""Windows to train on: cut-out people before other pictures, or where they were, moved, dimmed, coded.

Picture number n of a seed is always the same. The alpha of a person laid before another picture is known exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from operators.heads import ABOVE, ASIDE, BELOW, COLUMNS, ROWS, Window, seen
from operators.training.heads.cutouts import FACE, HIGH, MIDDLE, WIDE, Cutouts, read_rgb
from schemas.frames import Planes
from schemas.regions import Array

Rgb = npt.NDArray[np.uint8]
Alpha = npt.NDArray[np.float32]
Rng = np.random.Generator
PASTED = 0.6
MOVED, SCALED, TURNED = 0.05, 0.09, 7.0
"""Deviations of where the face's box is: heights of the face, log of its size, degrees."""
SIZE = 2 * round(ASIDE * FACE), 2 * round((ABOVE + BELOW) * FACE / 2)
"""Width and height of a window in pixels."""


class Pictures:
    """Windows of these people before these photographs."""

    def __init__(self, people: Cutouts, grounds: Sequence[Path], seed: int) -> None:
        self.people, self.seed = people, seed
        self.grounds = [small for path in grounds if (small := _ground(read_rgb(path))) is not None]

    def __getitem__(self, number: int) -> tuple[Array, Array]:
        """The network's input (6, ROWS, COLUMNS), and how much of each cell is a person (ROWS, COLUMNS)."""
        rng = np.random.default_rng((self.seed, number))
        one = int(rng.integers(len(self.people.pictures)))
        picture, alpha = self.people.pictures[one], np.asarray(self.people.alphas[one] / 255, np.float32)
        if rng.random() < 0.5:
            picture, alpha = np.ascontiguousarray(picture[:, ::-1]), np.ascontiguousarray(alpha[:, ::-1])
        if rng.random() < PASTED:
            picture = self._pasted(picture, alpha, rng)
        matrix = _moved(rng)
        shown = cv2.warpAffine(picture, matrix, SIZE, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        person = cv2.warpAffine(alpha, matrix, SIZE, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        planes, window = _region(_filmed(np.asarray(shown, np.uint8), rng), rng)
        cells = cv2.resize(person, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)
        return seen(planes, window), np.asarray(cells, np.float32)

    def _pasted(self, picture: Rgb, alpha: Alpha, rng: Rng) -> Rgb:
        """The person before a part of another picture, in other light."""
        ground = self.grounds[int(rng.integers(len(self.grounds)))]
        share = rng.uniform(0.3, 1.0)
        high = int(share * min(ground.shape[0], ground.shape[1] * HIGH / WIDE))
        wide = high * WIDE // HIGH
        top, left = (int(rng.integers(side + 1)) for side in (ground.shape[0] - high, ground.shape[1] - wide))
        behind = cv2.resize(ground[top : top + high, left : left + wide], (WIDE, HIGH), interpolation=cv2.INTER_AREA)
        light = rng.uniform(0.7, 1.25) * rng.uniform(0.93, 1.07, 3)
        mixed = behind * (1 - alpha[..., None]) + picture * light * alpha[..., None]
        return np.asarray(mixed.clip(0, 255), np.uint8)


def _ground(picture: Rgb) -> Rgb | None:
    """A photograph small enough to keep; None where it is too small."""
    scale = 320 / max(picture.shape[:2])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else picture
    return np.asarray(small, np.uint8) if min(small.shape[:2]) >= 128 else None


def _moved(rng: Rng) -> npt.NDArray[np.float64]:
    """From the canvas to a window whose box is a little off."""
    scale = float(np.exp(rng.normal(0, SCALED)))
    turn = np.deg2rad(rng.normal(0, TURNED))
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    middle = np.array([ASIDE, ABOVE]) * FACE + rng.normal(0, MOVED * FACE, 2)
    return np.hstack([matrix, (middle - matrix @ np.array(MIDDLE))[:, None]])


def _filmed(picture: Rgb, rng: Rng) -> Rgb:
    """As cameras show it: other light, less sharp or small, noisy, coded."""
    values = picture.astype(np.float32) / 255
    values = np.clip(values * rng.uniform(0.55, 1.3) * rng.uniform(0.92, 1.08, 3).astype(np.float32), 0, 1)
    values = values ** rng.uniform(0.7, 1.5)
    values = (values - 0.5) * rng.uniform(0.6, 1.1) + 0.5 + rng.uniform(-0.08, 0.08)
    if rng.random() < 0.15:
        values = np.repeat(values.mean(2, keepdims=True), 3, 2)
    if rng.random() < 0.5:
        share = rng.uniform(0.2, 0.9)
        small = cv2.resize(values, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        values = np.asarray(cv2.resize(small, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR))
    elif rng.random() < 0.3:
        values = np.asarray(cv2.GaussianBlur(values, (0, 0), rng.uniform(0.5, 2.0)))
    values = values + rng.uniform(0, 0.03) * rng.standard_normal(values.shape, np.float32)
    out = np.asarray(np.rint(values.clip(0, 1) * 255), np.uint8)
    if rng.random() < 0.5:
        coded = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 90))])[1]
        out = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return out


def _region(picture: Rgb, rng: Rng) -> tuple[Planes, Window]:
    """The planes of a region somewhat smaller than the window, or larger than it, and where the window lies in it."""
    (wide, high), chroma = SIZE, (SIZE[0] // 2, SIZE[1] // 2)
    y, red, blue = cv2.split(cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb))
    if rng.random() < 0.7:
        y = np.asarray(np.rint(16 + y * (219 / 255)), np.uint8)
    planes = [y, *(cv2.resize(plane, chroma, interpolation=cv2.INTER_AREA) for plane in (blue, red))]
    most = np.array([ASIDE - 0.5, ABOVE - 0.55, ASIDE - 0.5, BELOW - 0.55]) * FACE
    left, top, right, bottom = (2 * int(rng.beta(0.7, 1.6) * side / 2) * (rng.random() < 0.8) for side in most)
    parts = [
        np.asarray(plane[top // step : (high - bottom) // step, left // step : (wide - right) // step], np.uint8)
        for plane, step in zip(planes, (1, 2, 2), strict=True)
    ]
    return Planes(*parts), Window(-left, -top, wide - left, high - top, FACE)
