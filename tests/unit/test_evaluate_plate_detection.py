"""`eval plates`, whole pictures: which are kept back, what is covered, which text belongs to which plate."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from operators.plates import WEIGHTS, PlateReader
from operators.training.plates.labels import Photograph, photographs
from schemas.frames import VideoFormat
from streams.evaluate import plate_detection
from streams.evaluate.plate_detection import Searched
from streams.setup import plate_detector

TABLE = """file\tx\ty\tw\th\ttext\tpart
a.png\t10\t20\t40\t10\tAB123\tone-part
b.png\t10\t20\t40\t10\t皖A12345\tone-part
c.png\t1\t1\t5\t5\t\tboxes
c.png\t9\t9\t5\t5\t\tboxes
d.png\t\t\t\t\tAB124\tcrops
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "labels.tsv").write_text(TABLE)
    for name in "abcd":
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((60, 100, 3), 90, np.uint8))
    return tmp_path


def test_photographs_halves_are_apart_and_leave_crops_out(folder):
    test, rest, both = ([one.path.name for one in photographs(folder, half)] for half in (True, False, None))
    assert (test, rest) == (["c.png", "a.png"], ["b.png"])  # plates without text are kept back
    assert sorted(test + rest) == sorted(both)
    assert [len(one.boxes) for one in photographs(folder, True)] == [2, 1]
    assert not photographs(folder, None, without=["one-part", "boxes"])


def _searched(boxes: list[list[float]], scores: list[float], texts: tuple[str, ...] = ()) -> Searched:
    photograph = Photograph(Path("a.png"), np.array([[100, 100, 164, 116]], np.float32), ("AB123",), "one-part")
    array = np.array(boxes, np.float32).reshape(-1, 4)
    texts = texts or ("",) * len(boxes)
    return Searched(photograph, VideoFormat(320, 240, Fraction(1, 25)), array, np.array(scores, np.float32),
                    texts, texts)  # fmt: skip


@pytest.mark.parametrize(
    ("box", "share"),
    [
        ([100, 100, 164, 116], 1.0),
        ([108, 102, 160, 114], 1.0),  # the padding of a quarter reaches over the labelled box
        ([112, 100, 140, 116], 0.0),  # 112 - 7 = 105: block 6 (96 to 112) is masked; right end 147: block 10 isn't
        ([200, 200, 240, 220], 0.0),
    ],
)
def test_covered_needs_every_block_of_the_plate(box, share):
    covered, left = plate_detection._covered([_searched([box], [0.9])], 0.5)
    assert covered == share and left == ["a.png"] * (share < 1)


def test_covered_counts_boxes_above_the_score_alone():
    assert plate_detection._covered([_searched([[100, 100, 164, 116]], [0.4])], 0.5)[0] == 0


def test_pairs_take_the_best_box_on_the_plate():
    boxes = [[0, 0, 40, 20], [102, 100, 166, 116], [96, 100, 160, 116]]
    searched = _searched(boxes, [0.9, 0.8, 0.7], ("XX", "AB123", "YY"))
    assert plate_detection._pairs(searched, 0.5) == [("AB123", "AB123", "AB123")]
    assert plate_detection._pairs(searched, 0.85) == [("AB123", "", "")]


def test_evaluate_names_figures_by_part(folder):
    told: list[str] = []
    figures = plate_detection.evaluate(folder, plate_detector, PlateReader(WEIGHTS), False, told.append)
    ids = [one.id for one in figures]
    stems = ("recall", "ap50", "covered", "covered_shipped", "false_shipped")
    assert ids == [f"{stem}_boxes" for stem in stems] + [
        f"{stem}_one_part" for stem in (*stems, "end_to_end")
    ] + ["detector_ms"]
    assert {one.id: one.n for one in figures}["recall_boxes"] == 2
    assert {one.id: one.value for one in figures}["end_to_end_one_part"] == 0


def test_evaluate_without_labelled_boxes_gives_nothing(tmp_path):
    (tmp_path / "labels.tsv").write_text("file\tx\ty\tw\th\ttext\tpart\nd.png\t\t\t\t\tAB124\tcrops\n")
    assert plate_detection.evaluate(tmp_path, plate_detector, PlateReader(WEIGHTS), True, print) == []
