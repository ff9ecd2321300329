"""Searches of a gallery as the service ranks them (`operators/likeness.py`): who comes first, and who is named wrongly.

Galleries hold one picture of each person; there are several, of each person's first, second, ... picture. Strangers are
searched in a gallery without their own person. What has to stand out is fitted on the searches of one half of the
people and judged on the other's, and the other way round: nothing is judged on what it was fitted on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from operators.embed import template
from operators.likeness import NEIGHBOURS, standings
from schemas.regions import Array
from streams.evaluate.recognition import NEVER, Flags, Ints, at_most
from streams.evaluate.report import Figure

GALLERIES = 3
LISTED = 12
"""So many of the nearest are put in order by what stands out; the others follow by cosine."""
MOST_FPIR = 0.01
TEMPLATE_PICTURES = 2
"""So many pictures make a template, at least."""


@dataclass(frozen=True, slots=True, eq=False)
class Searches:
    """What searches gave, each (n,): the best of the list stands out so far, it is the right person, and at which place
    the right person is, from 1; NEVER where it isn't in the gallery or has no vector. `whose`: who was searched.
    """

    best: Array
    right: Flags
    place: Ints
    whose: Ints

    def joined(self, *others: Searches) -> Searches:
        """These and others."""
        every = (self, *others)
        return Searches(
            np.concatenate([one.best for one in every]), np.concatenate([one.right for one in every]),
            np.concatenate([one.place for one in every]), np.concatenate([one.whose for one in every]),
        )

    def of(self, chosen: Flags) -> Searches:
        """Some of them."""
        return Searches(self.best[chosen], self.right[chosen], self.place[chosen], self.whose[chosen])


def search(probes: Array, whose: Ints, gallery: Array, people: Ints, *, strangers: bool = False) -> Searches:
    """Each probe (n, d) in a gallery (m, d) of these people (m,); `strangers`: in a gallery without their own person.

    Rows of NaN find nobody and aren't found.
    """
    known = np.isfinite(gallery).all(1)
    best, right = np.full(len(probes), -np.inf, np.float32), np.zeros(len(probes), bool)
    place = np.full(len(probes), NEVER, np.intp)
    for at in np.flatnonzero(np.isfinite(probes).all(1)):
        rows = np.flatnonzero(known & (people != whose[at]) if strangers else known)
        alike = gallery[rows] @ probes[at]
        nearest = rows[np.argsort(-alike, kind="stable")[:NEIGHBOURS]]
        if not len(nearest):
            continue
        owners = people[nearest]
        found = standings(probes[at], gallery[nearest], owners, LISTED)
        order = np.argsort(-found, kind="stable")
        best[at], right[at] = found[order[0]], owners[order[0]] == whose[at]
        own = np.flatnonzero(np.concatenate([owners[order], owners[len(order) :]]) == whose[at])
        place[at] = own[0] + 1 if len(own) else place[at]
    return Searches(best, right, place, np.asarray(whose, np.intp))


def turns(people: Ints, count: int = GALLERIES) -> Iterator[tuple[Ints, Ints]]:
    """Rows of each gallery, one of every person, and all others: the probes with a mate in it. First pictures first."""
    rows = [np.flatnonzero(people == one) for one in range(int(people.max()) + 1)]
    for turn in range(count):
        gallery = np.array([own[turn % len(own)] for own in rows], np.intp)
        yield gallery, np.setdiff1d(np.arange(len(people)), gallery)


def strangers(vectors: Array, people: Ints, gallery_vectors: Array | None = None, count: int = GALLERIES) -> Searches:
    """Every picture that has a vector in every gallery without its person; galleries of other vectors, if given."""
    galleries = vectors if gallery_vectors is None else gallery_vectors
    seen = np.isfinite(vectors).all(1)
    every = [
        search(vectors[seen], people[seen], galleries[rows], people[rows], strangers=True)
        for rows, _ in turns(people, count)
    ]
    return every[0].joined(*every[1:])


def mates(vectors: Array, people: Ints, count: int = GALLERIES) -> Searches:
    """Every picture that isn't in a gallery, in it."""
    every = [
        search(vectors[probes], people[probes], vectors[rows], people[rows]) for rows, probes in turns(people, count)
    ]
    return every[0].joined(*every[1:])


