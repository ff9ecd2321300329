"""`sealframe eval attack-plates`: masked plates read by who learned to read masked plates.

The best case for an attacker: plates of one format (two letters, three digits, two letters) and one font, drawn by
`operators/training/plates`, filmed, masked, coded and decoded as faces are (`film.py`), and cut out at their own box,
which no mask tells. Sign by sign a kernel ridge regression with Gaussian kernel (Saunders, Gammerman, Vovk, ICML 1998)
on the samples says how likely each letter or digit is. Read are plates that it never saw; one counts where all seven
signs are right. The method `bare` shows that it reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from operators.desensitise.base import Method
from operators.training.plates.glyphs import Glyphs, load
from operators.training.plates.layouts import BLACK, WHITE, Layout, draw
from schemas.regions import Array
from streams.demo.cutout import Rgb
from streams.evaluate.attack.attackers import Floats
from streams.evaluate.attack.counts import rate
from streams.evaluate.attack.film import Camera, Seen, Trying, shipped
from streams.evaluate.attack.people import Step
from streams.evaluate.report import Figure

SIGNS = 7
ONE = Layout("attack", 1.0, 4.6, ("AA000AA",), ((WHITE, BLACK),), (0.7, 0.74))
WIDE, HIGH = 112, 28
MARGIN = 24
RIDGE = 1e-2
MOST = 0.01
Ints = npt.NDArray[np.intp]


def evaluate(
    methods: Sequence[Method], height: int, trained: int, read: int, default: str, seed: int,
    tell: Callable[[str], None], step: Step,
) -> list[Figure]:
    """Exact readings of `read` plates of this height in pixels, after learning from `trained` others.

    Raises:
        ConfigError: the fonts of plates aren't installed.

    """
    shown, texts = film(methods, height, trained + read, seed, step)
    known, asked = slice(0, trained), slice(trained, None)
    chance = float(np.mean([1 / len(set(signs)) for signs in zip(*texts, strict=True)]))
    out = []
    for method, views in zip(methods, shown, strict=True):
        said = readings(views[known], texts[known], views[asked])
        signs = np.array([[a == b for a, b in zip(one, true, strict=True)]
                          for one, true in zip(said, texts[asked], strict=True)])
        exact = rate(np.asarray(signs.all(1), bool), np.arange(read))
        out.append(Figure(
            f"plates_read_{method.name}", exact.share, "", "<=", MOST if method.name == default else None, read,
            f"{exact.hits} right, at most {exact.most:.2%}; {signs.mean():.1%} of signs, {chance:.1%} by chance",
        ))
        tell(f"{method.name}: {exact.hits} of {read} plates read, {signs.mean():.1%} of signs")
    return out


def film(
    methods: Sequence[Method], height: int, count: int, seed: int, step: Step
) -> tuple[list[Array], list[str]]:
    """Luma of the masked regions (n, 28 * 112) by method, and what the plates say."""
    rng, camera = np.random.default_rng(seed), Camera(seed, kind="plate")
    glyphs, policies = _one_font(load()), [Trying({}, custodian=False, tried=method) for method in methods]
    shown: list[list[Array]] = [[] for _ in methods]
    texts = []
    for number in range(count):
        plate, text = draw(glyphs, rng, ONE)
        picture, box = _mounted(plate, rng)
        for views, seen in zip(shown, shipped(camera.still(picture, box, height), policies), strict=True):
            views.append(_luma(seen[0]))
        texts.append(text)
        step(number + 1, count)
    return [np.stack(views) for views in shown], texts


def readings(known: Array, texts: Sequence[str], asked: Array) -> list[str]:
    """What the regression reads in regions (k, d), having learnt from others (n, d) with their texts."""
    near, far = _kernels(known, asked)
    weights = np.linalg.inv(near + RIDGE * np.eye(len(near)))
    out = []
    for place in range(SIGNS):
        signs = sorted({text[place] for text in texts})
        wanted = np.array([[text[place] == sign for sign in signs] for text in texts], np.float64)
        middle = wanted.mean(0)
        scores = far @ (weights @ (wanted - middle)) + middle
        out.append([signs[at] for at in scores.argmax(1)])
    return ["".join(signs) for signs in zip(*out, strict=True)]


def _kernels(known: Array, asked: Array) -> tuple[Floats, Floats]:
    """Gaussian kernels among the known (n, n), and of the asked with them (k, n); as wide as the mean distance."""
    mean, scale = known.mean(0), max(float(known.std()), 1e-6)
    mine, theirs = ((rows.astype(np.float64) - mean) / scale for rows in (known, asked))
    own = (mine * mine).sum(1)
    among = own[:, None] + own[None] - 2 * mine @ mine.T
    across = (theirs * theirs).sum(1)[:, None] + own[None] - 2 * theirs @ mine.T
    width = max(float(among.mean()), 1e-9)
    return np.exp(-among / width), np.exp(-across / width)


def _one_font(glyphs: Glyphs) -> Glyphs:
    return replace(glyphs, latin=glyphs.latin[:1])


def _mounted(plate: Rgb, rng: np.random.Generator) -> tuple[Rgb, tuple[float, float, float, float]]:
    """The plate on a car of one colour, and its box."""
    height, width = plate.shape[:2]
    car = np.empty((height + 2 * MARGIN, width + 2 * MARGIN, 3), np.uint8)
    car[:] = rng.integers(20, 200, 3)
    car[MARGIN : MARGIN + height, MARGIN : MARGIN + width] = plate
    return car, (MARGIN, MARGIN, MARGIN + width, MARGIN + height)


def _luma(seen: Seen) -> Array:
    x1, y1, x2, y2 = seen.box
    scale = np.array([[WIDE / (x2 - x1), 0, 0], [0, HIGH / (y2 - y1), 0]])
    scale[:, 2] = -scale[:, :2] @ (x1, y1)
    return cv2.warpAffine(seen.planes.y, scale, (WIDE, HIGH), flags=cv2.INTER_LINEAR).ravel().astype(np.float32)
