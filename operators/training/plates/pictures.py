"""Training crops: drawn plates, and real ones that aren't kept back for tests, each turned and spoilt anew."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from operators.plates import ALPHABET, fit
from operators.training.plates.camera import photograph, spoil
from operators.training.plates.glyphs import Glyphs
from operators.training.plates.labels import Plate
from operators.training.plates.layouts import draw

Rgb = npt.NDArray[np.uint8]
REAL_SHARE = 0.2


def jittered(plate: Plate, rng: np.random.Generator) -> Rgb:
    """A crop by about the true box, a little turned and sheared, with light and blur of its own."""
    x1, y1, x2, y2 = plate.box
    wide, tall = x2 - x1, y2 - y1
    whole = plate.picture.shape[1] <= wide + 1
    across = int(np.clip(wide * rng.uniform(0.6, 1.2), min(wide, 60), 220))
    down = max(14, round(across * tall / wide * rng.uniform(0.85, 1.15)))
    corners = np.array([[x1, y1], [x2, y1], [x1, y2]], np.float32)
    loose = 0.03 if whole else 0.06
    corners += rng.uniform(-loose, loose, (1, 2)) * (wide, tall) + rng.normal(0, 0.02, (3, 2)) * (wide * 0.5, tall)
    middle = corners[1:].mean(0)
    corners = middle + (corners - middle) * rng.uniform(0.96, 1.05 if whole else 1.1)
    target = np.array([[0, 0], [across, 0], [0, down]], np.float32)
    matrix = cv2.getAffineTransform(corners.astype(np.float32), target)
    picture = plate.picture
    shrink = across / wide
    if shrink < 0.7:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.35 / shrink), np.uint8)
    crop = cv2.warpAffine(picture, matrix, (across, down), borderMode=cv2.BORDER_REPLICATE)
    return spoil(np.asarray(crop, np.uint8), rng, 0.6)


def classes(text: str) -> list[int]:
    """A text as the network's classes; characters outside the alphabet raise ValueError."""
    return [ALPHABET.index(one) + 1 for one in text]


class Crops:
    """Crop number n, (32, 96, 3), and its text; drawn from the seed and n alone. Parts come up equally often."""

    def __init__(self, glyphs: Glyphs, plates: Sequence[Plate], seed: int, real: float = REAL_SHARE) -> None:
        self.glyphs, self.seed = glyphs, seed
        self.parts = [[one for one in plates if one.part == part] for part in sorted({one.part for one in plates})]
        sizes = np.array([len(part) for part in self.parts], np.float64) ** 0.6
        self.weights = sizes / sizes.sum() if self.parts else sizes
        self.real = real if self.parts else 0.0

    def __getitem__(self, number: int) -> tuple[Rgb, str]:
        cv2.setNumThreads(1)
        rng = np.random.default_rng([self.seed, number])
        if rng.random() < self.real:
            part = self.parts[int(rng.choice(len(self.parts), p=self.weights))]
            plate = part[int(rng.integers(len(part)))]
            return fit(jittered(plate, rng)), plate.text
        flat, text = draw(self.glyphs, rng)
        return fit(photograph(flat, rng)), text
