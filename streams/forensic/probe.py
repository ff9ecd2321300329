"""What is searched: the face of a picture, of several pictures of one person, or a subject's own looks.

Which face of a picture is meant is never guessed where two could be: the answer then lists them, with boxes, and one is
chosen by its number from the left. Several pictures become one template only if each is like the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from operators.embed import ALIKE, template
from schemas.errors import SeveralFaces, UsageError
from schemas.regions import Array
from streams.authority.faces import Faces, Probe
from streams.authority.looks import vector
from streams.authority.templates import Templates
from streams.forensic.nearest import Sought
from streams.forensic.search import Shown

MAX_PICTURES = 20
MEANT = 0.5
"""Of two faces so alike in size and place none is meant more than the other: the lesser's weight over the greater's."""


@dataclass(frozen=True, slots=True, eq=False)
class Probes:
    """What is searched, and what the pictures show; a subject is sought by each of its looks."""

    sought: tuple[Sought, ...] = field(repr=False)
    shown: tuple[Shown, ...] = ()

    @property
    def width(self) -> float:
        """Of the smallest face that is searched, in pixels."""
        return min(one.width for one in self.sought)


def of_pictures(faces: Faces, pictures: Sequence[bytes], face: int | None = None) -> Probes:
    """One face of each picture, as one template; `face`: its number from the left, in a single picture.

    Raises:
        UsageError: no picture or too many, one that can't be read or shows no such face, or pictures of two people.
        SeveralFaces: two faces may be meant.

    """
    if not 1 <= len(pictures) <= MAX_PICTURES:
        raise UsageError(f"search with 1 to {MAX_PICTURES} pictures of one person")
    if face is not None and len(pictures) > 1:
        raise UsageError("a face is chosen in a single picture: crop the others to one face")
    read = [_one(faces, picture, face, number + 1) for number, picture in enumerate(pictures)]
    probes = [probe for probe, _ in read]
    vectors = np.stack([probe.embedding for probe in probes])
    _one_person(vectors)
    sought = Sought(template(vectors), min(probe.width for probe in probes))
    return Probes((sought,), tuple(shown for _, shown in read))


def of_subject(db: Any, subject_id: str, embedder: str, templates: Templates) -> Probes:
    """The looks of a subject of the index.

    Raises:
        UsageError: nothing is indexed of it.

    """
    rows = db.execute(
        "SELECT embedding::text, coalesce(width, 0), template_key FROM subject_features"
        " WHERE subject_id = %s AND embedder = %s ORDER BY quality DESC, track, look", (subject_id, embedder),
    ).fetchall()
    sought = [
        Sought(templates.plain(found, key), width, subject_id) for text, width, key in rows
        if (found := vector(text)) is not None
    ]
    if not sought:
        raise UsageError(f"no face of subject {subject_id} is indexed: search with a picture")
    return Probes(tuple(sought))


def _one(faces: Faces, picture: bytes, face: int | None, number: int) -> tuple[Probe, Shown]:
    _, found = faces.found(picture)
    boxes = tuple(tuple(round(side) for side in one.box) for one in found)
    ordered = sorted((one.weight for one in found), reverse=True)
    if face is None and len(found) > 1 and ordered[1] >= MEANT * ordered[0]:
        raise SeveralFaces(
            f"picture {number} shows {len(found)} faces, and more than one may be meant: choose one by its number"
            " from the left", boxes,
        )
    probe = faces.probe(picture, face)
    chosen = face or 1 + max(range(len(found)), key=lambda at: found[at].weight)
    return probe, Shown(boxes, chosen)


def _one_person(vectors: Array) -> None:
    """Raise UsageError where a picture is unlike the others together."""
    for at in range(len(vectors) if len(vectors) > 1 else 0):
        others = template(np.delete(vectors, at, 0))
        if float(vectors[at] @ others) < ALIKE:
            raise UsageError(f"picture {at + 1} is not like the others: search each person apart")
