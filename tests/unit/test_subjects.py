"""Merging of tracks into subjects."""

from __future__ import annotations

import math

import numpy as np
import pytest

from operators.subjects import TrackSighting, connected, merge_spans, merge_tracks, spans_of, together
from schemas.errors import MalformedRecord


def at(degrees: float) -> np.ndarray:
    return np.array([math.cos(math.radians(degrees)), math.sin(math.radians(degrees))], np.float32)


def seen(track: int, degrees: float | None, *spans: tuple[int, int], quality: float = 0.5) -> TrackSighting:
    return TrackSighting(track, spans, None if degrees is None else at(degrees), quality)


# cos 20 deg = 0.940, cos 25 deg = 0.906: the threshold lies between
@pytest.mark.parametrize(
    ("sightings", "expected"),
    [
        ([], []),
        ([seen(3, None, (0, 9))], [(3,)]),
        ([seen(1, 0, (0, 9)), seen(2, 20, (10, 19))], [(1, 2)]),
        ([seen(1, 0, (0, 9)), seen(2, 25, (10, 19))], [(1,), (2,)]),
        ([seen(1, 0, (0, 10)), seen(2, 0, (10, 19))], [(1,), (2,)]),
        ([seen(1, 0, (0, 9)), seen(2, None, (10, 19))], [(1,), (2,)]),
        # a chain: 1~2 (15 deg), 2~3 (16 deg), but 1 and 3 aren't alike
        ([seen(1, 0, (0, 9)), seen(2, 15, (10, 19)), seen(3, 31, (20, 29))], [(1, 2), (3,)]),
        # 1 and 3 are in one frame, so 2 joins the one it is more like
        ([seen(1, 0, (0, 9)), seen(2, 12, (20, 29)), seen(3, 20, (5, 15))], [(1,), (2, 3)]),
        ([seen(9, 0, (20, 29)), seen(2, 0, (0, 9)), seen(5, 0, (10, 12), (14, 19))], [(2, 5, 9)]),
    ],
)
def test_merge_tracks(sightings: list[TrackSighting], expected: list[tuple[int, ...]]) -> None:
    assert [subject.tracks for subject in merge_tracks(sightings, 0.92)] == expected
    assert [subject.tracks for subject in merge_tracks(sightings[::-1], 0.92)] == expected


def crowd(seed: int) -> list[TrackSighting]:
    """Tracks that are alike in chains, some together, some without a look."""
    rng = np.random.default_rng(seed)
    degrees = rng.choice(rng.uniform(0, 300, 6), 40) + rng.normal(0, 9, 40)
    return [
        seen(track, None if rng.random() < 0.1 else float(degrees[track]), *[(start, start + int(rng.integers(1, 9)))])
        for track, start in enumerate(rng.integers(0, 300, 40).tolist())
    ]


def merged_slowly(sightings: list[TrackSighting], threshold: float) -> set[tuple[int, ...]]:
    """Complete linkage as it is defined: of all groups of which any two may be one, the most alike are joined."""
    groups = [[sighting] for sighting in sightings]

    def alike(a: TrackSighting, b: TrackSighting) -> float:
        if a.embedding is None or b.embedding is None or together(a.spans, b.spans):
            return -1
        return float(a.embedding @ b.embedding)

    while True:
        pairs = [(min(alike(a, b) for a in one for b in other), one, other)
                 for at, one in enumerate(groups) for other in groups[at + 1:]]
        best = max(pairs, key=lambda pair: pair[0])
        if best[0] < threshold:
            return {tuple(sorted(sighting.track for sighting in group)) for group in groups}
        groups = [group for group in groups if group is not best[2]]
        best[1].extend(best[2])


@pytest.mark.parametrize("seed", range(8))
def test_merge_tracks_of_a_crowd_as_complete_linkage_is_defined(seed: int) -> None:
    sightings = crowd(seed)
    found = {subject.tracks for subject in merge_tracks(sightings, 0.92)}
    assert found == merged_slowly(sightings, 0.92) and 5 < len(found) < 40


@pytest.mark.parametrize("seed", range(8))
def test_nobody_changes_who_is_not_connected_with_whom_has_changed(seed: int) -> None:
    sightings = crowd(seed)
    looks = {one.track: one.embedding for one in sightings if one.embedding is not None}
    some = connected(looks, {3, 5}, 0.92)
    alone = {subject.tracks for subject in merge_tracks([one for one in sightings if one.track in some], 0.92)}
    others = {subject.tracks for subject in merge_tracks([one for one in sightings if one.track not in some], 0.92)}
    assert {3, 5} <= some < {one.track for one in sightings}
    assert alone | others == {subject.tracks for subject in merge_tracks(sightings, 0.92)}


def test_merge_tracks_names_best_track_by_quality() -> None:
    (subject,) = merge_tracks([seen(4, 0, (0, 1), quality=0.2), seen(6, 1, (2, 3), quality=0.9)], 0.9)
    assert (subject.number, subject.best) == (4, 6)


def test_merge_tracks_named_twice_refuses() -> None:
    with pytest.raises(MalformedRecord):
        merge_tracks([seen(1, 0, (0, 1)), seen(1, 0, (2, 3))], 0.9)


def test_spans_join_what_touches() -> None:
    assert merge_spans([(5, 9), (0, 2), (3, 3), (8, 12), (20, 20)]) == ((0, 3), (5, 12), (20, 20))
    assert spans_of([7, 3, 4, 5, 9]) == ((3, 5), (7, 7), (9, 9))
    with pytest.raises(MalformedRecord):
        merge_spans([(2, 1)])


@pytest.mark.parametrize(("a", "b", "expected"), [
    (((0, 5),), ((5, 9),), True), (((0, 5),), ((6, 9),), False), ((), ((0, 9),), False),
    (((0, 1), (8, 9)), ((3, 4), (9, 9)), True), (((0, 1), (4, 5), (8, 9)), ((2, 3), (6, 7)), False),
])
def test_together(a: tuple[tuple[int, int], ...], b: tuple[tuple[int, int], ...], expected: bool) -> None:
    assert together(a, b) is expected
