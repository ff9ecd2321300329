"""Persons by their photographs alone: what the threshold of `streams.authority.persons` rests on, without any video."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from operators.embed import SAME
from operators.subjects import SubjectSighting, merge_subjects
from schemas.errors import UsageError
from streams.authority.faces import Faces
from streams.evaluate.clusters import b_cubed
from streams.evaluate.faces import folder_of, listed
from streams.evaluate.report import Figure

EACH = 3


def evaluate(data: Path, faces: Faces, people: int, seed: int) -> list[Figure]:
    """B-cubed over three photographs each of so many people, merged as subjects of three videos are.

    Raises:
        UsageError: nobody has three photographs.

    """
    found, rng = listed(folder_of(data)), np.random.default_rng(seed)
    known = [person for person in np.unique(found.people) if (found.people == person).sum() >= EACH]
    if not known:
        raise UsageError(f"{data} has nobody with {EACH} photographs")
    sightings, whose = [], {}
    for person in rng.permutation(known)[:people]:
        for video, at in enumerate(rng.permutation(np.flatnonzero(found.people == person))[:EACH]):
            try:
                probe = faces.probe(found.paths[at].read_bytes())
            except UsageError:
                continue
            sightings.append(SubjectSighting(str(at), str(video), ((int(person), int(person)),), probe.embedding, 0))
            whose[str(at)] = int(person)
    persons = merge_subjects(sightings, SAME)
    precision, recall = b_cubed([(person[0], whose[one]) for person in persons for one in person])
    note = f"seed {seed}; {len(set(whose.values()))} people, from {SAME:g} on"
    return [
        Figure("photographs_precision", precision, "", ">=", 0.98, len(whose), note),
        Figure("photographs_recall", recall, "", ">=", 0.9, len(whose), note),
    ]
