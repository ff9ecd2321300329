"""The attack suite on made-up people: it finds who is bare, and nobody behind a mask that shows nothing."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from operators.desensitise.averages import MOSAIC
from operators.desensitise.fixed import SOLID
from schemas.errors import UsageError
from schemas.regions import Array
from streams.evaluate.attack import reidentify
from streams.evaluate.attack.attackers import Asked, Known, edges, together
from streams.evaluate.attack.counts import most, rate
from streams.evaluate.attack.film import CHROMA, LUMA, Bare, Camera, Trying, sampled, shipped
from streams.evaluate.attack.people import Album, Search, folds

DIMENSIONS = LUMA * LUMA + 2 * CHROMA * CHROMA
BOX = (34.0, 30.0, 86.0, 98.0)


@pytest.mark.parametrize(
    ("hits", "n", "bound"),
    [(0, 10, 0.2589), (1, 10, 0.3942), (5, 100, 0.1023), (0, 1131, 0.00265), (10, 10, 1.0), (94, 1131, 0.0979)],
)
def test_most_gives_one_sided_clopper_pearson(hits: int, n: int, bound: float) -> None:
    assert most(hits, n) == pytest.approx(bound, rel=2e-3)


def test_rate_of_hits_that_come_by_person_is_bounded_wider() -> None:
    people = np.repeat(np.arange(100), 10)
    spread, lumped = np.arange(1000) % 20 == 0, people < 5
    assert rate(spread, people).share == rate(lumped, people).share == 0.05
    assert rate(spread, people).most == pytest.approx(most(50, 1000))
    assert rate(lumped, people).most > 0.09


def test_folds_share_nobody_with_training_and_search_everybody_once_a_round() -> None:
    people = np.array([0, 0, 0, 1, 2, 2, *np.repeat(np.arange(3, 60), 2)], np.intp)
    found = folds(people, 20, 3, 0)
    searched = [row for fold in found for search in fold.searches for row in search.probes]
    assert len(found) == 3
    for fold in found:
        for search in fold.searches:
            members = set(people[search.gallery].tolist())
            assert len(members) == 20
            assert not members & set(people[fold.training].tolist())
            assert not set(search.gallery.tolist()) & set(search.probes.tolist())
            assert (people[search.gallery][search.own] == people[search.probes]).all()
    assert sorted({people[row] for row in searched}) == [one for one in range(60) if one != 1]
    assert [searched.count(row) for row in (0, 4, 5)] == [2, 1, 1]


def test_folds_without_enough_people_say_so() -> None:
    with pytest.raises(UsageError, match="are needed"):
        folds(np.repeat(np.arange(30), 2).astype(np.intp), 20, 1, 0)


def test_first_draws_among_equals() -> None:
    search = Search(np.arange(4), np.arange(2000), np.zeros(2000, np.intp))
    hits = reidentify.first(np.ones((2000, 4)), search, np.random.default_rng(0))
    assert 0.2 < hits.mean() < 0.3


def test_attackers_find_people_that_differ_and_nobody_in_noise() -> None:
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(120), 3)
    coarse = rng.normal(0, 25, (120, 4, 4)).astype(np.float32)
    shown = np.stack([cv2.resize(one, (LUMA, LUMA), interpolation=cv2.INTER_LINEAR) for one in coarse])
    vectors = rng.normal(0, 1, (120, 128)).astype(np.float32)[people]
    assert _hits(_views(shown, people, rng), people, vectors) > 0.9
    assert _hits(_views(0 * shown, people, rng), people, vectors) < 0.1


def _views(shown: Array, people: npt.NDArray[np.int64], rng: np.random.Generator) -> Array:
    views = rng.normal(128, 6, (len(people), 2, DIMENSIONS)).astype(np.float32)
    views[:, :, : LUMA * LUMA] += shown[people].reshape(len(people), 1, -1)
    return views


def _hits(views: Array, people: npt.NDArray[np.int64], vectors: Array) -> float:
    known = people < 80
    guess = together(Known(views[known], people[known], vectors[known]))["together"]
    rows = np.flatnonzero(~known)
    gallery, probes = rows[::3], rows[1::3]
    scores = guess(Asked(views[probes, 0], views[gallery], vectors[gallery]))
    return float((scores.argmax(1) == np.arange(40)).mean())


def test_edges_tell_a_line_across_from_one_down() -> None:
    views = np.full((2, DIMENSIONS), 100, np.float32)
    views[0].reshape(-1)[: LUMA * LUMA].reshape(LUMA, LUMA)[LUMA // 2 :] = 200
    views[1].reshape(-1)[: LUMA * LUMA].reshape(LUMA, LUMA)[:, LUMA // 2 :] = 200
    across, down = edges(views)
    assert across @ down == pytest.approx(0, abs=1e-6)
    assert across @ across > 0.5


def _picture(rng: np.random.Generator, person: int) -> npt.NDArray[np.uint8]:
    coarse = np.random.default_rng(person).integers(40, 216, (5, 5, 3)).astype(np.uint8)
    rgb = np.full((160, 120, 3), 90, np.uint8)
    rgb[20:108, 24:96] = cv2.resize(coarse, (72, 88), interpolation=cv2.INTER_CUBIC)
    return (rgb + rng.integers(0, 8, rgb.shape)).astype(np.uint8)


def test_shipped_regions_show_the_original_bare_and_one_colour_grey() -> None:
    rng = np.random.default_rng(1)
    policies = [Trying({}, custodian=False, tried=method) for method in (Bare(), SOLID, MOSAIC)]
    shot = Camera(0).still(_picture(rng, 3), BOX, 64)
    bare, grey, mosaic = (sampled(seen[0].region).astype(np.int64) for seen in shipped(shot, policies))
    assert bare[: LUMA * LUMA].std() > 12
    assert np.abs(grey - 128).max() <= 3
    assert 3 < np.abs(mosaic - bare)[: LUMA * LUMA].mean() < 40


def test_same_seed_films_the_same_shots() -> None:
    picture = _picture(np.random.default_rng(1), 3)
    first, again, other = (Camera(seed).still(picture, BOX, 48) for seed in (5, 5, 6))
    assert first.chunks == again.chunks
    assert first.chunks != other.chunks


def test_suite_finds_bare_people_and_nobody_behind_grey(tmp_path: Path) -> None:
    rng, paths, people = np.random.default_rng(2), [], []
    for person in range(28):
        for number in range(2):
            paths.append(tmp_path / f"{person}-{number}.png")
            people.append(person)
            cv2.imwrite(str(paths[-1]), _picture(rng, person))
    n = len(paths)
    landmarks = np.array([[48, 55], [72, 55], [60, 68], [50, 82], [70, 82]], np.float32)
    vectors = np.random.default_rng(3).normal(0, 1, (28, 128)).astype(np.float32)[people]
    boxes = np.tile(np.array(BOX, np.float32), (n, 1))
    album = Album(tuple(paths), np.array(people, np.intp), boxes, np.tile(landmarks, (n, 1, 1)), vectors)
    cut = folds(album.people, 8, 1, 0)
    kinds = (*reidentify.KINDS, *reidentify.BESIDE)
    results = reidentify.evaluate(album, [Bare(), SOLID], [32], cut, _mean_colours, 0, kinds=kinds)
    found = {(one.method, one.kind): one.strongest[1] for one in results}
    assert found["bare", "picture"].share > 0.7
    assert found["bare", "track"].share > 0.4
    assert all(found["solid", kind].share < 0.5 for kind in reidentify.KINDS)
    assert found["solid", "picture"].n == 28
    assert found["solid", "outline"].share < 0.5
    assert found["solid", "around"].n == 28
    figures = reidentify.figures(results, "solid")
    assert [figure.id for figure in figures[:2]] == ["rank1_most_bare_naive_32", "rank1_most_bare_picture_32"]
    assert figures[0].holds is None
    assert [figure.holds for figure in figures[6:]] == [None] + [False] * 3 + [None] * 2


def _mean_colours(chips: npt.NDArray[np.uint8]) -> Array:
    return np.repeat(chips.mean((1, 2)).astype(np.float32), 43, 1)[:, :128]
