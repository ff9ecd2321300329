"""How well face vectors tell people apart: verification and draws of people; searches are in `open_set.py`.

Pure functions of `vectors` (n, d), float32 unit rows, and `people` (n,), a number 0..p-1 for each row in order of first
appearance. Similarity is the cosine. A picture without a vector is a row of NaN and compares as -inf: it never finds
anybody, which counts as an error, and nobody is ever falsely found with it, which counts as nothing (in ISO/IEC 19795-1
terms: failures to acquire are false non-matches, never impostors).

Verification follows Labeled Faces in the Wild (Huang et al. 2007: threshold from nine folds, accuracy on the tenth);
false and true accept, FPIR and TPIR are those of ISO/IEC 19795-1. Ties count against the embedder.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from schemas.regions import Array

FOLDS = 10
NEVER = np.iinfo(np.intp).max
Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.intp]


def cosines(a: Array, b: Array) -> Array:
    """Similarities of every row of `a` (n, d) to every row of `b` (m, d), as (n, m); -inf where either is NaN."""
    alike = a @ b.T
    return np.asarray(np.where(np.isnan(alike), -np.inf, alike), np.float32)


def pair_cosines(vectors: Array, pairs: Ints) -> Array:
    """Similarities (k,) of pairs (k, 2) of row numbers; -inf where either row is NaN."""
    alike = (vectors[pairs[:, 0]] * vectors[pairs[:, 1]]).sum(1)
    return np.asarray(np.where(np.isnan(alike), -np.inf, alike), np.float32)


def cross_pairs(vectors: Array, people: Ints) -> tuple[Array, Array]:
    """Similarities of all pairs of rows: those of one person, and those of two, without rows of NaN in the latter."""
    genuine, impostor = [np.empty(0, np.float32)], [np.empty(0, np.float32)]
    for at in range(len(people) - 1):
        row = cosines(vectors[at : at + 1], vectors[at + 1 :])[0]
        own = people[at + 1 :] == people[at]
        genuine.append(row[own])
        impostor.append(row[~own & np.isfinite(row)])
    return np.concatenate(genuine), np.concatenate(impostor)


def fold_accuracies(alike: Array, same: Flags, folds: int = FOLDS) -> npt.NDArray[np.float64]:
    """Share of pairs told right in each fold (folds,), by the threshold that is best on all other folds.

    `alike` (k,) with the labels `same` (k,): at least `folds` of either kind. Folds are runs of the listing, of same
    and different pairs each: a listing by name keeps people all but apart. A pair at -inf is wrong whatever it is.
    """
    fold = np.empty(len(same), np.intp)
    for kind in (True, False):
        rows = np.flatnonzero(same == kind)
        fold[rows] = np.arange(len(rows)) * folds // max(len(rows), 1)
    right = []
    for tested in range(folds):
        own = fold == tested
        said = alike[own] >= best_threshold(alike[~own], same[~own])
        right.append(float(((said == same[own]) & np.isfinite(alike[own])).mean()))
    return np.array(right)


def best_threshold(alike: Array, same: Flags) -> float:
    """The threshold between two neighbouring similarities that tells most pairs right; the middle one of equals."""
    known = np.isfinite(alike)
    genuine, impostor = (np.sort(alike[known & kind].astype(np.float64)) for kind in (same, ~same))
    values = np.unique(np.concatenate([genuine, impostor]))
    if not len(values):
        return 0.0
    cuts = np.concatenate([values[:1] - 1, (values[1:] + values[:-1]) / 2, values[-1:] + 1])
    right = len(genuine) - np.searchsorted(genuine, cuts) + np.searchsorted(impostor, cuts)
    best = np.flatnonzero(right == right.max())
    return float(cuts[best[len(best) // 2]])


def equal_error_rate(genuine: Array, impostor: Array) -> float:
    """The error rate where false rejects are as frequent as false accepts: their mean where they are nearest.

    `genuine` at -inf is never accepted, `impostor` at -inf is left out; neither may be empty.
    """
    own, other = np.sort(genuine), np.sort(impostor[np.isfinite(impostor)])
    cuts = np.append(np.unique(np.concatenate([own[np.isfinite(own)], other])), np.inf)
    rejected = np.searchsorted(own, cuts) / len(own)
    accepted = 1 - np.searchsorted(other, cuts) / len(other)
    at = int(np.abs(rejected - accepted).argmin())
    return float(rejected[at] + accepted[at]) / 2


def threshold_for(negatives: Array, rate: float) -> float:
    """The similarity over which (not at which) at most this share of `negatives` (k,) lies; none may be missing."""
    allowed = int(rate * len(negatives))
    return float(np.partition(negatives, len(negatives) - 1 - allowed)[len(negatives) - 1 - allowed])


def draw_found(vectors: Array, gallery: Ints, probes: list[Ints]) -> bool:
    """Every one of k people comes first: `gallery` (k,) their rows in the gallery, `probes` the rows of each.

    A person counts with the best similarity of its probes to each of the gallery.
    """
    for at, rows in enumerate(probes):
        alike = cosines(vectors[rows], vectors[gallery]).max(0)
        if not (alike[at] > np.delete(alike, at)).all():
            return False
    return True


def draws(vectors: Array, people: Ints, size: int, count: int, seed: int) -> float:
    """Share of `count` seeded draws of `size` people with several pictures in which all come first.

    Of each person one picture, drawn too, is the gallery's; all others are probes (`draw_found`).
    """
    rows_of = {int(one): np.flatnonzero(people == one) for one in several(people)}
    rng, found = np.random.default_rng(seed), 0
    for _ in range(count):
        shuffled = [rng.permutation(rows_of[int(one)]) for one in rng.choice(list(rows_of), size, replace=False)]
        found += draw_found(vectors, np.array([rows[0] for rows in shuffled]), [rows[1:] for rows in shuffled])
    return found / count


def several(people: Ints) -> Ints:
    """The people with more than one picture."""
    return np.asarray(np.flatnonzero(np.bincount(people) > 1), np.intp)


def at_most(hits: int, count: int) -> float:
    """Upper end of Wilson's interval (Wilson 1927), one-sided at 95 %; takes the `count` trials as independent."""
    z, p = 1.645, hits / count
    spread = z * float(np.sqrt(p * (1 - p) / count + z * z / (4 * count * count)))
    return min(1.0, (p + z * z / (2 * count) + spread) / (1 + z * z / count))
