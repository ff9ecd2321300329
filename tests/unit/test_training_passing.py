"""Heads that pass in front of faces: where they land, and who still counts."""

from __future__ import annotations

import numpy as np
import pytest

from operators.training.faces.passing import IN_VIEW, passed_by

GREY = np.full((256, 256, 3), 60, np.uint8)
BOX = np.array([[100, 90, 150, 160]], np.float32)
POINTS = np.array([[[112, 115], [138, 115], [125, 128], [115, 142], [135, 142]]], np.float32)


def _picture() -> np.ndarray:
    picture = GREY.copy()
    picture[90:160, 100:150] = 220
    return picture


@pytest.mark.parametrize("seed", range(30))
def test_passed_by_gives_a_face_of_like_size_whose_points_lie_in_it(seed: int) -> None:
    shown, boxes, points, lost = passed_by(_picture(), BOX, POINTS, np.random.default_rng(seed))
    assert len(boxes) + len(lost) == 2 and len(points) == len(boxes)
    new, marks = boxes[-1], points[-1]
    assert 0.79 * 70 <= new[3] - new[1] <= 1.41 * 70
    assert (marks >= new[:2] - 1).all() and (marks <= new[2:] + 1).all()
    assert marks[0, 0] < marks[1, 0] and marks[3, 0] < marks[4, 0]
    x, y = ((new[:2] + new[2:]) / 2).astype(int)
    assert shown[y, x].min() > 200


@pytest.mark.parametrize("seed", range(30))
def test_passed_by_whoever_is_nearly_covered_counts_neither_way(seed: int) -> None:
    shown, boxes, _, lost = passed_by(_picture(), BOX, POINTS, np.random.default_rng(seed))
    new = boxes[-1]
    middle, half = (new[:2] + new[2:]) / 2 + [0, 0.05 * (new[3] - new[1])], (new[2:] - new[:2]) * [0.75, 0.95]
    y, x = np.mgrid[90:160, 100:150]
    own = np.square((x - 124.5) / 25) + np.square((y - 124.5) / 35) <= 1
    covered = np.square((x - middle[0]) / half[0]) + np.square((y - middle[1]) / half[1]) <= 1
    share = 1 - covered[own].mean()
    if abs(share - IN_VIEW) > 0.05:
        assert (len(lost) == 0) == (share > IN_VIEW)


def test_passed_by_the_same_seed_gives_the_same_picture() -> None:
    first, second = (passed_by(_picture(), BOX, POINTS, np.random.default_rng(7)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
