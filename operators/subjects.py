"""Merge the tracks of a recording into subjects: first by looks, then widened by track id.

Precision before recall: two tracks become one subject only if all their members are alike (complete linkage on the
cosine of unit vectors) and no two members are seen in one frame, for nobody is at two places at once. Pure; no I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.errors import MalformedRecord

Vector = npt.NDArray[np.float32]


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
    """Some frame is in both."""
    return any(first <= other_last and other_first <= last for first, last in a for other_first, other_last in b)


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
    groups: list[list[int]] = [[index] for index in range(len(ordered))]
    likeness, may = _pairs(ordered, threshold)
    while True:
        pair = _closest(groups, likeness, may)
        if pair is None:
            break
        one, two = pair
        groups[one] += groups.pop(two)
    return tuple(sorted((_subject([ordered[i] for i in group]) for group in groups), key=lambda s: s.number))


def _pairs(
    sightings: Sequence[TrackSighting], threshold: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Cosine of every two tracks, and whether they may be one person."""
    count = len(sightings)
    likeness, may = np.full((count, count), -1, np.float32), np.zeros((count, count), bool)
    for i, a in enumerate(sightings):
        for j, b in enumerate(sightings[:i]):
            if a.embedding is None or b.embedding is None or together(a.spans, b.spans):
                continue
            likeness[i, j] = likeness[j, i] = float(np.dot(a.embedding, b.embedding))
            may[i, j] = may[j, i] = likeness[i, j] >= threshold
    return likeness, may


def _closest(
    groups: Sequence[Sequence[int]], likeness: npt.NDArray[np.float32], may: npt.NDArray[np.bool_]
) -> tuple[int, int] | None:
    """The two groups whose least alike members are the most alike, if all of them may be one person."""
    best, found = -2.0, None
    for one in range(len(groups)):
        for two in range(one + 1, len(groups)):
            cross = np.ix_(groups[one], groups[two])
            if may[cross].all() and float(likeness[cross].min()) > best:
                best, found = float(likeness[cross].min()), (one, two)
    return found


def _subject(members: Sequence[TrackSighting]) -> Subject:
    best = max(members, key=lambda sighting: (sighting.embedding is not None, sighting.quality, -sighting.track))
    return Subject(min(m.track for m in members), tuple(sorted(m.track for m in members)), best.track)
