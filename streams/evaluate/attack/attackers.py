"""Attackers that learned from masked pictures of other people ("parrots"), all in closed form, seeded by nothing.

McPherson, Shokri, Shmatikov, "Defeating image obfuscation with deep learning" (arXiv:1609.00408), train networks on
obfuscated pictures. A masked region holds few numbers; for those linear Gaussian models are hard to beat and need no
tuning:

- `samples`, `edges`: the two-covariance model of Brummer and de Villiers, "The speaker partitioning problem" (Odyssey
  2010), which is probabilistic LDA (Prince and Elder 2007) with full covariances: a view is its person's mean plus a
  deviation, both Gaussian; scored by the likelihood ratio of one person against two. On the region's samples, and on
  histograms of its gradients (after Dalal and Triggs, CVPR 2005).
- `vectors`: ridge regression from masked samples to the default embedder's vector of the bare face, compared with bare
  pictures of the gallery, by the likelihood ratio under the regression's residuals.
- `together`: the sum of the three ratios, as if each knew something of its own.

A view is a row of samples as `film.sampled` cuts them. Gallery pictures are masked by the attacker, like the probes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from schemas.regions import Array
from streams.evaluate.attack.film import CHROMA, LUMA
from streams.evaluate.recognition import Ints

Floats = npt.NDArray[np.float64]
Look = Callable[[Array], Floats]
DIMENSIONS = 64
SHRINK = 0.02
RIDGE = 0.02
CELLS, TURNS = 4, 8


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What an attacker learns from: `views` (m, j, d) of m photographs, `people` (m,), `vectors` (m, 128)."""

    views: Array
    people: Ints
    vectors: Array


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A search: `probes` (k, d), and of the gallery `views` (g, j, d) and `vectors` (g, 128)."""

    probes: Array
    views: Array
    vectors: Array


Guess = Callable[[Asked], Floats]
"""Scores (k, g) of a search; larger is likelier."""


def together(known: Known) -> Mapping[str, Guess]:
    """All attackers of this module, trained."""
    parts: dict[str, Guess] = {
        "samples": two_covariances(known, plain), "edges": two_covariances(known, edges), "vectors": regression(known),
    }
    trained = tuple(parts.values())
    return MappingProxyType({**parts, "together": lambda asked: np.sum([guess(asked) for guess in trained], 0)})


def as_it_is(views: Array) -> Floats:
    """Nothing made of them."""
    return np.asarray(views, np.float64)


def plain(views: Array) -> Floats:
    """Samples (n, d) averaged two by two."""
    return np.concatenate([_halved(part).reshape(len(views), -1) for part in _planes(views)], 1)


def edges(views: Array) -> Floats:
    """Histograms (n, cells * cells * turns) of the luma's gradient directions, of equal length each."""
    luma = _planes(views)[0]
    across = np.gradient(luma, axis=2)
    down = np.gradient(luma, axis=1)
    strength = np.hypot(across, down)
    turn = ((np.arctan2(down, across) / np.pi % 1) * TURNS).astype(np.int64) % TURNS
    side = LUMA // CELLS
    parts = [
        np.where(turn == k, strength, 0).reshape(len(views), CELLS, side, CELLS, side).sum((2, 4)) for k in range(TURNS)
    ]
    found = np.stack(parts, 3).reshape(len(views), -1)
    return np.asarray(found / (np.linalg.norm(found, axis=1, keepdims=True) + LUMA), np.float64)


def two_covariances(known: Known, look: Look) -> Guess:
    """The two-covariance model on what `look` makes of views, in its main directions."""
    m, j = known.views.shape[:2]
    reduce = _main_directions(look(known.views.reshape(m * j, -1)), look)
    rows, people = reduce(known.views.reshape(m * j, -1)), np.repeat(known.people, j)
    several = np.isin(people, np.flatnonzero(np.bincount(known.people) > 1))
    within, between = _covariances(rows[several], people[several])
    total = within + between
    of_one = np.linalg.inv(total - between @ np.linalg.inv(total) @ between)
    single = np.linalg.inv(total) - of_one
    pair = np.linalg.inv(total) @ between @ of_one

    def guess(asked: Asked) -> Floats:
        g, j = asked.views.shape[:2]
        mine, theirs = reduce(asked.probes), reduce(asked.views.reshape(g * j, -1)).reshape(g, j, -1).mean(1)
        own = ((mine @ single) * mine).sum(1)[:, None] + ((theirs @ single) * theirs).sum(1)[None]
        return np.asarray(own / 2 + mine @ pair @ theirs.T, np.float64)

    return guess


