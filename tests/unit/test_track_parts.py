"""The tracker's parts: filter, boxes, colours, detection plan."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from operators.track import appearance, between, kalman, plan
from operators.track.geometry import along_edge, clip, grow, iou, union
from schemas.errors import UsageError
from tests.support.moving import BLUE, RED, detections, picture, scene_chunk

BOX = (100.0, 80.0, 140.0, 130.0)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((10, 10, 20, 20), (10, 10, 20, 20)),
        ((-5, -5, 20, 20), (0, 0, 20, 20)),
        ((-5, 10, 0.5, 20), (0, 10, 2, 20)),
        ((99.5, 10, 120, 20), (98, 10, 100, 20)),
        ((50, 50, 50.5, 60), (49.25, 50, 51.25, 60)),
        ((-9, 10, 0, 20), None),
        ((100, 10, 120, 20), None),
        ((10, float("nan"), 20, 20), None),
    ],
)
def test_clip_box_stays_in_picture(box, expected) -> None:
    assert clip(box, 100, 80) == expected


def test_geometry_by_hand() -> None:
    assert iou((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert iou((0, 0, 1, 1), (2, 2, 3, 3)) == 0
    assert union((0, 0, 1, 1), (2, 2, 3, 3)) == (0, 0, 3, 3)
    assert grow((10, 10, 20, 30), 0.1) == (9, 8, 21, 32)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((0, 20, 10, 40), (0, 15, 10, 45)),
        ((85, 20, 98.5, 40), (85, 15, 98.5, 45)),
        ((40, 1, 60, 16), (35, 1, 65, 16)),
        ((0, 0, 10, 20), (0, 0, 10, 20)),
        ((40, 20, 60, 40), (40, 20, 60, 40)),
        ((0, 10, 10, 50), (0, 10, 10, 50)),
    ],
    ids=["left", "near the right edge", "above", "corner", "not at the edge", "longer already"],
)
def test_along_edge_is_as_long_as_the_others(box, expected) -> None:
    assert along_edge(box, [(20, 10, 50, 40), (1, 2, 3, 4)], (100, 80)) == expected


@pytest.mark.parametrize("seconds", [0.02, 0.04, 0.1])
def test_kalman_constant_speed_is_learned_and_kept_through_a_gap(seconds: float) -> None:
    now = kalman.start(BOX, seconds)
    speed = 40 * seconds
    for i in range(1, 20):
        now = kalman.update(kalman.predict(now, 1, seconds), tuple(v + speed * i for v in BOX))
    uncertain = now.sigma[0]
    now = kalman.predict(now, 10, seconds)
    assert now.mean[0] == pytest.approx(120 + 29 * speed, abs=2.5) and now.sigma[0] > uncertain


def test_kalman_shrinking_box_never_turns_over() -> None:
    now = kalman.Filter((50.0, 50.0, 4.0, 4.0, 0.0, 0.0, -3.0, -3.0), (1.0,) * 12)
    for _ in range(5):
        now = kalman.predict(now, 1, 0.04)
    assert now.box[2] > now.box[0] and now.box[3] > now.box[1]


def test_follow_finds_a_patch_that_moved() -> None:
    colours = appearance.histogram(picture([(BOX, RED)]), BOX)
    moved = tuple(v + d for v, d in zip(BOX, (12, -8, 12, -8), strict=True))
    found = appearance.follow(picture([(moved, RED)], 1), BOX, colours)
    assert found is not None and iou(found, moved) > 0.8


@pytest.mark.parametrize("hue", [BLUE, (128, 128)])
def test_follow_without_the_colours_says_none(hue) -> None:
    colours = appearance.histogram(picture([(BOX, RED)]), BOX)
    assert appearance.follow(picture([(BOX, hue)], 1), BOX, colours) is None


def test_follow_grey_on_grey_says_none() -> None:
    grey = picture([])
    assert appearance.follow(grey, BOX, appearance.histogram(grey, BOX)) is None


def test_follow_at_the_edge_or_outside_never_fails() -> None:
    frame = picture([(BOX, RED)])
    colours = appearance.histogram(frame, BOX)
    for box in [(-30, -30, 5, 5), (-90, -90, -50, -50), (318, 238, 330, 250), (100, 80, 101, 81)]:
        appearance.follow(frame, box, colours)
    assert appearance.histogram(frame, (-90, -90, -50, -50)) == b""


def test_similarity_same_colours_near_one_others_near_zero() -> None:
    red = appearance.histogram(picture([(BOX, RED)]), BOX)
    again = appearance.histogram(picture([(BOX, RED)], 5), BOX)
    blue = appearance.histogram(picture([(BOX, BLUE)]), BOX)
    assert appearance.similarity(red, again) > 0.9 and appearance.similarity(red, blue) < 0.05
    assert appearance.similarity(red, b"") == 0.5 and appearance.blend(red, red, 0.3) == red


@pytest.mark.parametrize(
    ("count", "every", "cuts", "expected"),
    [
        (12, 5, (), (0, 5, 10)),
        (11, 5, (), (0, 5, 10)),
        (12, 5, (7,), (0, 5, 6, 7, 10)),
        (1, 5, (), (0,)),
        (4, 1, (2,), (0, 1, 2, 3)),
    ],
)
def test_plan_names_every_kth_first_and_cuts_and_the_last_of_a_video(count, every, cuts, expected) -> None:
    chunk = scene_chunk([picture([], i) for i in range(count)])
    order = {id(frame.planes): i for i, frame in enumerate(chunk.frames)}
    result = plan(chunk, every, lambda _, now: order[id(now)] in cuts)
    assert result.examine == expected and result.cuts == frozenset(cuts)
    ending = plan(chunk, every, lambda _, now: order[id(now)] in cuts, ends=True)
    assert ending.examine == tuple(sorted({*expected, count - 1})) and ending.cuts == result.cuts


@pytest.mark.parametrize(("rate", "expected"), [
    (60, (0, 5, 10)), (25, (0, 5, 10)), (24, (0, 5, 10)), (20, (0, 5, 10)), (15, (0, 3, 6, 9)),
    (10, (0, 2, 4, 6, 8, 10)), (5, tuple(range(12))), (1, tuple(range(12))),
])
def test_plan_looks_at_slow_video_as_often_in_time(rate, expected) -> None:
    chunk = scene_chunk([picture([], i) for i in range(12)])
    slow = replace(chunk.chunk, format=replace(chunk.chunk.format, time_base=Fraction(1, rate)))
    assert plan(replace(chunk, chunk=slow), 5, lambda *_: False).examine == expected


def test_plan_looks_before_and_after_a_gap_in_time() -> None:
    chunk = scene_chunk([picture([], i) for i in range(12)])
    frames = tuple(replace(frame, pts=frame.pts + 500 * (i > 7)) for i, frame in enumerate(chunk.frames))
    assert plan(replace(chunk, frames=frames), 5, lambda *_: False).examine == (0, 5, 7, 8)


def test_plan_with_the_frame_before_sees_a_cut_at_the_start() -> None:
    chunk = scene_chunk([picture([], 1)] * 3)
    before = picture([(BOX, RED)])
    changed = plan(chunk, 2, lambda a, b: not np.array_equal(a.u, b.u), before)
    assert changed.cuts == {0}


STAYS, LARGE = (40.0, 150.0, 80.0, 200.0), (200.0, 40.0, 320.0, 190.0)
NEAR, FAR, MOVED = (40.0, 40.0, 80.0, 90.0), (160.0, 40.0, 200.0, 90.0), (70.0, 40.0, 110.0, 90.0)


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ({0: [(NEAR, 0.9)], 5: [(NEAR, 0.9)]}, ()),
        ({0: [(NEAR, 0.9)], 5: [(NEAR, 0.21)]}, ()),
        ({0: [(NEAR, 0.9)], 5: [(MOVED, 0.9)]}, (2,)),
        ({0: [(NEAR, 0.9)], 5: [(NEAR, 0.9), (FAR, 0.9)], 10: []}, (2, 7)),
        ({0: [(NEAR, 0.3)], 5: []}, ()),
        ({0: [], 1: [(NEAR, 0.9)]}, ()),
        ({0: [(NEAR, 0.9)], 5: None, 10: []}, ()),
    ],
)
def test_between_is_in_the_middle_of_looks_that_do_not_agree(looks, expected) -> None:
    found = {i: None if one is None else (detections(one), detections([], "plate")) for i, one in looks.items()}
    assert tuple(between(found)) == expected


def test_between_says_where_looks_differ_and_what_else_is_known() -> None:
    looks = {0: [(NEAR, 0.9), (STAYS, 0.9)], 5: [(STAYS, 0.8), (MOVED, 0.9), (LARGE, 0.9)]}
    [(frame, difference)] = between({i: (detections(one),) for i, one in looks.items()}).items()
    assert frame == 2 and sum(len(one.boxes) for one in difference.known) == 5
    places = {tuple(box) for box in difference.places.tolist()}
    assert places == {NEAR, MOVED, LARGE, union(NEAR, MOVED)}  # what is so much larger isn't what was there before


def test_plan_stride_of_zero_is_refused() -> None:
    with pytest.raises(UsageError):
        plan(scene_chunk([picture([])]), 0, lambda a, b: False)
