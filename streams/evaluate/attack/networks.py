"""`sealframe eval attack-networks`: masked faces restored, or told apart, by networks that learned from masked faces.

As `reidentify.py`, for one face height: for each gallery the networks of `operators/training/attack` learn from masked
pictures of everybody else. `restored`: a network makes bare faces of masked ones, the default embedder searches them
among bare pictures. `parrot`: a second embedder, trained here on masked faces, compares masked with masked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from operators.desensitise.base import Method
from operators.detect.picture import rgb_of
from operators.embed import align
from schemas.errors import UsageError
from schemas.frames import Planes
from schemas.regions import Array
from streams.demo.cutout import Rgb
from streams.evaluate.attack.counts import rate
from streams.evaluate.attack.film import BT709_VIDEO, CHROMA, LUMA, Bare
from streams.evaluate.attack.people import Album, Fold, Search, Step
from streams.evaluate.attack.reidentify import MOST, PICTURE, Attacked, Views, film, first
from streams.evaluate.faces import Embed
from streams.evaluate.recognition import Flags, Ints
from streams.evaluate.report import Figure

Says = Callable[[Array], Array]
STEPS = 300


@dataclass(frozen=True, slots=True)
class Learnt:
    """Trained on one fold: masked regions to bare ones, and to vectors."""

    restore: Says
    embed: Says


def evaluate(
    album: Album, methods: Sequence[Method], height: int, folds: Sequence[Fold], embed: Embed, seed: int,
    tell: Callable[[str], None], step: Step, steps: int = STEPS,
) -> list[Attacked]:
    """Both networks on every method, trained once a fold, in every round of it.

    Raises:
        UsageError: torch isn't there.

    """
    tell(f"filming {len(album.paths)} photographs, faces {height} pixels high")
    filmed = film(album, [Bare(), *methods], [height], embed, seed, step)
    bare = filmed[Bare.name, height]
    out = []
    for method in methods:
        one = _attacked(album, method.name, height, filmed[method.name, height], bare, folds, embed, seed, steps)
        out.append(one)
        tell(f"{method.name}, {height} px: " + ", ".join(f"{k} {r.hits} of {r.n}" for k, r in one.rates.items()))
    return out


def _attacked(
    album: Album, name: str, height: int, views: Views, bare: Views, folds: Sequence[Fold], embed: Embed, seed: int,
    steps: int,
) -> Attacked:
    rng = np.random.default_rng(seed)
    hits: dict[str, list[Flags]] = {"restored": [], "parrot": []}
    people = []
    masked, clear = views.of(PICTURE), bare.of(PICTURE)
    count = masked.shape[1]
    for fold in folds:
        learnt = learn(masked[fold.training], clear[fold.training], album.people[fold.training], seed, steps)
        for search in fold.searches:
            people.append(album.people[search.probes])
            chips = np.stack([
                align(rgb, views.points[row])
                for row, rgb in zip(search.probes.tolist(), _restored(learnt, masked, views, search), strict=True)
            ])
            hits["restored"].append(first(embed(chips) @ album.vectors[search.gallery].T, search, rng))
            probes = learnt.embed(regions(masked[search.probes, 0]))
            known = learnt.embed(regions(masked[search.gallery].reshape(len(search.gallery) * count, -1)))
            hits["parrot"].append(first(probes @ known.reshape(len(search.gallery), count, -1).mean(1).T, search, rng))
    rates = {who: rate(np.concatenate(found), np.concatenate(people)) for who, found in hits.items()}
    return Attacked(name, "network", height, rates)


def learn(masked: Array, clear: Array, people: Ints, seed: int, steps: int) -> Learnt:
    """Both networks, from views (m, j, d) of people (m,)."""
    try:
        from operators.training.attack.network import parrot, restorer
    except ImportError as error:
        raise UsageError("networks need torch: pip install 'sealframe[train]'") from error
    given, wanted = (regions(views.reshape(len(views) * views.shape[1], -1)) for views in (masked, clear))
    return Learnt(
        restorer(given, wanted, steps, seed), parrot(given, np.repeat(people, masked.shape[1]), steps, seed)
    )


def regions(views: Array) -> Array:
    """Views (n, 1536) as (n, 3, 32, 32), 0 to 1, chroma scaled up."""
    full, half = LUMA * LUMA, CHROMA * CHROMA
    luma, *chroma = np.split(views, [full, full + half], axis=1)
    planes = [luma.reshape(-1, 1, LUMA, LUMA)]
    planes += [part.reshape(-1, 1, CHROMA, CHROMA).repeat(2, 2).repeat(2, 3) for part in chroma]
    return np.asarray(np.concatenate(planes, 1) / 255, np.float32)


def _restored(learnt: Learnt, masked: Array, views: Views, search: Search) -> list[Rgb]:
    said = learnt.restore(regions(masked[search.probes, 0]))
    return [_rgb(one, views.sizes[row]) for one, row in zip(said, search.probes.tolist(), strict=True)]


def _rgb(region: Array, size: tuple[int, int]) -> Rgb:
    """A region (3, 32, 32) as RGB at its own size (width, height)."""
    width, height = size
    y, u, v = (
        np.rint(255 * cv2.resize(part, (width // part_of, height // part_of))).clip(0, 255).astype(np.uint8)
        for part, part_of in zip(region, (1, 2, 2), strict=True)
    )
    return rgb_of(Planes(y, u, v), BT709_VIDEO, width, height)


def figures(results: Sequence[Attacked], default: str) -> list[Figure]:
    """Rate and bound of each network."""
    return [
        Figure(f"rank1_most_{one.method}_{who}_{one.height}", found.most, "", "<=",
               MOST if one.method == default else None, found.n, f"{found.hits} right, {found.share:.2%}")
        for one in results for who, found in one.rates.items()
    ]
