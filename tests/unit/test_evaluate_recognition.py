"""Verification and draws, on unit vectors whose angles were chosen by hand."""

from __future__ import annotations

import numpy as np
import pytest

from streams.evaluate import recognition


def at(*degrees: float) -> np.ndarray:
    """Unit vectors (n, 2) at these angles: the cosine of two is that of the angle between them."""
    turned = np.radians(degrees)
    return np.stack([np.cos(turned), np.sin(turned)], 1).astype(np.float32)


def without(vectors: np.ndarray, *rows: int) -> np.ndarray:
    vectors = vectors.copy()
    vectors[list(rows)] = np.nan
    return vectors


def array(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


# Persons 0, 1, 2 with pictures at 0, 10 and 50 | 60 and 70 | 180 degrees. Person 0's picture at 50 is nearer to 1.
VECTORS, PEOPLE = at(0, 10, 50, 60, 70, 180), np.array([0, 0, 0, 1, 1, 2])


def test_cross_pairs_are_all_pairs_once_and_missing_ones_are_never_impostors():
    genuine, impostor = recognition.cross_pairs(VECTORS, PEOPLE)
    assert np.degrees(np.arccos(genuine)) == pytest.approx([10, 50, 40, 10], abs=0.05)
    assert len(impostor) == 11 and np.isclose(impostor.max(), np.cos(np.radians(10)))
    genuine, impostor = recognition.cross_pairs(without(VECTORS, 1), PEOPLE)
    assert np.isinf(genuine).tolist() == [True, False, True, False] and len(impostor) == 8


def test_pair_cosines_of_a_missing_picture_are_lowest():
    alike = recognition.pair_cosines(without(VECTORS, 5), np.array([(0, 3), (0, 5)]))
    assert alike.tolist() == [pytest.approx(0.5), -np.inf]


@pytest.mark.parametrize(
    ("alike", "same", "threshold"),
    [
        ((0.9, 0.8, 0.4, 0.2), (1, 1, 0, 0), 0.6),
        ((0.9, 0.3, 0.4, 0.2), (1, 1, 1, 0), 0.25),
        ((0.9, 0.8, 0.4, -np.inf), (1, 1, 0, 1), 0.6),
        ((0.9, 0.7, 0.5, 0.2), (1, 0, 1, 0), 0.8),
        ((-np.inf, -np.inf), (1, 0), 0.0),
    ],
)
def test_best_threshold_lies_between_the_kinds(alike, same, threshold):
    assert recognition.best_threshold(array(*alike), np.array(same, bool)) == pytest.approx(threshold)


def test_fold_accuracies_use_the_other_folds_threshold():
    """Two folds: in the first, the border lies between 0.6 and 0.8, in the second between 0.2 and 0.4."""
    alike = array(0.9, 0.8, 0.6, 0.5, 0.5, 0.4, 0.2, 0.1)
    same = np.array([1, 1, 0, 0, 1, 1, 0, 0], bool)
    # By the second's threshold 0.3 the first fold's different pairs are wrong; by 0.7 the second's same pairs.
    assert recognition.fold_accuracies(alike, same, 2).tolist() == [0.5, 0.5]
    apart = array(0.9, 0.8, 0.3, 0.2, 0.9, 0.8, 0.3, 0.2)
    assert recognition.fold_accuracies(apart, same, 2).tolist() == [1, 1]


@pytest.mark.parametrize("pair", [0, 2])
def test_fold_accuracies_count_a_missing_picture_as_wrong_in_both_kinds(pair):
    alike = array(0.9, 0.8, 0.3, 0.2, 0.9, 0.8, 0.3, 0.2)
    alike[pair] = -np.inf
    same = np.array([1, 1, 0, 0, 1, 1, 0, 0], bool)
    assert recognition.fold_accuracies(alike, same, 2).tolist() == [0.75, 1]


@pytest.mark.parametrize(
    ("genuine", "impostor", "rate"),
    [
        ((0.9, 0.8), (0.2, 0.1), 0.0),
        ((0.2, 0.1), (0.9, 0.8), 1.0),
        ((0.9, 0.8, 0.7, 0.3), (0.6, 0.2, 0.1, 0.0), 0.25),
        ((0.9, 0.8, 0.7, -np.inf), (0.6, 0.2, 0.1, 0.75), 0.25),
        ((0.9, 0.8), (0.2, -np.inf), 0.0),
        ((0.9, 0.8, 0.7, 0.3), (0.6, 0.2, 0.1), (1 / 4 + 1 / 3) / 2),
    ],
)
def test_equal_error_rate_is_where_both_errors_are_nearest(genuine, impostor, rate):
    assert recognition.equal_error_rate(array(*genuine), array(*impostor)) == pytest.approx(rate)


def test_threshold_for_lets_at_most_the_share_over_it():
    negatives = np.linspace(0.001, 1, 1000, dtype=np.float32)
    np.random.default_rng(0).shuffle(negatives)
    assert (negatives > recognition.threshold_for(negatives, 0.01)).sum() == 10
    assert (negatives > recognition.threshold_for(negatives, 0.0)).sum() == 0
    assert (negatives[:50] > recognition.threshold_for(negatives[:50], 0.01)).sum() == 0


def test_draw_found_counts_the_best_of_all_probes():
    vectors = at(0, 60, 50, 10, 65)
    gallery = np.array([0, 1])
    assert recognition.draw_found(vectors, gallery, [np.array([3]), np.array([4])])
    assert not recognition.draw_found(vectors, gallery, [np.array([2]), np.array([4])])
    assert not recognition.draw_found(vectors, gallery, [np.array([2, 3]), np.array([3])])
    # The pictures at 55 are nearer to the other's, on average too; that at 4 decides.
    assert recognition.draw_found(at(0, 60, 55, 55, 4, 65), gallery, [np.array([2, 3, 4]), np.array([5])])
    assert not recognition.draw_found(without(vectors, 0), gallery, [np.array([3]), np.array([4])])


def test_draws_of_people_far_apart_all_succeed_and_of_mixed_ones_never():
    far = at(0, 5, 90, 95, 180, 185, 270)
    people = np.array([0, 0, 1, 1, 2, 2, 3])
    assert recognition.several(people).tolist() == [0, 1, 2]
    assert recognition.draws(far, people, 3, 20, 0) == 1
    mixed = at(0, 90, 90, 0, 180, 185, 270)
    assert recognition.draws(mixed, people, 3, 20, 0) == 0


def test_draws_fail_as_often_as_two_who_are_mixed_up_are_drawn_together():
    """Persons 0 and 1 have each other's pictures: of the six pairs out of four persons one fails."""
    vectors, people = at(0, 40, 40, 0, 180, 185, 270, 275), np.array([0, 0, 1, 1, 2, 2, 3, 3])
    share = recognition.draws(vectors, people, 2, 600, 3)
    assert share == pytest.approx(5 / 6, abs=0.04) and share == recognition.draws(vectors, people, 2, 600, 3)
    assert share != recognition.draws(vectors, people, 2, 600, 4)


def test_draws_draw_the_gallery_picture_too():
    """Person 0 is found where the picture at 50 is the gallery's: from 50, person 1 is nearer than 0."""
    vectors, people = at(0, 50, 60, 65), np.array([0, 0, 1, 1])
    assert recognition.draws(vectors, people, 2, 600, 0) == pytest.approx(1 / 2, abs=0.06)


@pytest.mark.parametrize(("hits", "count", "bound"), [(0, 100, 0.0263), (5, 100, 0.0991), (100, 100, 1.0)])
def test_at_most_is_wilsons_upper_end(hits, count, bound):
    assert recognition.at_most(hits, count) == pytest.approx(bound, abs=1e-4)
