"""How far somebody found by a face search stands out: cosine less most of what the crowd around both reaches.

Some faces are like many others, and poor pictures are like everybody's. So a candidate's cosine is compared with that
of the nearest other people to the searched face, and to the candidate itself: adaptive score normalisation (Matejka et
al. 2017, "Analysis of score normalization in multilingual speaker recognition") with means alone, the searched index
itself as cohort. Unlike the cosine of the best of n, what stands out hardly grows with n. Cohort members that may well
be the candidate, or one another, under another name count once (`ONE`), so that somebody who is in the index
many times isn't hidden by himself.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from schemas.regions import Array

CROWD = 5
"""So many of the nearest others are the crowd."""
LONE = 0.85
"""Stands for others that an index of few people doesn't have, or that are less alike than that."""
ONE = 0.95
"""Cosine from which two of the index count as one person in a crowd: one stranger in 30,000 is so alike (measured)."""
SHARE = 0.8
"""How much of the mean of both crowds is taken off the cosine."""
NEIGHBOURS = 64
"""So many of the nearest of the index are looked at: all that any crowd of a candidate needs, nearly always."""

Owners = npt.NDArray[np.intp]


def standings(
    probe: Array, vectors: Array, owners: Owners, first: int | None = None, *, least: float = LONE
) -> Array:
    """What each of the `first` candidates (all, if None) stands out by, (k,).

    `least`: what stands for others of the crowd that aren't among the vectors, at least `LONE`: so alike may they be.

    `probe` (d,) and `vectors` (n, d) are unit vectors, the latter the nearest of the index, nearest first; `owners`
    (n,): whose each is, as several may be one subject's.
    """
    mutual, alike = (vectors @ vectors.T).tolist(), (vectors @ probe).tolist()
    owner = owners.tolist()
    # whom to look at first: of the probe all as they stand, of each candidate its own nearest
    nearest = np.argsort(-np.asarray(mutual, np.float32), 1, kind="stable").tolist() if len(vectors) else []
    count = len(vectors) if first is None else min(first, len(vectors))
    by_probe = sorted(range(len(vectors)), key=lambda at: -alike[at])
    found = np.empty(count, np.float32)
    for at in range(count):
        own = mutual[at]
        strangers = [owner[i] != owner[at] and own[i] < ONE for i in range(len(owner))]
        around = _crowd(alike, by_probe, mutual, strangers, least) + _crowd(own, nearest[at], mutual, strangers, least)
        found[at] = alike[at] - SHARE / 2 * around
    return found


def _crowd(
    alike: list[float], order: list[int], mutual: list[list[float]], allowed: list[bool], least: float
) -> float:
    """Mean of the highest similarities, in their order, of `CROWD` allowed ones that aren't one another."""
    chosen: list[int] = []
    for at in order:
        if len(chosen) == CROWD or alike[at] <= least:
            break
        row = mutual[at]
        if allowed[at] and all(row[other] < ONE for other in chosen):
            chosen.append(at)
    return (sum(alike[at] for at in chosen) + least * (CROWD - len(chosen))) / CROWD
