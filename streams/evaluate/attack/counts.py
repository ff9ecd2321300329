"""How often an attack was right, and how often it may be right at most."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from streams.evaluate.recognition import Flags, Ints

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Rate:
    """`hits` of `n`; `most`: one-sided upper bound at 95 %."""

    hits: int
    n: int
    most: float

    @property
    def share(self) -> float:
        """Hits among all."""
        return self.hits / max(self.n, 1)


def rate(hits: Flags, people: Ints) -> Rate:
    """Hits (k,) of searches for `people` (k,): Clopper-Pearson's bound on the effective number of searches.

    Searches for one person aren't independent: their number is divided by the design effect, the variance over people
    against that of independent trials, where it is above one (Korn and Graubard, "Confidence intervals for proportions
    with small expected number of positive counts estimated from survey data", Survey Methodology 24, 1998).
    """
    n, found = len(hits), int(hits.sum())
    counts = np.bincount(people, minlength=1)
    own = np.bincount(people, hits, minlength=len(counts))[counts > 0]
    counts = counts[counts > 0]
    p = found / n
    spread = float(((own - p * counts) ** 2).sum()) * len(counts) / max(len(counts) - 1, 1)
    effect = max(1.0, spread / (n * p * (1 - p))) if 0 < p < 1 else 1.0
    return Rate(found, n, most(found / effect, n / effect))


def most(hits: float, n: float) -> float:
    """The largest rate that leaves a chance of 5 % to at most so many hits of n (Clopper and Pearson, 1934).

    Neither need be whole: the bound is the quantile of the beta distribution (hits + 1, n - hits).
    """
    if hits >= n:
        return 1.0
    low, high = hits / n, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if _beta(middle, hits + 1, n - hits) > CONFIDENCE else (middle, high)
    return high


def _beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (DLMF 8.17.22, modified Lentz)."""
    if x >= 1:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta(1 - x, b, a)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    ) / a if x > 0 else 0.0
    c, d = 1.0, 1 / _away(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 400):
        for term in (m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
                     -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))):
            d, c = 1 / _away(1 + term * d), _away(1 + term / c)
            value *= c * d
        if abs(c * d - 1) < 1e-13:
            break
    return front * value


def _away(value: float) -> float:
    return value if abs(value) > 1e-300 else 1e-300
