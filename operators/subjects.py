"""Merge the tracks of a recording into subjects, by looks, widened by track id; and subjects of several into persons.

Precision before recall: two of them become one only if all their members are alike (complete linkage on the
cosine of unit vectors) and no two members are seen in one frame, for nobody is at two places at once. Pure; no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.errors import MalformedRecord

Vector = npt.NDArray[np.float32]
Links = list[dict[int, float]]
"""Of each member, by number, those that may be one with it, and how alike they are: the cosine."""
_NEVER = np.float32(-np.inf)
_SLACK = 1e-5
"""Products of matrices of other sizes differ in their last digits."""
_ROWS = 512
"""So many members are compared with all at a time: of thousands the whole matrix would take hundreds of MiB."""


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
    links = _links(
        [sighting.embedding for sighting in ordered], threshold,
        lambda a, b: together(ordered[a].spans, ordered[b].spans),
    )
    subjects = (_subject([ordered[i] for i in group]) for group in _groups(links))
    return tuple(sorted(subjects, key=lambda subject: subject.number))


def connected(vectors: Mapping[int, Vector], some: AbstractSet[int], threshold: float) -> frozenset[int]:
    """These tracks, and all that may be one with them, or by way of others: nobody else's subject changes with theirs.

    `vectors`: a unit vector of every track of the recording that has one.
    """
    names = np.array(list(vectors), np.int64)
    matrix = np.array(list(vectors.values()), np.float32)
    left = ~np.isin(names, list(some))
    edge = np.flatnonzero(~left)
    while edge.size:
        near = left & (matrix @ matrix[edge].T >= threshold - _SLACK).any(1)
        edge, left = np.flatnonzero(near), left & ~near
    return frozenset(some) | frozenset(names[~left].tolist())


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

    groups = _groups(_links([sighting.embedding for sighting in ordered], threshold, apart))
    return tuple(tuple(ordered[i].subject_id for i in sorted(group)) for group in sorted(groups, key=min))


def _groups(links: Links) -> list[list[int]]:
    """Complete linkage: the most alike first, for as long as any two may be one."""
    return [group for members in _components(links) for group in _complete(members, links)]


def _components(links: Links) -> list[list[int]]:
    """Members that may be one, or by way of others; nobody else can become one."""
    found, seen = [], [False] * len(links)
    for start in range(len(links)):
        if seen[start]:
            continue
        seen[start], members = True, [start]
        for member in members:  # grows meanwhile
            fresh = [other for other in links[member] if not seen[other]]
            members += fresh
            for other in fresh:
                seen[other] = True
        found.append(sorted(members))
    return found


def _complete(members: Sequence[int], links: Links) -> list[list[int]]:
    """The groups of one component. What is nearest to each is kept, so a merger looks at a few rows, not at all."""
    place = {member: at for at, member in enumerate(members)}
    alike = np.full((len(members), len(members)), _NEVER, np.float32)
    for member in members:
        for other, cosine in links[member].items():
            alike[place[member], place[other]] = cosine
    groups, nearest = {at: [member] for at, member in enumerate(members)}, alike.max(1)
    while nearest.max() > _NEVER:
        one = int(nearest.argmax())
        one, two = sorted((one, int(alike[one].argmax())))
        groups[one] += groups.pop(two)
        stale = np.flatnonzero(((alike[:, one] == nearest) | (alike[:, two] == nearest)) & (nearest > _NEVER))
        alike[one] = alike[:, one] = np.minimum(alike[one], alike[two])
        alike[two] = alike[:, two] = alike[one, one] = _NEVER
        nearest[stale] = alike[stale].max(1)
    return list(groups.values())


def _links(embeddings: Sequence[Vector | None], threshold: float, apart: Callable[[int, int], bool]) -> Links:
    """Who may be one person with whom; `apart` says of two that they can't be."""
    links: Links = [{} for _ in embeddings]
    known = [i for i, embedding in enumerate(embeddings) if embedding is not None]
    vectors = np.array([embeddings[i] for i in known], np.float32)
    for first in range(0, len(known), _ROWS):
        alike = vectors[first : first + _ROWS] @ vectors.T
        for row, b in np.argwhere(np.triu(alike >= threshold, first + 1)):
            i, j = known[first + row], known[b]
            if not apart(i, j):
                links[i][j] = links[j][i] = float(alike[row, b])
    return links


def _subject(members: Sequence[TrackSighting]) -> Subject:
    best = max(members, key=lambda sighting: (sighting.embedding is not None, sighting.quality, -sighting.track))
    return Subject(min(m.track for m in members), tuple(sorted(m.track for m in members)), best.track)
