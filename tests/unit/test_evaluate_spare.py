"""`eval spare`: rates are those of the pairs, bounds are exact, and drawn tracks are tracks of the face they show."""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
import pytest

from operators.detect import FaceDetector
from operators.spare import SpareSettings
from schemas.regions import Array
from streams.demo.cast import Scene
from streams.demo.compose import PersonPicture
from streams.demo.pictures import Photograph
from streams.evaluate.spare import BETWEEN, LANE, rates, side_by_side
from streams.evaluate.spare_tracks import (
    VIDEO,
    WIDTHS,
    ZOOM,
    Drawn,
    Rate,
    false_matches,
    film,
    found_again,
    most,
    pareto,
    tail,
)
from streams.setup import detector
from tests.support.pictures import ASTRONAUT_FACE, astronaut

SETTINGS = SpareSettings(looks=2, pooled=0.95, each=0.9)
AXES = np.eye(128, dtype=np.float32)


def _near(axis: int, cosine: float, other: int) -> Array:
    return np.asarray(cosine * AXES[axis] + math.sqrt(1 - cosine**2) * AXES[other], np.float32)


def _drawn(tracks: list[list[Array]], pictures: list[Array], people: list[int]) -> Drawn:
    return Drawn(np.stack(pictures), np.stack([np.stack(one) for one in tracks]), np.array(people, np.intp))


NONE = np.full(128, np.nan, np.float32)


def test_false_matches_counts_tracks_that_pass_for_somebody_else() -> None:
    pictures = [AXES[0], AXES[0], AXES[1], AXES[2]]
    tracks = [[AXES[0]] * 2, [_near(1, 0.97, 5)] * 2, [_near(1, 0.97, 5), AXES[5]], [NONE] * 2]
    drawn = _drawn(tracks, pictures, [0, 0, 1, 2])
    # of 3 tracks that can be read, two with two and one with three pictures of others; the second is like the third's
    assert false_matches(drawn, SETTINGS) == Rate(1, 7, 1, 1)
    assert false_matches(drawn, SETTINGS, np.array([0, 2])) == Rate(0, 2, 0, 0)


def test_found_again_by_another_picture_or_by_the_same() -> None:
    pictures = [AXES[0], _near(0, 0.96, 7), AXES[1]]
    drawn = _drawn([[AXES[0]] * 2, [AXES[9]] * 2, [AXES[1]] * 2], pictures, [0, 0, 1])
    assert found_again(drawn, SETTINGS) == Rate(1, 2)
    assert found_again(drawn, SETTINGS, same=True) == Rate(2, 3)


@pytest.mark.parametrize(("hits", "upper"), [(0, 2.9957e-3), (1, 4.7439e-3), (10, 1.6962e-2)])
def test_most_is_the_exact_poisson_bound(hits: int, upper: float) -> None:
    assert most(hits, 1000) == pytest.approx(upper, rel=1e-3)


@pytest.mark.parametrize(("values", "rate"), [
    (lambda rng: rng.exponential(0.01, 2_000_000), lambda x: math.exp(-x / 0.01)),
    (lambda rng: rng.pareto(5, 2_000_000), lambda x: (1 + x) ** -5),
])
def test_pareto_goes_on_where_counting_ends(values, rate) -> None:
    found = values(np.random.default_rng(3))
    for share in (1e-4, 1e-5):
        at = float(np.quantile(found, 1 - share))
        assert pareto(found, at) == pytest.approx(rate(at), rel=0.6)
    assert pareto(found, float(np.median(found))) == pytest.approx(0.5, abs=1e-3)


def test_tail_among_those_who_look_alike_is_higher() -> None:
    rng = np.random.default_rng(1)
    groups = np.repeat(AXES[:4], 15, 0)
    vectors = groups + rng.normal(0, 0.06, (60, 128))
    vectors = np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
    drawn = Drawn(vectors, np.repeat(vectors[:, None], 2, 1), np.arange(60))
    assert tail(drawn, 0.75, 0.2) > 3 * tail(drawn, 0.75) > 0


def test_rates_miss_their_target_where_strangers_are_taken_for_one_another() -> None:
    rng = np.random.default_rng(2)
    vectors = np.asarray(rng.normal(0, 1, (40, 128)), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[3] = vectors[1]
    drawn = Drawn(vectors, np.repeat(vectors[:, None], 2, 1), np.arange(40))
    found = {one.id: one for one in rates(drawn, SETTINGS)}
    assert found["false_matches_all"].value == found["false_matches_held_out"].value == 2
    assert found["false_matches_people_all"].value == 1 and found["false_match_rate_held_out"].holds is False
    assert found["spared_same"].value == 1


def test_film_shows_the_face_where_it_says_and_equal_arguments_give_equal_frames() -> None:
    find: FaceDetector = detector()
    frames = film(astronaut(), ASTRONAUT_FACE, 3, 5)
    again = film(astronaut(), ASTRONAUT_FACE, 3, 5)
    assert all(np.array_equal(a[0].y, b[0].y) and a[1] == b[1] for a, b in zip(frames, again, strict=True))
    assert not np.array_equal(film(astronaut(), ASTRONAUT_FACE, 1, 6)[0][0].y, frames[0][0].y)
    for planes, region in frames:
        x1, y1, x2, y2 = region.box
        assert WIDTHS[0] * (1 - ZOOM) <= x2 - x1 <= WIDTHS[1] * (1 + ZOOM)
        found = find.detect_planes(planes, VIDEO).boxes
        middles = (found[:, :2] + found[:, 2:]) / 2
        assert np.abs(middles - ((x1 + x2) / 2, (y1 + y2) / 2)).max(1).min() < (x2 - x1) / 4


def test_side_by_side_keeps_everybody_in_their_lane_where_the_truth_says(tmp_path: Path) -> None:
    photograph = Photograph(Path(find_spec("skimage").submodule_search_locations[0]) / "data" / "astronaut.png")
    scenes = [Scene(f"lane-{k}", (PersonPicture(f"person-{k}", photograph),), k, 4.0, (80.0, 120.0)) for k in (1, 2)]
    truth = side_by_side(scenes, tmp_path, tmp_path / "out.mp4")
    assert truth.labels == ("person-1", "person-2") and truth.width == 2 * (LANE[0] + BETWEEN)
    with av.open(str(tmp_path / "out.mp4")) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(pictures) == len(truth.frames) and [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    seen = {label: truth.track(label, 1.0) for label in truth.labels}
    for lane, label in enumerate(truth.labels):
        left = lane * (LANE[0] + BETWEEN)
        assert all(left <= box[0] and box[2] <= left + LANE[0] for box in seen[label].values())
        number, box = sorted(seen[label].items())[len(seen[label]) // 2]
        found = detector().detect(pictures[number]).boxes
        middles = (found[:, :2] + found[:, 2:]) / 2
        assert np.abs(middles - ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)).max(1).min() < (box[2] - box[0]) / 4