def regression(known: Known) -> Guess:
    """From masked samples to the embedder's vector of the bare face."""
    m, j = known.views.shape[:2]
    reduce = _main_directions(plain(known.views.reshape(m * j, -1)), plain)
    rows, middle = reduce(known.views.reshape(m * j, -1)), known.vectors.mean(0)
    wanted = np.repeat(known.vectors - middle, j, 0)
    square = rows.T @ rows
    weights = np.linalg.solve(square + RIDGE * len(rows) * np.eye(len(square)), rows.T @ wanted)
    left = np.linalg.inv(_shrunk(np.cov((wanted - rows @ weights).T)))
    anybody = np.linalg.inv(_shrunk(np.cov((known.vectors - middle).T)))

    def guess(asked: Asked) -> Floats:
        told, theirs = reduce(asked.probes) @ weights, asked.vectors - middle
        apart = ((told @ left) * told).sum(1)[:, None] - 2 * told @ left @ theirs.T + ((theirs @ left) * theirs).sum(1)
        return np.asarray(((theirs @ anybody) * theirs).sum(1)[None] / 2 - apart / 2, np.float64)

    return guess


def _planes(views: Array) -> tuple[Floats, Floats, Floats]:
    """Luma (n, LUMA, LUMA) and the two chromas (n, CHROMA, CHROMA)."""
    n, full, half = len(views), LUMA * LUMA, CHROMA * CHROMA
    parts = np.split(views.astype(np.float64), [full, full + half], axis=1)
    return (parts[0].reshape(n, LUMA, LUMA), parts[1].reshape(n, CHROMA, CHROMA), parts[2].reshape(n, CHROMA, CHROMA))


def _halved(planes: Floats) -> Floats:
    n, rows, columns = planes.shape
    return np.asarray(planes.reshape(n, rows // 2, 2, columns // 2, 2).mean((2, 4)), np.float64)


def _main_directions(rows: Floats, look: Look) -> Callable[[Array], Floats]:
    """The directions in which rows (n, d) vary most, as a map from views."""
    middle = rows.mean(0)
    values, directions = np.linalg.eigh(np.cov((rows - middle).T))
    kept = min(DIMENSIONS, len(values), len(rows) - 1)
    chosen, size = directions[:, -kept:], max(float(values[-kept:].mean()), 1e-12) ** 0.5
    return lambda views: np.asarray((look(views) - middle) @ chosen / size, np.float64)


def _covariances(rows: Floats, people: Ints) -> tuple[Floats, Floats]:
    """Within and between people; the first drawn a little towards a multiple of one."""
    counts = np.bincount(people)
    used = np.flatnonzero(counts)
    means = np.stack([np.bincount(people, column)[used] / counts[used] for column in rows.T], 1)
    place = np.searchsorted(used, people)
    apart = rows - means[place]
    within = apart.T @ apart / max(len(rows) - len(used), 1)
    spread = means - means.mean(0)
    between = spread.T @ spread / max(len(used) - 1, 1) - within * float((1 / counts[used]).mean())
    within = _shrunk(within)
    values, directions = np.linalg.eigh(between)
    floor = 1e-6 * float(np.trace(within)) / len(within)
    return within, np.asarray((directions * np.maximum(values, floor)) @ directions.T, np.float64)


def _shrunk(covariance: Floats) -> Floats:
    size = len(covariance)
    scale = max(float(np.trace(covariance)) / size, 1e-9)
    return np.asarray((1 - SHRINK) * covariance + SHRINK * scale * np.eye(size), np.float64)
