"""The tables of `operators/face_rates.py`: measured on labelled photographs, at full size and scaled to small faces.

A picture is scaled until its face has the width, and read again as if it had come so; a face that isn't found any more
has no vector. The smaller face counts: small pictures are compared with whole ones and with one another, and of the two
the more cautious figure is taken. `pooled` is for looks averaged over several pictures on either side: templates
searched in pictures, pictures in templates, templates in templates.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from operators.face_rates import RATES
from schemas.errors import UsageError
from schemas.regions import Array
from streams.authority.faces import Probe
from streams.evaluate import open_set, recognition
from streams.evaluate.open_set import Searches
from streams.evaluate.recognition import Ints, at_most

WIDTHS = (30, 48, 96)
WHOLE = WIDTHS[-1]
COMPARISON = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5)
SEARCH = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005)
COSINES = tuple(round(0.86 + 0.005 * step, 3) for step in range(25))
SMALL, SMALL_RATE, SMALL_SEARCHES = (6, 25, 100, 400), 0.01, 12_000
Read = Callable[[bytes], Probe]
Tell = Callable[[str], None]


class Remembering:
    """A reader that reads each picture once; one that can't be read is tried again."""

    def __init__(self, read: Read) -> None:
        self._read, self._known = read, dict[bytes, Probe]()

    def __call__(self, picture: bytes) -> Probe:
        """As the reader said."""
        key = hashlib.sha256(picture).digest()
        if key not in self._known:
            self._known[key] = self._read(picture)
        return self._known[key]


def sized(read: Read, width: float) -> Read:
    """Reads a picture as if its face were so wide; one that is smaller already as it is."""

    def smaller(picture: bytes) -> Probe:
        seen = read(picture)
        if seen.width <= width:
            return seen
        decoded = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
        if decoded is None:
            raise UsageError("not a picture that can be read")
        scale = width / seen.width
        shrunk = cv2.resize(decoded, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        return read(cv2.imencode(".png", shrunk)[1].tobytes())

    return smaller


def measured(vectors: Mapping[int, Array], people: Ints, seed: int, tell: Tell) -> dict[str, Any]:
    """The tables of one embedder from the vectors (n, d) of the same pictures at each width."""
    tables: dict[str, Any] = {"comparison": {}, "accepted": {}, "search": {"single": {}, "pooled": {}}}
    whole = vectors[WHOLE]
    for width in WIDTHS:
        small = vectors[width]
        tell(f"comparing faces of {width} pixels")
        pairs = [_pairs(small, small, people)] + ([_pairs(small, whole, people)] if width != WHOLE else [])
        tables["comparison"][width] = _highest([_strange(strange) for _, strange in pairs])
        tables["accepted"][width] = [
            [at, round(min(float((own >= at).mean()) for own, _ in pairs), 4)] for at in COSINES
        ]
        tell(f"searching faces of {width} pixels")
        galleries = [small] if width == WHOLE else [small, whole]
        tables["search"]["single"][width] = _highest(
            [_needed(open_set.strangers(small, people, one)) for one in galleries]
        )
        tables["search"]["pooled"][width] = _highest([_needed(one) for one in _pooled(small, whole, people)])
    tell("searching few people")
    tables["small"] = _few(whole, people, seed)
    return tables


def keep(out: Path, embedder: str, tables: Mapping[str, Any], people: int, pictures: int) -> None:
    """Write the tables of this embedder into the file, beside those of others."""
    known: dict[str, Any] = json.loads((out if out.exists() else RATES).read_text()) if _any(out) else {"embedders": {}}
    known["embedders"][embedder] = {"people": people, "pictures": pictures, **tables}
    out.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


def _any(out: Path) -> bool:
    return out.exists() or RATES.exists()


def _pairs(one: Array, other: Array, people: Ints) -> tuple[Array, Array]:
    """Cosines of the same person's pictures (-inf where one has no vector), and of strangers' that have both."""
    alike = recognition.cosines(one, other)
    upper = np.triu(np.ones(alike.shape, bool), 1)
    same = people[:, None] == people[None]
    strange = alike[upper & ~same]
    return alike[upper & same], strange[np.isfinite(strange)]


def _strange(alike: Array) -> list[list[float]]:
    ordered = np.sort(alike)[::-1]
    return [[_over(ordered, rate), rate] for rate in COMPARISON if _hits(rate, len(ordered)) >= 0]


def _needed(found: Searches) -> list[list[float]]:
    """What has to stand out for each rate; searches of the same picture in several galleries count once."""
    pictures = max(1, len(found.best) // open_set.GALLERIES)
    return [[round(open_set.needed(found, rate, pictures), 5), rate] for rate in SEARCH]


def _highest(curves: Sequence[Sequence[Sequence[float]]]) -> list[list[float]]:
    """The most cautious of curves with the same rates."""
    return [[max(points[at][0] for points in curves), curves[0][at][1]] for at in range(len(curves[0]))]


def _over(ordered: Array, rate: float) -> float:
    return round(float(ordered[min(_hits(rate, len(ordered)) + 1, len(ordered) - 1)]) + 1e-5, 5)


def _hits(rate: float, count: int) -> int:
    """How many may be over, so that at most this rate is (upper bound at 95 %); -1: too few to say."""
    low, high = -1, count
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if at_most(max(middle, 0), count) <= rate else (low, middle - 1)
    return low


def _pooled(small: Array, whole: Array, people: Ints) -> list[Searches]:
    """Searches for strangers with a template on one side or both, once in every gallery."""
    rows = np.arange(len(people))
    several = np.isin(people, recognition.several(people))
    made, whose = open_set.pools(small, people, rows[several], open_set.TEMPLATE_PICTURES)
    even, of_even = open_set.pools(small, people, rows[several][::2], open_set.TEMPLATE_PICTURES)
    seen = np.isfinite(small).all(1)
    found = []
    for gallery in (small, whole):
        every = [
            open_set.search(made, whose, gallery[turn], people[turn], strangers=True)
            for turn, _ in open_set.turns(people)
        ]
        found.append(every[0].joined(*every[1:]))
    for probes in (small[seen], whole[seen]):
        one = open_set.search(probes, people[seen], made, whose, strangers=True)
        found.append(one.joined(one, one))
    both = open_set.search(made, whose, even, of_even, strangers=True)
    return [*found, both.joined(both, both)]


def _few(vectors: Array, people: Ints, seed: int) -> list[list[float]]:
    """How much more must stand out among so few people than among all, at one rate."""
    rng = np.random.default_rng(seed)
    gallery, _ = next(open_set.turns(people))
    gallery = gallery[np.isfinite(vectors[gallery]).all(1)]
    among_all = float(np.quantile(open_set.strangers(vectors, people, count=1).best, 1 - SMALL_RATE))
    found: list[list[float]] = []
    for size in (size for size in SMALL if size < len(gallery) / 2):
        best: list[float] = []
        while len(best) < SMALL_SEARCHES:
            drawn = rng.choice(gallery, size, replace=False)
            others = rng.choice(np.flatnonzero(~np.isin(people, people[drawn])), 300, replace=False)
            searched = open_set.search(vectors[others], people[others], vectors[drawn], people[drawn])
            best += searched.best[np.isfinite(searched.best)].tolist()
        more = max(0.0, float(np.quantile(best, 1 - SMALL_RATE)) - among_all)
        found.append([size, round(more, 5)])
    most = 0.0
    for entry in reversed(found):
        most = entry[1] = max(most, entry[1])
    return [*found, [len(gallery), 0.0]]
