"""Merge the tracks of a recording into subjects, by looks, widened by track id; and subjects of several into persons.

Precision before recall: two of them become one only if all their members are alike (complete linkage on the
cosine of unit vectors) and no two members are seen in one frame, for nobody is at two places at once. Pure; no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.errors import MalformedRecord

Vector = npt.NDArray[np.float32]
_NEVER = np.float32(-np.inf)


@dataclass(frozen=True, slots=True, eq=False)
class TrackSighting:
    """One track: frame ranges (first, last; both inclusive), embedding (unit vector) if it has one, quality 0..1."""

    track: int
    spans: tuple[tuple[int, int], ...]
    embedding: Vector | None = None
    quality: float = 0.0


@dataclass(frozen=True, slots=True)
class Subject:
    """Tracks that are one person; `best` is the track of highest quality. `number` is the smallest of the tracks."""

    number: int
    tracks: tuple[int, ...]
    best: int


def merge_spans(spans: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Sorted ranges, touching and overlapping ones joined.

    Raises:
        MalformedRecord: a range that ends before it starts.

    """
    joined: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if last < first:
            raise MalformedRecord(f"frames {first} to {last} are no range")
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return tuple(joined)


def spans_of(frames: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Frame numbers as ranges."""
    return merge_spans([(frame, frame) for frame in frames])


def together(a: Sequence[tuple[int, int]], b: Sequence[tuple[int, int]]) -> bool:
    """Some frame is in both; each as `merge_spans` gives it: in order, none touching the next."""
    i = j = 0
    while i < len(a) and j < len(b):
        if a[i][0] <= b[j][1] and b[j][0] <= a[i][1]:
            return True
        i, j = (i + 1, j) if a[i][1] < b[j][1] else (i, j + 1)
    return False


def merge_tracks(sightings: Sequence[TrackSighting], threshold: float) -> tuple[Subject, ...]:
    """Subjects of one recording; a track without an embedding is a subject of its own.

    `threshold`: lowest cosine at which two tracks may be one person. Pairs are tried from the most alike down, so the
    result doesn't depend on the order of `sightings`.

    Raises:
        MalformedRecord: a track is named twice.

    """
    ordered = sorted(sightings, key=lambda sighting: sighting.track)
    if len({sighting.track for sighting in ordered}) != len(ordered):
        raise MalformedRecord("a track is named twice")
    linkage = _linkage(
        [sighting.embedding for sighting in ordered], threshold,
        lambda a, b: together(ordered[a].spans, ordered[b].spans),
    )
    subjects = (_subject([ordered[i] for i in group]) for group in _groups(linkage))
    return tuple(sorted(subjects, key=lambda subject: subject.number))


@dataclass(frozen=True, slots=True, eq=False)
class SubjectSighting:
    """A subject of one video of a camera: frame ranges in it, unit vector, when it was first seen (ms)."""

    subject_id: str
    video_id: str
    spans: tuple[tuple[int, int], ...]
    embedding: Vector
    from_ms: int


def merge_subjects(sightings: Sequence[SubjectSighting], threshold: float) -> tuple[tuple[str, ...], ...]:
    """Persons across the videos of one camera, each as the names of its subjects, the first seen first.

    As `merge_tracks`: every two of a person are at least as alike as `threshold`, and never in one frame of a video.
    """
    ordered = sorted(sightings, key=lambda sighting: (sighting.from_ms, sighting.subject_id))

    def apart(a: int, b: int) -> bool:
        one, other = ordered[a], ordered[b]
        return one.video_id == other.video_id and together(one.spans, other.spans)

    groups = _groups(_linkage([sighting.embedding for sighting in ordered], threshold, apart))
    return tuple(tuple(ordered[i].subject_id for i in sorted(group)) for group in sorted(groups, key=min))


def _groups(linkage: Vector) -> list[list[int]]:
    """Complete linkage: the most alike first, for as long as any two may be one."""
    groups = {index: [index] for index in range(len(linkage))}
    while linkage.size:
        one, two = sorted(int(i) for i in np.unravel_index(int(linkage.argmax()), linkage.shape))
        if linkage[one, two] == _NEVER:
            break
        groups[one] += groups.pop(two)
        linkage[one] = linkage[:, one] = np.minimum(linkage[one], linkage[two])
        linkage[two] = linkage[:, two] = linkage[one, one] = _NEVER
    return list(groups.values())


def _linkage(
    embeddings: Sequence[Vector | None], threshold: float, apart: Callable[[int, int], bool]
) -> Vector:
    """Cosine of every two that may be one person, else `_NEVER`; `apart` says of two that they can't be."""
    linkage = np.full((len(embeddings), len(embeddings)), _NEVER, np.float32)
    features = {i: embedding for i, embedding in enumerate(embeddings) if embedding is not None}
    if not features:
        return linkage
    known, vectors = list(features), np.stack(list(features.values()))
    for a, b in np.argwhere(np.triu(vectors @ vectors.T >= threshold, 1)):
        i, j = known[a], known[b]
        if not apart(i, j):
            linkage[i, j] = linkage[j, i] = float(vectors[a] @ vectors[b])
    return linkage


def _subject(members: Sequence[TrackSighting]) -> Subject:
    best = max(members, key=lambda sighting: (sighting.embedding is not None, sighting.quality, -sighting.track))
    return Subject(min(m.track for m in members), tuple(sorted(m.track for m in members)), best.track)
