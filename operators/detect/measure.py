"""How good a detector is on labelled pictures: matching, average precision, recall at a rate of false boxes.

A box is right when its IoU with a wanted face not yet found is at least 0.5, best score first. Boxes on labelled faces
that aren't wanted (too small, invalid) are neither right nor wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.regions import Array

IOU = 0.5
FALSE_PER_PICTURE = 0.1
Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Matched:
    """Boxes of one detector over all pictures, best first, those on faces that aren't wanted left out.

    `heights` are the heights of all wanted faces, `found` for each the score of the box on it (0 where there is none).
    """

    scores: Array
    right: Flags
    heights: Array
    found: Array
    pictures: int


def overlaps(a: Array, b: Array) -> Array:
    """IoU of every box of a with every box of b: (n, 4), (m, 4) -> (n, m)."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(2)
    areas = [(x[:, 2] - x[:, 0]) * (x[:, 3] - x[:, 1]) for x in (a, b)]
    return np.asarray(shared / np.maximum(areas[0][:, None] + areas[1][None] - shared, 1e-9), np.float32)


def match(found: Array, faces: Array, wanted: Flags) -> tuple[Indices, Indices]:
    """For boxes, best first: the face that each finds (-1: false), and the indices of the boxes that this is about."""
    taken, face_of, kept = np.zeros(len(faces), bool), [], []
    for index, row in enumerate(overlaps(found, faces)):
        free = np.where(wanted & ~taken, row, 0)
        if free.max(initial=0) >= IOU:
            taken[free.argmax()] = True
            face_of.append(int(free.argmax()))
        elif row[~wanted].max(initial=0) >= IOU:
            continue
        else:
            face_of.append(-1)
        kept.append(index)
    return np.array(face_of, np.intp), np.array(kept, np.intp)


def gather(pictures: Iterable[tuple[Array, Array, Array, Flags]]) -> Matched:
    """Match picture by picture: boxes (best first), their scores, labelled faces, and which of these are wanted."""
    scores, right, heights, found, count = [], [], [], [], 0
    for boxes, said, faces, wanted in pictures:
        face_of, kept = match(boxes, faces, wanted)
        best = np.zeros(len(faces), np.float32)
        best[face_of[face_of >= 0]] = said[kept][face_of >= 0]
        scores.append(said[kept])
        right.append(face_of >= 0)
        heights.append((faces[:, 3] - faces[:, 1])[wanted])
        found.append(best[wanted])
        count += 1
    order = np.argsort(-np.concatenate(scores), kind="stable")
    return Matched(
        np.concatenate(scores)[order], np.concatenate(right)[order], np.concatenate(heights), np.concatenate(found),
        count,
    )


def average_precision(matched: Matched) -> float:
    """Area under the envelope of precision over recall (Everingham et al., "The PASCAL VOC Challenge", 2015, 3.1)."""
    hits = np.cumsum(matched.right)
    recall = np.concatenate([[0], hits / max(len(matched.heights), 1)])
    precision = hits / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall) * envelope).sum())


def score_at(matched: Matched, per_picture: float = FALSE_PER_PICTURE) -> float:
    """The score above which at most that many boxes per picture are false."""
    false = matched.scores[~matched.right]
    allowed = int(per_picture * matched.pictures)
    return float(false[allowed]) if len(false) > allowed else 0.0


def recall_at(matched: Matched, score: float, low: float = 0, high: float | None = None) -> tuple[float, int]:
    """Share of the wanted faces of these heights found above a score, and how many faces there are."""
    chosen = (matched.heights >= low) & (matched.heights < (np.inf if high is None else high))
    return float((matched.found[chosen] > score).mean()) if chosen.any() else float("nan"), int(chosen.sum())
