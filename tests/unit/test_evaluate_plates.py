"""`eval plates`: which plates are kept back, how they are cut, and what counts as right."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from operators.plates import WEIGHTS
from operators.training.plates.labels import cut, kept_back, load
from schemas.errors import UsageError
from streams.evaluate import plates

TABLE = """file\tx\ty\tw\th\ttext\tpart
a.png\t10\t20\t40\t10\tAB123\tone-part
b.png\t\t\t\t\tAB124\tone-part
b.png\t\t\t\t\t皖A12345\ttwo
b.png\t1\t1\t5\t5\t\tboxes
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "labels.tsv").write_text(TABLE)
    picture = np.zeros((60, 100, 3), np.uint8)
    picture[20:30, 10:50] = (0, 0, 255)
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    cv2.imwrite(str(tmp_path / "b.png"), np.zeros((24, 94, 3), np.uint8))
    return tmp_path


def test_load_halves_are_apart_and_together_all(folder):
    test, rest = ([one.text for one in load(folder, half)] for half in (True, False))
    assert sorted(test + rest) == ["AB123", "AB124", "皖A12345"] == sorted(one.text for one in load(folder, None))
    assert all(kept_back(text) for text in test) and not any(kept_back(text) for text in rest)
    assert "two" not in {one.part for one in load(folder, None, without=["two"])}


def test_kept_back_depends_on_the_text_alone():
    assert [kept_back(text) for text in ("AB123", "AB124", "皖A12345", "RK755AJ")] == [True, True, False, False]


def test_cut_is_the_true_box(folder):
    [plate] = [one for one in load(folder, None) if one.text == "AB123"]
    assert cut(plate).shape == (10, 40, 3)
    assert (cut(plate) == (255, 0, 0)).all()
    [whole] = [one for one in load(folder, None) if one.text == "AB124"]
    assert cut(whole).shape == (24, 94, 3)


def test_load_without_table_is_wrong_use(tmp_path):
    with pytest.raises(UsageError, match="labels.tsv"):
        load(tmp_path, True)
    with pytest.raises(UsageError, match="labels.tsv"):
        plates.folder_of(tmp_path)


@pytest.mark.parametrize(
    ("said", "true", "count"),
    [("ABC", "ABC", 0), ("", "ABC", 3), ("ABC", "", 3), ("ABD", "ABC", 1), ("BC", "ABC", 1), ("AXBC", "ABC", 1)],
)
def test_edits_are_the_least_changes(said, true, count):
    assert plates.edits(said, true) == count


@pytest.mark.skipif(not WEIGHTS.is_file(), reason="the plate reader isn't trained yet")
def test_evaluate_names_figures_by_part_and_counts_the_half_kept_back(folder):
    told = []
    figures = {one.id: one for one in plates.evaluate(folder, WEIGHTS, False, told.append)}
    assert list(figures) == ["exact_one_part", "cer_one_part", "plate_ms"]
    assert figures["exact_one_part"].n == 2 and figures["cer_one_part"].n == 10
    assert figures["exact_one_part"].value == 0 and figures["cer_one_part"].value >= 0.5
    assert "exact_two" in {one.id for one in plates.evaluate(folder, WEIGHTS, True, told.append)}
