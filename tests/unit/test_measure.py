"""Matching, average precision and recall on cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from operators.detect.measure import average_precision, gather, match, overlaps, recall_at, score_at

FACES = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]], np.float32)
WANTED = np.array([True, True, False])


def test_overlaps_of_boxes_is_shared_area_over_joint_area():
    other = np.array([[5, 0, 15, 10], [0, 0, 10, 10]], np.float32)
    np.testing.assert_allclose(overlaps(FACES[:1], other), [[50 / 150, 1]], rtol=1e-6)


def test_match_second_box_on_a_face_is_false_and_unwanted_faces_do_not_count():
    found = np.array([[0, 0, 10, 9], [0, 1, 10, 10], [40, 0, 50, 10], [21, 0, 31, 10], [70, 0, 80, 10]], np.float32)
    face_of, kept = match(found, FACES, WANTED)
    assert kept.tolist() == [0, 1, 3, 4]
    assert face_of.tolist() == [0, -1, 1, -1]


def test_match_without_boxes_or_faces_gives_nothing_or_false_boxes():
    nothing = np.zeros((0, 4), np.float32)
    assert match(nothing, FACES, WANTED)[1].tolist() == []
    assert match(FACES[:1], nothing, np.zeros(0, bool))[0].tolist() == [-1]


@pytest.fixture
def two_pictures():
    """Right .9, false .8, right .7 of three wanted faces 10, 10 and 40 px high."""
    first = FACES[[0, 2]] + np.float32(0)
    first[1] += 30
    tall = np.array([[0, 0, 30, 40]], np.float32)
    return gather([
        (first, np.array([0.9, 0.8], np.float32), FACES, WANTED),
        (tall, np.array([0.7], np.float32), tall, np.array([True])),
    ])  # fmt: skip


def test_average_precision_is_the_area_under_the_envelope(two_pictures):
    assert two_pictures.right.tolist() == [True, False, True]
    assert average_precision(two_pictures) == pytest.approx(1 / 3 * 1 + 1 / 3 * 2 / 3)


def test_recall_at_the_score_that_lets_false_boxes_through(two_pictures):
    assert score_at(two_pictures, 0.1) == pytest.approx(0.8)
    assert recall_at(two_pictures, 0.8) == (pytest.approx(1 / 3), 3)
    assert score_at(two_pictures, 0.5) == 0
    assert recall_at(two_pictures, 0.0) == (pytest.approx(2 / 3), 3)
    assert recall_at(two_pictures, 0.0, 20, None) == (1.0, 1)
    assert np.isnan(recall_at(two_pictures, 0.0, 100)[0])
