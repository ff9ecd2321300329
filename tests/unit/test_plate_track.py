"""Reading along a track: crops from corners and boxes, glimpses to JSON and back, joining."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from operators.plate_evidence import GUESSES, Evidence
from operators.plate_track import Glimpse, alone, as_json, cut, from_json, glimpse, join, rectify
from operators.plates import WEIGHTS, PlateReader, Reading
from schemas.errors import ConfigError, MalformedRecord

needs_weights = pytest.mark.skipif(not WEIGHTS.is_file(), reason="the plate reader isn't trained yet")
FLAT = [[40, 30], [240, 30], [240, 80], [40, 80]]


def _plate(text: str = "HX8352") -> np.ndarray:
    """A written plate, 200 x 50."""
    plate = np.full((50, 200, 3), 235, np.uint8)
    cv2.putText(plate, text, (20, 39), cv2.FONT_HERSHEY_SIMPLEX, 1.3, (30, 20, 20), 4, cv2.LINE_AA)
    return plate


def _scene(corners: list[list[float]]) -> np.ndarray:
    """The plate in a dark picture, its corners there."""
    source = np.array([[0, 0], [200, 0], [200, 50], [0, 50]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, np.array(corners, np.float32))
    scene = np.full((200, 320, 3), 60, np.uint8)
    return cv2.warpPerspective(_plate(), matrix, (320, 200), dst=scene, borderMode=cv2.BORDER_TRANSPARENT)


@pytest.mark.parametrize(
    "corners",
    [
        [[0, 0], [10, 0], [10, 10]], [[0, 0], [10, 0], [10, 10], [0, float("nan")]],
        [[0, 0], [0, 10], [10, 10], [10, 0]], [[0, 0], [10, 10], [10, 0], [0, 10]], [[0, 0], [10, 0], [3, 2], [0, 10]],
        [[5, 5]] * 4, [[0, 0], [1e9, 0], [1e9, 10], [0, 10]],
    ],
)
def test_rectify_corners_that_are_no_plate_are_refused(corners):
    with pytest.raises(MalformedRecord):
        rectify(_scene(FLAT), corners)


def test_rectify_and_cut_of_an_upright_plate_show_it_with_a_little_margin():
    for crop in (rectify(_scene(FLAT), FLAT), cut(_scene(FLAT), (40, 30, 240, 80))):
        assert abs(crop.shape[1] - 212) <= 1 and abs(crop.shape[0] - 53) <= 1
        assert crop[26, 1].max() < 120 and crop[26, 12].min() > 200


def test_rectify_large_plate_is_no_larger_than_the_reader_needs():
    picture = np.zeros((1000, 3000, 3), np.uint8)
    assert max(rectify(picture, [[0, 0], [2900, 0], [2900, 700], [0, 700]]).shape) <= 320


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (9, 5, 5, 9), (400, 10, 500, 20), (0, 0, float("inf"), 5), (1, 2, 3)])
def test_cut_box_that_holds_nothing_is_refused(box):
    with pytest.raises(MalformedRecord):
        cut(_scene(FLAT), box)


def test_rectify_other_than_rgb_is_refused():
    with pytest.raises(ConfigError):
        rectify(np.zeros((10, 10), np.uint8), FLAT)


@needs_weights
def test_rectify_plate_in_perspective_reads_as_the_flat_one():
    oblique = [[60, 40], [250, 75], [235, 140], [70, 85]]
    glimpses = glimpse(PlateReader(WEIGHTS), [_plate(), rectify(_scene(oblique), oblique)])
    assert [one.readings[0].text for one in glimpses] == ["HX8352", "HX8352"]


@needs_weights
def test_glimpse_goes_to_json_and_back_in_a_few_kilobytes_and_worse_crops_have_less_quality():
    small = cv2.resize(_plate(), (40, 10), interpolation=cv2.INTER_AREA)
    sharp, faint = glimpse(PlateReader(WEIGHTS), [_plate(), small])
    assert 0 <= faint.quality < sharp.quality <= 1
    for one in (sharp, faint):
        text = json.dumps(as_json(one))
        again = from_json(json.loads(text))
        assert len(text) < 4096 and as_json(again) == as_json(one) and again.steps == one.steps


@pytest.mark.parametrize(
    "value",
    [
        None, [], {}, {"readings": [], "quality": 2, "steps": []}, {"readings": [["A"]], "quality": 1, "steps": []},
        {"readings": [["A!", [1, 1], 1]], "quality": 1, "steps": []},
        {"readings": [["AB", [1], 1]], "quality": 1, "steps": []},
        {"readings": [], "quality": 1, "steps": [["AB", 1]]}, {"readings": [], "quality": True, "steps": []},
    ],
)
def test_from_json_anything_else_is_refused(value):
    with pytest.raises(MalformedRecord):
        from_json(value)


def _said(text: str, sure: float = 0.9) -> Glimpse:
    return Glimpse((Reading(text, (sure,) * len(text), sure),), sure)


def test_join_nothing_is_refused():
    with pytest.raises(MalformedRecord):
        join([])


@pytest.mark.parametrize(
    ("glimpses", "text"),
    [
        ([_said("AB123", 0.4)] * 5 + [_said("AB128", 0.99)], "AB123"),
        ([_said("AB123", 0.9), _said("AB128", 0.3)], "AB123"),
        ([_said("KLM4"), _said("KLM47"), _said("M4726"), _said("4726")], "KLM4726"),
        ([_said("KLM47")] * 3 + [_said("LM4726")] * 2 + [_said("KLM426")] * 3, "KLM4726"),
        ([_said("KLM4726", 0.8)] * 4 + [_said("KLM47261", 0.9), _said("LM4726", 0.9)], "KLM4726"),
        ([_said("KXM4726"), _said("KLM4X26"), _said("KLMX726"), _said("KLX4726")], "KLM4726"),
        ([_said("BALL", 0.7)] * 3 + [_said("BAL", 0.7)], "BALL"),
        ([_said("京A12345", 0.6)] * 3 + [_said("A12345", 0.7)] * 2, "京A12345"),
        ([_said("AB123"), Glimpse((), 0.0)], "AB123"),
        ([Glimpse((), 0.0)], ""),
        ([_said("")], ""),
    ],
)
def test_join_glimpses_worked_out_by_hand_give_the_text(glimpses, text):
    reading = join(glimpses)
    assert reading.text == text and len(reading.characters) == len(text)
    assert join(list(reversed(glimpses))).text == text


def test_join_character_that_frames_dispute_is_less_sure_than_the_others():
    reading = join([_said("KLM4726", 0.8), _said("KLM4726", 0.8), _said("KLM4526", 0.8)])
    assert reading.text == "KLM4726"
    assert min(range(7), key=lambda at: reading.characters[at]) == 4
    assert 0 < reading.confidence <= reading.characters[4] < 1


def test_join_more_frames_that_agree_make_it_surer():
    assert join([_said("KLM4726", 0.5)] * 4).confidence > join([_said("KLM4726", 0.5)]).confidence


def test_join_after_json_is_the_same_and_long_tracks_end():
    glimpses = [_said("KLM4726", 0.7), _said("KLM4126", 0.4)] * 100
    assert join([from_json(as_json(one)) for one in glimpses]) == join(glimpses)
    assert join(glimpses).text == "KLM4726"


@needs_weights
def test_join_plate_half_covered_in_every_frame_is_completed():
    left, right = _plate(), _plate()
    left[:, 118:] = 40
    right[:, :76] = 40
    glimpses = glimpse(PlateReader(WEIGHTS), [left, right, left, right])
    assert all(alone(one).text != "HX8352" for one in glimpses)
    assert join(glimpses).text == "HX8352"


def test_likelihoods_of_steps_worked_out_by_hand():
    evidence = Evidence([[(("A", 1.0),), (("", 1.0),), (("B", 1.0),)]], [1.0])
    said, less, other = evidence.likelihoods(["AB", "A", "BA"])[0]
    assert said == pytest.approx(2 * np.log(GUESSES), abs=0.3)
    assert said > less > other
    assert evidence.likeliest(5) == ["A", "B"]


def test_score_one_frame_costs_a_text_no_more_than_a_bound():
    evidence = Evidence([[(("A", 1.0),)] * 24], [1.0])
    assert evidence.score(["Z" * 8])[0] == pytest.approx(np.log(0.02), abs=0.1)
