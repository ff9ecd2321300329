"""Searches of galleries and the open set, on unit vectors whose angles were chosen by hand."""

from __future__ import annotations

import numpy as np
import pytest

from streams.evaluate import open_set
from streams.evaluate.recognition import NEVER
from tests.unit.test_evaluate_recognition import at, without

# Persons 0, 1, 2 with pictures at 0, 10 and 50 | 60 and 70 | 180 degrees. Person 0's picture at 50 is nearer to 1.
VECTORS, PEOPLE = at(0, 10, 50, 60, 70, 180), np.array([0, 0, 0, 1, 1, 2])


def first():
    return next(open_set.turns(PEOPLE))


def test_turns_take_another_picture_of_each_who_has_one():
    galleries = [(gallery.tolist(), probes.tolist()) for gallery, probes in open_set.turns(PEOPLE, 3)]
    assert galleries == [([0, 3, 5], [1, 2, 4]), ([1, 4, 5], [0, 2, 3]), ([2, 3, 5], [0, 1, 4])]


@pytest.mark.parametrize(("missing", "places"), [
    (None, [1, 2, 1]), (1, [NEVER, 2, 1]), (0, [NEVER, NEVER, 1]), (5, [1, 2, 1]),
])
def test_search_places_its_own_person_and_never_who_has_no_vector(missing, places):
    vectors = VECTORS if missing is None else without(VECTORS, missing)
    gallery, probes = first()
    found = open_set.search(vectors[probes], PEOPLE[probes], vectors[gallery], PEOPLE[gallery])
    assert found.place.tolist() == places and found.right.tolist() == [place == 1 for place in places]


def test_search_of_strangers_leaves_out_their_own_person():
    gallery, _ = first()
    found = open_set.search(VECTORS, PEOPLE, VECTORS[gallery], PEOPLE[gallery], strangers=True)
    assert not found.right.any() and set(found.place.tolist()) == {NEVER}
    # At 60 and 50 degrees to the nearest stranger, nobody else near: the cosine less what a lone crowd takes.
    assert found.best[0] - found.best[1] == pytest.approx(np.cos(np.radians(60)) - np.cos(np.radians(50)), abs=1e-5)


def test_needed_lets_as_many_strangers_over_as_the_bound_allows():
    best = np.linspace(0, 1, 2000, dtype=np.float32)
    found = open_set.Searches(best, best > 2, np.full(2000, NEVER), np.arange(2000))
    # Wilson's bound of 12 in 2,000 is 0.0097, of 13 it is 0.0103.
    assert (best >= open_set.needed(found, 0.01, 2000)).sum() == 12
    assert (best >= open_set.needed(found, 0.01, 20)).sum() == 0


def test_open_set_of_people_apart_names_everybody_right_and_no_stranger():
    people = np.repeat(np.arange(20), 2)
    vectors = np.eye(40, 128, dtype=np.float32)[people] + np.eye(40, 128, k=40, dtype=np.float32) / 10
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    figures = {one.id: one for one in open_set.figures(vectors, people)}
    assert [figures[one].value for one in ("rank1", "rank5", "fpir", "tpir")] == [1, 1, 0, 1]
    assert "rank1_template" not in figures and figures["fpir"].n == 120 and not figures["fpir_upper"].holds


def test_templates_are_means_of_a_persons_other_pictures():
    figures = {one.id: one for one in open_set.templates(VECTORS, PEOPLE)}
    assert figures["rank1_template"].n == 1 and figures["rank1_template"].value == 1
