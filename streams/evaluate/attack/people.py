"""Whose faces the attacks look for: labelled photographs, and galleries that share nobody with the attacker's training.

Everybody with several photographs is searched, in galleries of equal size. An attacker of one gallery learns from the
photographs of all who aren't in it. Each person's gallery photograph changes from round to round; all others of that
person are searched in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from operators.detect import FaceDetector
from operators.detect.picture import shrunk
from operators.embed import FaceEmbedder, align
from schemas.errors import UsageError
from schemas.regions import Array, Detections
from streams.evaluate.faces import folder_of, listed
from streams.evaluate.recognition import Ints, several

Rgb = npt.NDArray[np.uint8]
Step = Callable[[int, int], None]
SIDE = 640
LEAST_TRAINED = 20
"""People an attacker must be able to learn from."""


@dataclass(frozen=True, slots=True, eq=False)
class Album:
    """Photographs with one face each: `people` (n,) whose, `boxes` (n, 4) as the worker's detector draws them.

    `landmarks` (n, 5, 2) and `vectors` (n, 128) are the default embedder's, of the bare face.
    """

    paths: tuple[Path, ...]
    people: Ints
    boxes: Array
    landmarks: Array
    vectors: Array

    def picture(self, row: int) -> Rgb:
        """The photograph, RGB (h, w, 3); raises UsageError where it can't be read."""
        return _picture(self.paths[row])


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """One round: photographs of the gallery (g,), one a person, those searched (k,), and their places in it (k,)."""

    gallery: Ints
    probes: Ints
    own: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Photographs (m,) that an attacker may learn from, and searches among people that it never saw."""

    training: Ints
    searches: tuple[Search, ...]


def read(data: Path, finds: FaceDetector, reads: FaceDetector, embedder: FaceEmbedder, step: Step) -> Album:
    """The photographs in which both detectors find the main face, of people with several; errors as `faces.listed`."""
    pictures = listed(folder_of(data))
    kept, boxes, landmarks, vectors = [], [], [], []
    wanted = np.isin(pictures.people, several(pictures.people))
    for row, path in enumerate(pictures.paths):
        step(row + 1, len(pictures.paths))
        if not wanted[row]:
            continue
        rgb = _picture(path)
        drawn, seen = _main(rgb, finds), _main(rgb, reads)
        if drawn and seen:
            kept.append(row)
            boxes.append(drawn[0])
            landmarks.append(seen[1])
            vectors.append(embedder.embed(align(rgb, seen[1])[None])[0])
    if not kept:
        raise UsageError(f"{data}: no face is found in any of {len(pictures.paths)} pictures")
    return Album(
        tuple(pictures.paths[row] for row in kept), np.unique(pictures.people[kept], return_inverse=True)[1],
        np.stack(boxes), np.stack(landmarks), np.stack(vectors),
    )


def folds(people: Ints, size: int, rounds: int, seed: int) -> tuple[Fold, ...]:
    """Galleries of `size` people until each person with several photographs was searched in one of them.

    The last gallery is filled up with people of the first ones, who aren't searched again.

    Raises:
        UsageError: too few people for one gallery and somebody to learn from.

    """
    order = np.random.default_rng(seed).permutation(several(people))
    if len(order) < size + LEAST_TRAINED:
        raise UsageError(f"{len(order)} people have several photographs; {size + LEAST_TRAINED} are needed")
    out = []
    for start in range(0, len(order), size):
        new = order[start : start + size]
        members = np.concatenate([new, order[: size - len(new)]])
        rows = [np.flatnonzero(people == one) for one in members]
        turns = range(min(rounds, max(len(mine) for mine in rows[: len(new)])))
        searches = tuple(_search(rows, len(new), turn) for turn in turns)
        out.append(Fold(np.flatnonzero(~np.isin(people, members)), searches))
    return tuple(out)


def _search(rows: Sequence[Ints], searched: int, turn: int) -> Search:
    gallery = np.array([mine[turn % len(mine)] for mine in rows], np.intp)
    others = [np.delete(mine, turn % len(mine)) for mine in rows[:searched] if turn < len(mine)]
    own = [place for place, mine in enumerate(rows[:searched]) if turn < len(mine)]
    places = np.concatenate([np.full(len(mine), place) for place, mine in zip(own, others, strict=True)])
    return Search(gallery, np.concatenate(others), places.astype(np.intp))


def _picture(path: Path) -> Rgb:
    decoded = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if decoded is None:
        raise UsageError(f"{path} isn't a picture that can be read")
    return np.ascontiguousarray(decoded[:, :, ::-1], np.uint8)


def _main(rgb: Rgb, finds: FaceDetector) -> tuple[Array, Array] | None:
    """Box and landmarks of the face that is largest and nearest to the middle; None without a face."""
    small, scale = shrunk(rgb, SIDE)
    found: Detections = finds.detect(small)
    if not len(found.boxes):
        return None
    middle = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2 / (small.shape[1], small.shape[0]) - 0.5
    size = (found.boxes[:, 2:] - found.boxes[:, :2]).prod(1)
    best = int((size / (1 + 8 * (middle**2).sum(1))).argmax())
    return found.boxes[best] / np.float32(scale), found.landmarks[best] / np.float32(scale)
