"""Masks over time: always what is needed, moved only where that pays, more of it in doubt."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from operators.cohere import WHOLE, Claim, lay_out, steady
from operators.desensitise.policy import Policy
from operators.pixels import BlockRect
from operators.reach import Box
from schemas.frames import VideoFormat
from schemas.regions import Region, RegionSet

FORMAT = VideoFormat(320, 240, Fraction(1, 25))


def _region(track: int, box: Box, score: float = 0.9) -> Region:
    return Region(track, "face", box, score, "detected")


def _set(*frames: tuple[Region, ...]) -> RegionSet:
    return RegionSet("cam", "video", 0, tuple(frames), frozenset(), frozenset())


def _area(rect: BlockRect) -> int:
    return (rect.bottom - rect.top) * (rect.right - rect.left)


def _walk(seed: int, count: int = 40) -> list[BlockRect]:
    rng = np.random.default_rng(seed)
    places = np.cumsum(rng.integers(-1, 2, (count, 2)), 0) + 20
    return [BlockRect(y, x, y + int(rng.integers(3, 6)), x + 4) for y, x in places.tolist()]


def _moves(masks: list[BlockRect | None]) -> int:
    return sum(a != b for a, b in zip(masks, masks[1:], strict=False))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("hold", [0, 1, 4])
def test_steady_covers_what_is_needed_in_every_frame(seed: int, hold: float) -> None:
    needs = _walk(seed)
    for need, mask in zip(needs, steady(needs, hold), strict=True):
        assert mask is not None
        assert mask.top <= need.top and mask.left <= need.left
        assert mask.bottom >= need.bottom and mask.right >= need.right


def test_steady_a_higher_price_moves_less_and_covers_more() -> None:
    needs = _walk(1)
    cheap, dear = steady(needs, 0.5), steady(needs, 4)
    assert _moves(dear) < _moves(cheap) <= _moves(list(needs))
    assert sum(_area(m) for m in dear if m) > sum(_area(m) for m in cheap if m) >= sum(_area(n) for n in needs)


@pytest.mark.parametrize("seed", range(4))
def test_steady_is_as_cheap_as_any_cut_of_a_short_track(seed: int) -> None:
    needs, hold = _walk(seed, 9), 1.0

    def price(cut: int) -> float:
        total, start = 0.0, 0
        for i in range(len(needs)):
            if i == len(needs) - 1 or cut >> i & 1:
                part = needs[start : i + 1]
                hull = BlockRect(
                    min(r.top for r in part), min(r.left for r in part),
                    max(r.bottom for r in part), max(r.right for r in part),
                )  # fmt: skip
                total, start = total + hold * _area(needs[start]) + _area(hull) * len(part), i + 1
        return total

    masks = steady(needs, hold)
    starts = [i for i in range(len(masks)) if i == 0 or masks[i] != masks[i - 1]]
    paid = sum(_area(mask) for mask in masks if mask) + hold * sum(_area(needs[i]) for i in starts)
    assert paid == pytest.approx(min(price(cut) for cut in range(1 << len(needs) - 1)))


def test_steady_begins_anew_after_frames_where_nothing_is_needed() -> None:
    one, two = BlockRect(0, 0, 2, 2), BlockRect(4, 4, 6, 6)
    assert steady([one, one, None, two, None, None, two], 9) == [one, one, None, two, None, None, two]
    assert steady([], 1) == []


def test_lay_out_a_lone_face_gets_the_padding_and_one_that_is_touched_the_doubt_too() -> None:
    alone = (_region(1, (100, 80, 132, 120), 0.6),)
    both = (*alone, _region(2, (120, 90, 160, 130)))
    claim = lay_out(_set(alone), FORMAT, Policy({}, padding=0.1, doubt=0.4))[0][0]
    assert claim.rect == BlockRect(4, 6, 8, 9)
    first = lay_out(_set(both), FORMAT, Policy({}, padding=0.1, doubt=0.4))[0][0].rect
    assert first == BlockRect(3, 5, 9, 10)


def test_lay_out_a_plate_gets_some_more_padding_than_a_face() -> None:
    face, plate = _region(1, (98, 98, 133.2, 142)), Region(2, "plate", (194, 98, 238, 142), 0.9, "detected")
    claims = lay_out(_set((face, plate)), FORMAT, Policy({}, padding=0.04, doubt=0))[0]
    assert [claim.rect for claim in claims] == [BlockRect(6, 6, 9, 9), BlockRect(5, 11, 10, 16)]


def test_lay_out_heads_take_hair_and_ears_along_but_plates_stay_plates() -> None:
    face, plate = _region(1, (100, 96, 132, 136)), Region(2, "plate", (200, 96, 240, 136), 0.9, "detected")
    claims = lay_out(_set((face, plate)), FORMAT, Policy({}, padding=0, extra={}, whole_heads=True))[0]
    assert [claim.rect for claim in claims] == [BlockRect(4, 5, 9, 9), BlockRect(6, 12, 9, 15)]


@pytest.mark.parametrize("box", [(100, 80, 132, 120), (107, 80, 125, 120), (100, 88, 132, 112), (100, 99, 132, 101)])
def test_lay_out_faces_of_one_size_get_one_mask_whatever_their_proportions(box: Box) -> None:
    narrow_or_flat = _region(1, box)
    assert lay_out(_set((narrow_or_flat,)), FORMAT, Policy({}))[0][0].rect == BlockRect(4, 6, 8, 9)


def test_lay_out_zones_are_masked_in_every_frame_for_nobody_but_the_custodian() -> None:
    face = _region(1, (100, 96, 140, 136))
    regions = RegionSet("cam", "video", 0, ((face,), (), ()), frozenset({2}), frozenset())
    layout = lay_out(regions, FORMAT, Policy({}, zones=((0.5, 0, 1, 0.2), (0.9, 0.9, 1, 1))))
    zones = [Claim(WHOLE, "frame", BlockRect(0, 10, 3, 20)), Claim(WHOLE, "frame", BlockRect(13, 18, 15, 20))]
    assert [list(frame[-2:]) for frame in layout[:2]] == [zones, zones]
    assert [claim.track for claim in layout[0]] == [1, WHOLE, WHOLE]
    assert layout[2] == (Claim(WHOLE, "frame", BlockRect(0, 0, 15, 20)),)
