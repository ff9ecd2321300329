"""What a mask has to cover: one shape for whole and cut faces, sizes that sure detections tell, more of it in doubt."""

from __future__ import annotations

from fractions import Fraction

import pytest

from operators.desensitise.policy import Policy
from operators.heads import WIDE
from operators.reach import DOUBT_FRAMES, KNOWN, SURE, Box, in_doubt, known_heights, reaches, shaped
from schemas.frames import VideoFormat
from schemas.regions import ObjectKind, Region, RegionSet, RegionSource

FORMAT = VideoFormat(320, 240, Fraction(1, 25))
POLICY = Policy({}, padding=0.1, doubt=0.3)
FACE = (100.0, 80.0, 132.0, 120.0)


def _region(
    track: int, box: Box, source: RegionSource = "detected", score: float = 0.9, kind: ObjectKind = "face"
) -> Region:
    return Region(track, kind, box, score, source)


def _set(*frames: tuple[Region, ...]) -> RegionSet:
    return RegionSet("cam", "video", 0, tuple(frames))


def _sides(box: Box) -> tuple[float, float]:
    return box[2] - box[0], box[3] - box[1]


@pytest.mark.parametrize("box", [(10, 20, 40, 60), (10, 10, 60, 30), (13, 14, 19, 90)])
def test_shaped_covers_the_box_around_its_middle_and_no_more_than_it_must(box: Box) -> None:
    x1, y1, x2, y2 = found = shaped(box, FORMAT)
    assert x1 <= box[0] and y1 <= box[1] and x2 >= box[2] and y2 >= box[3]
    assert (x1 + x2, y1 + y2) == pytest.approx((box[0] + box[2], box[1] + box[3]))
    assert (x2 - x1) / (y2 - y1) == pytest.approx(WIDE)
    assert found[0] == pytest.approx(box[0]) or found[1] == pytest.approx(box[1])


@pytest.mark.parametrize("wide", [24, 32, 35, 36])
def test_shaped_whole_faces_of_one_height_have_one_mask_however_wide_and_the_padding_covers_them(wide: int) -> None:
    box = (116.0 - wide / 2, 80.0, 116.0 + wide / 2, 120.0)
    assert shaped(box, FORMAT) == pytest.approx(FACE)
    for padding in (0.0, 0.05, 0.1):
        reach = reaches(_set((_region(1, box),)), FORMAT, Policy({}, padding=padding, doubt=0), {})[0, 1]
        assert reach[0] <= box[0] and reach[2] >= box[2]
        assert padding < 0.1 or reach == reaches(_set((_region(1, FACE),)), FORMAT, POLICY, {})[0, 1]


def test_shaped_boxes_that_may_show_too_little_of_the_height_are_as_large_as_their_width_tells() -> None:
    assert _sides(shaped((100, 80, 137, 120), FORMAT)) == pytest.approx((37, 37 / WIDE))
    assert _sides(shaped((100, 0, 134, 40), FORMAT)) == pytest.approx((34, 34 / WIDE))
    assert _sides(shaped((100, 80, 134, 120), FORMAT, score=SURE - 0.1)) == pytest.approx((34, 34 / WIDE))


@pytest.mark.parametrize(
    ("box", "whole"),
    [
        ((0, 80, 12, 120), (-20, 80, 12, 120)),
        ((310, 80, 320, 120), (310, 80, 342, 120)),
        ((100, 0, 132, 10), (100, -30, 132, 10)),
        ((100, 225, 132, 240), (100, 225, 132, 265)),
        ((0, 0, 12, 40), (-20, 0, 12, 40)),
        ((0, 200, 16, 240), (-16, 200, 16, 240)),
        ((0, 100, 320, 200), (0, -50, 320, 350)),
    ],
)
def test_shaped_what_the_edge_cuts_lies_beyond_it_and_the_mask_inside_gets_no_wider(box: Box, whole: Box) -> None:
    assert shaped(box, FORMAT) == pytest.approx(whole)


def test_reaches_two_parts_of_one_face_get_the_same_shape_beyond_the_edge() -> None:
    parts = ((_region(1, (0, 80, 10, 120)),), (_region(1, (0, 80, 30, 120)),))
    found = reaches(_set(*parts), FORMAT, POLICY, {})
    assert _sides(found[0, 1]) == pytest.approx(_sides(found[1, 1]))


def test_known_heights_are_between_those_of_sure_detections_away_from_the_edge() -> None:
    high = (100, 60, 132, 120)
    frames = [
        (0, _region(1, (0, 80, 10, 100))), (1, _region(1, FACE)), (2, _region(1, FACE, "tracked")),
        (3, _region(1, high)), (4, _region(1, (100, 80, 132, 90), score=SURE - 0.1)),
    ]  # fmt: skip
    assert known_heights(frames, FORMAT).tolist() == [40, 40, 50, 60, 60]
    assert not known_heights(frames[4:], FORMAT).any()
    assert not known_heights([(0, _region(1, FACE, kind="plate"))], FORMAT).any()


def test_reaches_half_hidden_a_face_stays_as_high_as_it_was_surely_seen() -> None:
    whole, half = _region(1, FACE), _region(1, (100, 80, 132, 100), score=0.4)
    frames = _set((whole,), (half,))
    found = reaches(frames, FORMAT, POLICY, {})
    assert _sides(found[1, 1]) == pytest.approx(_sides(found[0, 1]))
    assert found[1, 1][1] < half.box[1] and found[1, 1][3] > half.box[3]


def test_reaches_a_known_size_leaves_part_of_the_doubt_and_an_unknown_one_all() -> None:
    heights = [
        _sides(reaches(_set((_region(1, FACE, score=score),)), FORMAT, POLICY, {1: {0}})[0, 1])[1]
        for score in (SURE, SURE - 0.01)
    ]
    assert heights == pytest.approx([40 * (1.2 + 2 * 0.3 * KNOWN), 40 * (1.2 + 2 * 0.3)])


def test_reaches_a_plate_keeps_its_box_and_all_of_the_doubt() -> None:
    plate = _region(1, (100, 100, 140, 140), kind="plate")
    found = reaches(_set((plate,)), FORMAT, POLICY, {1: {0}})[0, 1]
    assert found == pytest.approx((80, 80, 160, 160))


@pytest.mark.parametrize(
    "region",
    [
        _region(1, (100, 80, 140, 120), "filled"),
        _region(1, (0, 80, 40, 120)),
        _region(1, (290, 80, 319, 120)),
        _region(1, (100, 210, 140, 240)),
    ],
)
def test_in_doubt_what_no_detection_shows_or_the_edge_cuts_with_frames_around(region: Region) -> None:
    sure = _region(1, (100, 80, 140, 120))
    frames = [(sure,)] * 20 + [(region,)] + [(sure,)] * 20
    found = in_doubt(_set(*frames), FORMAT)
    assert found == {1: set(range(20 - DOUBT_FRAMES, 21 + DOUBT_FRAMES))}