def needed(found: Searches, rate: float, pictures: int) -> float:
    """What the best has to stand out by so that strangers are named at most at this rate, at 95 %.

    Pictures that were searched in several galleries count once for the bound, which holds for a sample of so many
    `pictures`. Fewer pictures than the bound needs: more than any stranger stood out.
    """
    hits = next((one for one in range(pictures) if at_most(one + 1, pictures) > rate), pictures)
    ordered = np.sort(found.best)[::-1]
    allowed = hits * len(ordered) // max(pictures, 1)
    return float(np.nextafter(ordered[min(allowed, len(ordered) - 1)], np.float32(np.inf)))


def figures(vectors: Array, people: Ints) -> list[Figure]:
    """`rank1`, `rank5` (first gallery), `rank1_template`, and the open set: `fpir`, its bound, `tpir`."""
    rows, probes = next(turns(people))
    first = search(vectors[probes], people[probes], vectors[rows], people[rows])
    gallery = f"gallery of {len(rows)}"
    found = [
        Figure("rank1", float((first.place <= 1).mean()), "", ">=", 0.955, len(probes), gallery),
        Figure("rank5", float((first.place <= 5).mean()), "", ">=", 0.98, len(probes), gallery),
    ]
    return [*found, *templates(vectors, people), *open_set(vectors, people)]


def templates(vectors: Array, people: Ints) -> list[Figure]:
    """`rank1_template`: the mean of all pictures of a person but the gallery's, of people with enough of them."""
    rows, probes = next(turns(people))
    made, whose = pools(vectors, people, probes, TEMPLATE_PICTURES)
    if not len(whose):
        return []
    found = search(made, whose, vectors[rows], people[rows])
    note = f"gallery of {len(rows)}; a person's other pictures, {TEMPLATE_PICTURES} or more, as one template"
    return [Figure("rank1_template", float((found.place <= 1).mean()), "", ">=", 0.97, len(whose), note)]


def pools(vectors: Array, people: Ints, rows: Ints, least: int) -> tuple[Array, Ints]:
    """A template of each person's vectors among `rows`, at least so many, and whose they are."""
    made, whose = [np.empty((0, vectors.shape[1]), np.float32)], []
    for one in np.unique(people[rows]):
        own = vectors[rows[people[rows] == one]]
        own = own[np.isfinite(own).all(1)]
        if len(own) >= least:
            made.append(template(own)[None])
            whose.append(int(one))
    return np.concatenate(made), np.array(whose, np.intp)


def open_set(vectors: Array, people: Ints) -> list[Figure]:
    """`fpir` with its upper bound, and `tpir`, each half of the people judged by what the other needed."""
    outside, inside = strangers(vectors, people), mates(vectors, people)
    named = right = 0
    borders = []
    count, pictures = len(outside.best), len(outside.best) // GALLERIES
    for half in (0, 1):
        fit = outside.of(outside.whose % 2 != half)
        border = needed(fit, MOST_FPIR, pictures)
        judged, sought = outside.of(outside.whose % 2 == half), inside.of(inside.whose % 2 == half)
        named += int((judged.best >= border).sum())
        right += int((sought.right & (sought.best >= border)).sum())
        borders.append(border)
    note = f"{GALLERIES} galleries of {people.max() + 1} less the one searched; standing out {_list(borders)}"
    bound = at_most(named // GALLERIES, pictures)
    return [
        Figure("fpir", named / count, "", "<=", MOST_FPIR, count, f"{note}, each fitted on the other half of people"),
        Figure("fpir_upper", bound, "", "<=", MOST_FPIR, pictures, "upper bound at 95 %; a picture counts once"),
        Figure("tpir", right / len(inside.best), "", ">=", 0.80, len(inside.best), "own person first, and named"),
    ]


def _list(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.4f}" for value in values)
