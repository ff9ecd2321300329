"""How far somebody found by a face search stands out: cosine less half of what the crowd around both reaches.

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
SHARE = 0.5
"""How much of the crowd's mean is taken off the cosine."""
NEIGHBOURS = 64
"""So many of the nearest of the index are looked at: all that any crowd of a candidate needs, nearly always."""

Owners = npt.NDArray[np.intp]


def standings(probe: Array, vectors: Array, owners: Owners, first: int | None = None) -> Array:
    """What each of the `first` candidates (all, if None) stands out by, (k,).

    `probe` (d,) and `vectors` (n, d) are unit vectors, the latter the nearest of the index, nearest first; `owners`
    (n,): whose each is, as several may be one subject's.
    """
    mutual = np.asarray(vectors @ vectors.T, np.float32)
    alike = np.asarray(vectors @ probe, np.float32)
    count = len(vectors) if first is None else min(first, len(vectors))
    found = np.empty(count, np.float32)
    for at in range(count):
        strangers = (owners != owners[at]) & (mutual[at] < ONE)
        around = _crowd(alike, mutual, strangers) + _crowd(mutual[at], mutual, strangers)
        found[at] = alike[at] - SHARE / 2 * around
    return found


def _crowd(alike: Array, mutual: Array, allowed: npt.NDArray[np.bool_]) -> float:
    """Mean of the highest similarities of `CROWD` allowed ones that aren't one another."""
    left = allowed.copy()
    values: list[float] = []
    while len(values) < CROWD:
        masked = np.where(left, alike, -np.inf)
        nearest = int(masked.argmax()) if len(masked) else 0
        if not len(masked) or masked[nearest] <= LONE:
            break
        values.append(float(masked[nearest]))
        left &= mutual[nearest] < ONE
        left[nearest] = False
    return (sum(values) + LONE * (CROWD - len(values))) / CROWD
