from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from operators.claims import FEW_BLOCKS, Sets, claimed_sets
from operators.cohere import Claim, Layout
from operators.pixels import BlockRect, rects_mask
from schemas.frames import VideoFormat
from schemas.regions import ObjectKind

FORMAT = VideoFormat(320, 160, Fraction(1, 25))


def _frame(*claims: tuple[int, tuple[int, int, int, int]], kind: ObjectKind = "face") -> tuple[Claim, ...]:
    return tuple(Claim(track, kind, BlockRect(*rect)) for track, rect in claims)


def _blocks(sets: Sets) -> dict[tuple[int, ...], int]:
    return {tracks: sum(int(mask.sum()) for mask in masks.values()) for tracks, masks in sets.items()}


def _check_each_block_is_in_one_set(layout: Layout, sets: Sets) -> None:
    for index, claims in enumerate(layout):
        count = sum(masks[index].astype(int) for masks in sets.values() if index in masks)
        assert (count == rects_mask([claim.rect for claim in claims], FORMAT)).all()


CROSSING = _frame((1, (0, 0, 6, 6)), (2, (4, 4, 10, 10)), (3, (5, 5, 10, 12)))
"""1 and 2 share blocks, 2 and 3 do, and one block is claimed by all."""


def test_claimed_sets_of_a_few_blocks_go_with_the_smallest_larger_one_and_who_is_alone_stays_alone() -> None:
    layout = (CROSSING,)
    sets = claimed_sets(layout, FORMAT)
    assert _blocks(sets) == {(1,): 32, (2,): 8, (3,): 10, (2, 3): 24, (1, 2, 3): 4}
    _check_each_block_is_in_one_set(layout, sets)


def test_claimed_sets_of_many_blocks_stay_beside_larger_ones() -> None:
    pair = _frame((1, (0, 0, 6, 6)), (2, (4, 4, 10, 10)))
    many = (*(pair,) * 5, _frame((1, (0, 0, 9, 9)), (2, (1, 1, 10, 10))), CROSSING)
    sets = claimed_sets(many, FORMAT)
    assert _blocks(sets)[1, 2] == 5 * 4 + 64 + 3 > FEW_BLOCKS * len(many)
    assert _blocks(sets)[1, 2, 3] == 1 + 24
    assert set(sets) == {(1,), (2,), (3,), (1, 2), (1, 2, 3)}
    _check_each_block_is_in_one_set(many, sets)


def test_claimed_sets_go_from_frame_to_frame_into_a_set_of_another_frame() -> None:
    layout = (_frame((1, (0, 0, 6, 6)), (2, (4, 4, 10, 10))), CROSSING)
    sets = claimed_sets(layout, FORMAT)
    assert (1, 2) not in sets and set(sets[1, 2, 3]) == {0, 1}
    _check_each_block_is_in_one_set(layout, sets)


def test_claimed_sets_of_other_kinds_are_never_taken_in() -> None:
    plate = Claim(3, "plate", BlockRect(5, 5, 10, 12))
    layout = ((*CROSSING[:2], plate),)
    assert set(claimed_sets(layout, FORMAT)) == {(1,), (2,), (3,), (1, 2), (2, 3), (1, 2, 3)}


@pytest.mark.parametrize("people", [2, 63, 64, 65, 130])
def test_claimed_sets_of_any_number_of_people_hold_each_block_once(people: int) -> None:
    random = np.random.default_rng(people)
    corners = random.integers(0, (8, 16), (people, 2))
    layout = (_frame(*((i + 1, (int(r), int(c), int(r) + 2, int(c) + 4)) for i, (r, c) in enumerate(corners))),)
    sets = claimed_sets(layout, FORMAT)
    _check_each_block_is_in_one_set(layout, sets)
    claims = {claim.track: claim.rect for claim in layout[0]}
    for tracks, masks in sets.items():
        inside = [rects_mask([claims[track]], FORMAT) for track in tracks]
        assert not (masks[0] & ~np.logical_or.reduce(inside)).any()
        assert len(tracks) > 1 or not any(
            (masks[0] & rects_mask([rect], FORMAT)).any() for track, rect in claims.items() if track != tracks[0]
        )
