"""Persons by their photographs alone: what the border of `streams.authority.persons` was chosen on, without any video.

People are split by their names: borders are chosen on the photographs of one half, videos are made of the other's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from operators.embed import ALIKE, SAME, SURE
from operators.subjects import SubjectSighting, merge_subjects
from schemas.errors import UsageError
from streams.authority.faces import Faces
from streams.demo.cast import people_of
from streams.demo.pictures import Person
from streams.evaluate.clusters import b_cubed
from streams.evaluate.faces import folder_of
from streams.evaluate.report import Figure

EACH = 3


def kept_back(label: str) -> bool:
    """Of the half that nothing is chosen on: the SHA-256 of the name begins with an odd byte."""
    return hashlib.sha256(label.encode()).digest()[0] % 2 == 1


def evaluate(data: Path, faces: Faces, people: int, seed: int) -> list[Figure]:
    """B-cubed over three photographs each of so many people, merged as subjects of three videos are; at three borders.

    Raises:
        UsageError: nobody has three photographs.

    """
    known = [
        person for person in people_of(folder_of(data))
        if len(person.photographs) >= EACH and not kept_back(person.label)
    ]
    if not known:
        raise UsageError(f"{data} has nobody with {EACH} photographs to choose by")
    rng = np.random.default_rng(seed)
    drawn = [known[at] for at in rng.permutation(len(known))[:people]]
    sightings, whose = _sightings(drawn, faces, rng)
    return [figure for border in (SAME, ALIKE, SURE) for figure in _figures(sightings, whose, border, seed)]


def _sightings(
    people: Sequence[Person], faces: Faces, rng: np.random.Generator
) -> tuple[list[SubjectSighting], dict[str, str]]:
    """Photographs as subjects, each in a video of its own, and whose each is."""
    sightings: list[SubjectSighting] = []
    whose: dict[str, str] = {}
    for person in people:
        for video, at in enumerate(rng.permutation(len(person.photographs))[:EACH]):
            try:
                probe = faces.probe(person.photographs[at].path.read_bytes())
            except UsageError:
                continue
            name, frame = f"{person.label}/{at}", len(whose)
            sightings.append(SubjectSighting(name, str(video), ((frame, frame),), probe.embedding, 0))
            whose[name] = person.label
    return sightings, whose


def _figures(
    sightings: Sequence[SubjectSighting], whose: dict[str, str], border: float, seed: int
) -> list[Figure]:
    """Precision and recall; those of the border that is used have targets."""
    persons = merge_subjects(sightings, border)
    precision, recall = b_cubed([(person[0], whose[one]) for person in persons for one in person])
    note = f"seed {seed}; {len(set(whose.values()))} people, from {border:g} on"
    used = border == SAME
    mark = "" if used else f"_{border:g}"
    return [
        Figure(f"photographs_precision{mark}", precision, "", ">=", 0.98 if used else None, len(whose), note),
        Figure(f"photographs_recall{mark}", recall, "", ">=", 0.9 if used else None, len(whose), note),
    ]
