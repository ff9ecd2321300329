"""`eval detect`: which labelled faces count, and figures of a detector that says what it is told."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from operators.detect.measure import gather
from schemas.errors import UsageError
from streams.evaluate import detect

TABLE = """file\tx\ty\tw\th\tnote\tpart
a.png\t10\t10\t40\t60\tblur=0,invalid=0\twider
a.png\t100\t10\t10\t15\tblur=0,invalid=0\twider
a.png\t200\t10\t40\t60\tblur=0,invalid=1\twider
b.png\t0\t0\t20\t20\t\tdlib
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "faceboxes").mkdir()
    (tmp_path / "faceboxes" / "labels.tsv").write_text(TABLE)
    cv2.imwrite(str(tmp_path / "faceboxes" / "a.png"), np.zeros((300, 1280, 3), np.uint8))
    return tmp_path


def test_labelled_small_and_invalid_faces_do_not_count(folder):
    [one] = detect.labelled(folder / "faceboxes")
    assert one.wanted.tolist() == [True, False, False]
    assert one.faces[0].tolist() == [10, 10, 50, 70]


def test_labelled_without_table_or_part_is_wrong_use(folder):
    with pytest.raises(UsageError, match="labels.tsv"):
        detect.labelled(folder)
    with pytest.raises(UsageError, match="no part"):
        detect.labelled(folder / "faceboxes", "other")


def test_scaled_bounds_the_longer_side_and_never_enlarges():
    small, scale = detect.scaled(np.zeros((300, 1280, 3), np.uint8))
    assert small.shape == (150, 640, 3) and scale == 2
    same, scale = detect.scaled(np.zeros((30, 40, 3), np.uint8))
    assert same.shape == (30, 40, 3) and scale == 1


@dataclass(frozen=True)
class Found:
    """What a detector answers."""

    boxes: np.ndarray
    scores: np.ndarray


class Fixed:
    """Finds the wanted face, half its size as the picture is scaled, and one that isn't there."""

    def detect(self, picture):
        assert picture.shape == (150, 640, 3)
        boxes = np.array([[5, 5, 25, 35], [300, 50, 340, 90]], np.float32)
        return Found(boxes, np.array([0.9, 0.6], np.float32))


def test_matched_boxes_are_compared_in_pixels_of_the_unscaled_picture(folder):
    result = detect.matched(Fixed(), detect.labelled(folder / "faceboxes"))
    assert result.right.tolist() == [True, False]
    assert result.heights.tolist() == [60]


def test_figures_own_detector_is_measured_by_the_best_of_the_others():
    one = np.array([[0, 0, 20, 30]], np.float32)
    good = gather([(one, np.array([0.9], np.float32), one, np.array([True]))])
    bad = gather([(one + 100, np.array([0.9], np.float32), one, np.array([True]))])
    figures = {figure.id: figure for figure in detect._accuracy("own", bad, [good, bad])}
    assert figures["own_ap50"].value == 0 and figures["own_ap50"].target == 1
    assert figures["own_recall"].holds is False
    assert figures["own_recall_20_40"].n == 1 and figures["own_recall_over_160"].n == 0
    assert detect._accuracy("other", good, [])[0].target is None
