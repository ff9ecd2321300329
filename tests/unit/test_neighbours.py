from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

from operators import neighbours as module
from operators.claims import Sets, claimed_sets, kinds_of, track_kinds
from operators.cohere import WHOLE, Claim, Layout
from operators.neighbours import neighbours
from operators.pixels import BlockRect, bounds, rects_mask
from schemas.frames import VideoFormat
from schemas.regions import ObjectKind

FORMAT = VideoFormat(640, 320, Fraction(1, 25))
KINDS: tuple[ObjectKind, ...] = ("face", "plate", "frame")


def _still(frames: int, *places: tuple[int, int, int, int], kind: ObjectKind = "face") -> Layout:
    """Tracks 1, 2 ... that stay where they are."""
    return (tuple(Claim(i + 1, kind, BlockRect(*place)) for i, place in enumerate(places)),) * frames


def _random(seed: int, people: int, kinds: int) -> Layout:
    """Tracks that walk about, come and go."""
    random = np.random.default_rng(seed)
    rows, columns = FORMAT.blocks
    tops, lefts = random.integers(0, rows - 4, people), random.integers(0, columns - 4, people)
    frames = []
    for _ in range(12):
        lefts = (lefts + random.integers(-1, 2, people)).clip(0, columns - 4)
        frames.append(tuple(
            Claim(track + 1, KINDS[track % kinds], BlockRect(top, left, top + 2 + track % 3, left + 3))
            for track, (top, left) in enumerate(zip(tops.tolist(), lefts.tolist(), strict=True))
            if random.random() < 0.8
        ))  # fmt: skip
    return tuple(frames)


def _owners(layout: Layout, sets: Sets) -> Iterator[tuple[tuple[int, ...], frozenset[int]]]:
    """Of each block of each frame: the tracks of its set, and those that claim it."""
    for tracks, masks in sets.items():
        for index, mask in masks.items():
            stack = [(claim.track, rects_mask([claim.rect], FORMAT)) for claim in layout[index]]
            for place in np.argwhere(mask).tolist():
                yield tracks, frozenset(track for track, claimed in stack if claimed[tuple(place)])


def _canvas_blocks(sets: Sets) -> int:
    total = 0
    for masks in sets.values():
        rects = [rect for mask in masks.values() if (rect := bounds(mask))]
        total += len(rects) * max(r.bottom - r.top for r in rects) * max(r.right - r.left for r in rects)
    return total


@pytest.mark.parametrize(("people", "kinds"), [(1, 1), (4, 1), (9, 2), (20, 3), (70, 2)])
def test_neighbours_hold_each_painted_block_once_under_all_who_claim_it(people: int, kinds: int) -> None:
    layout = _random(people, people, kinds)
    sets = neighbours(layout, FORMAT)
    for index, claims in enumerate(layout):
        count = sum(masks[index].astype(int) for masks in sets.values() if index in masks)
        assert (count == rects_mask([claim.rect for claim in claims], FORMAT)).all()
    by_track, claimants = track_kinds(layout), dict[tuple[int, ...], set[int]]()
    for tracks, owners in _owners(layout, sets):
        assert kinds_of(owners, by_track) == kinds_of(tracks, by_track)
        claimants.setdefault(tracks, set()).update(owners)
    assert {tracks: set(tracks) for tracks in sets} == claimants


def test_neighbours_share_a_canvas_and_who_is_far_away_has_one_alone() -> None:
    layout = _still(10, (0, 0, 4, 4), (0, 5, 4, 9), (2, 2, 6, 7), (14, 34, 18, 38))
    assert set(neighbours(layout, FORMAT)) == {(1, 2, 3), (4,)}


def test_neighbours_in_a_crowd_are_fewer_than_sets_of_people_and_smaller_in_all() -> None:
    for seed in range(8):
        layout = _random(seed, 30, 1)
        apart, together = claimed_sets(layout, FORMAT), neighbours(layout, FORMAT)
        assert len(together) < len(apart) / 4
        assert _canvas_blocks(together) + 400 * len(together) < _canvas_blocks(apart) + 400 * len(apart)


def test_neighbours_of_other_kinds_stay_apart_and_so_does_what_is_nobodys() -> None:
    face, plate = Claim(1, "face", BlockRect(0, 0, 4, 4)), Claim(2, "plate", BlockRect(2, 2, 6, 6))
    zone = Claim(WHOLE, "frame", BlockRect(5, 5, 8, 8))
    assert set(neighbours(((face, plate, zone),) * 5, FORMAT)) == {(1,), (2,), (1, 2), (0,), (0, 2)}


def test_neighbours_together_fit_into_a_piece_even_uncompressed(monkeypatch: pytest.MonkeyPatch) -> None:
    layout = _still(10, (0, 0, 4, 4), (0, 4, 4, 8), (0, 8, 4, 12))
    assert set(neighbours(layout, FORMAT)) == {(1, 2, 3)}
    monkeypatch.setattr(module, "MAX_BLOCKS", 2 * 16 * 10)
    sets = neighbours(layout, FORMAT)
    assert sorted(map(len, sets)) == [1, 2]


def test_neighbours_of_nobody_are_none() -> None:
    assert neighbours(((), ()), FORMAT) == {} == neighbours((), FORMAT)
