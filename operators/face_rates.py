"""What a likeness of two faces stands for: how often it comes between strangers, by the size of the smaller face.

The tables are measured (`sealframe eval faces --calibration FILE`), each rate an upper bound at 95 %, and never
extrapolated: what is rarer than the rarest measured is given as that. Of one comparison a cosine speaks, of a
whole search what stands out (`operators/likeness.py`), with a table of its own for pictures and for pools of several.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from pathlib import Path
from typing import Any, Literal

from schemas.errors import ConfigError

RATES = Path(__file__).with_name("weights") / "face-rates.json"
NAMED = 0.01
"""A search that names somebody is wrong about strangers at most so often: what is likelier is a lead, no match."""

Kind = Literal["single", "pooled"]
Curve = tuple[tuple[float, float], ...]
"""(likeness, rate), likeness rising, rates falling or equal."""


@dataclass(frozen=True, slots=True)
class Rates:
    """The tables of one embedder, by the width of the smaller face in pixels.

    `comparison`: strangers at a cosine; `accepted`: share of the same person's pictures that reach it; `search`:
    searches for strangers in which somebody stands out so far; `small`: (subjects, what more has to stand out) for
    indexes of fewer people than the tables were measured with.
    """

    comparison: Mapping[int, Curve]
    accepted: Mapping[int, Curve]
    search: Mapping[Kind, Mapping[int, Curve]]
    small: Curve

    def of_comparison(self, cosine: float, width: float) -> float:
        """How often two strangers' faces are at least so alike."""
        return _rate(self.comparison[_class(self.comparison, width)], cosine)

    def of_search(self, standing: float, subjects: int, width: float, kind: Kind) -> float:
        """How often a search among so many subjects, without the person, shows somebody who stands out so far."""
        curves = self.search[kind]
        return _rate(curves[_class(curves, width)], standing - self._more(subjects))

    def needed(self, rate: float, subjects: int, width: float, kind: Kind) -> float:
        """What has to stand out so that a search is wrong about strangers at most so often."""
        curves = self.search[kind]
        for standing, reached in curves[_class(curves, width)]:
            if reached <= rate:
                return standing + self._more(subjects)
        return float("inf")

    def share_accepted(self, cosine: float, width: float) -> float:
        """How many of the same person's pictures are at least so alike."""
        return _rate(self.accepted[_class(self.accepted, width)], cosine)

    def _more(self, subjects: int) -> float:
        """Between measured sizes in proportion to the logarithm; of the smallest for smaller ones."""
        below = [entry for entry in self.small if entry[0] <= subjects]
        above = [entry for entry in self.small if entry[0] > subjects]
        if not below or not above:
            return (below[-1] if below else above[0])[1]
        (n0, m0), (n1, m1) = below[-1], above[0]
        return m0 + (m1 - m0) * log(max(subjects, 1) / n0) / log(n1 / n0)


def load(data: bytes, embedder: str) -> Rates:
    """The tables of an embedder out of the file of all.

    Raises:
        ConfigError: the embedder isn't in it, or the file isn't one of rates.

    """
    try:
        tables = json.loads(data)["embedders"]
        if embedder not in tables:
            raise ConfigError(f"no rates were measured for {embedder}: sealframe eval faces --calibration FILE")
        found = tables[embedder]
        return Rates(
            _curves(found["comparison"]), _curves(found["accepted"]),
            {"single": _curves(found["search"]["single"]), "pooled": _curves(found["search"]["pooled"])},
            _curve(found["small"]),
        )
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ConfigError("the file of face rates can't be read; install this release again") from error


def _curves(table: Mapping[str, Sequence[Sequence[float]]]) -> dict[int, Curve]:
    return {int(width): _curve(curve) for width, curve in table.items()}


def _curve(points: Sequence[Sequence[Any]]) -> Curve:
    read = tuple((float(at), float(rate)) for at, rate in points)
    if not read or sorted(read) != list(read):
        raise ValueError("a curve is empty, or its points don't rise")
    return read


def _class(curves: Mapping[int, object], width: float) -> int:
    """The largest measured width that a face reaches; of smaller ones the smallest."""
    return max((one for one in curves if one <= width), default=min(curves))


def _rate(curve: Curve, at: float) -> float:
    """Between points in proportion to the logarithm of the rate; 1 before the first, the last one's after it."""
    if at < curve[0][0]:
        return 1.0
    for (x0, y0), (x1, y1) in zip(curve, curve[1:], strict=False):
        if at < x1:
            if min(y0, y1) <= 0:
                return y0
            return exp(log(y0) + (log(y1) - log(y0)) * (at - x0) / (x1 - x0))
    return curve[-1][1]
