"""How far a candidate stands out of the crowd, worked out by hand; and the error rates read from tables."""

from __future__ import annotations

import json

import numpy as np
import pytest

from operators.face_rates import NAMED, RATES, load
from operators.likeness import LONE, ONE, SHARE, standings
from schemas.errors import ConfigError

SIDE = 128


def vectors(*cosines: float) -> np.ndarray:
    """Unit vectors at these cosines to the first axis, each in a plane of its own: mutual cosines are products."""
    found = np.zeros((len(cosines), SIDE), np.float32)
    for at, cosine in enumerate(cosines):
        found[at, 0], found[at, at + 1] = cosine, (1 - cosine**2) ** 0.5
    return found


PROBE = np.eye(1, SIDE, dtype=np.float32)[0]


def test_standing_alone_takes_off_the_lone_crowd():
    alone = standings(PROBE, vectors(0.95), np.array([0]))
    assert alone == pytest.approx([0.95 - SHARE * LONE], abs=1e-6)


def test_standing_takes_off_most_of_what_both_crowds_reach():
    """Crowd of the probe: 0.9 and 0.88, else LONE; of the candidate: products below LONE, so LONE."""
    found = standings(PROBE, vectors(0.94, 0.9, 0.88), np.arange(3), 1)
    around = (0.9 + 0.88 + 3 * LONE) / 5
    assert found == pytest.approx([0.94 - SHARE * (around + LONE) / 2], abs=1e-6)


def test_standing_of_somebody_who_is_indexed_many_times_is_not_hidden_by_himself():
    himself = np.repeat(vectors(0.97), 6, 0)
    assert standings(PROBE, himself, np.arange(6), 1) == pytest.approx([0.97 - SHARE * LONE], abs=1e-6)
    # Five lookalikes of one another's likeness below ONE are five people, and hide the candidate.
    crowd = vectors(*[0.97] * 6)
    assert float(crowd[0] @ crowd[1]) < ONE
    assert standings(PROBE, crowd, np.arange(6), 1)[0] < 0.97 - SHARE * LONE - 0.08


def test_standing_looks_of_one_subject_are_no_crowd_of_one_another():
    found = standings(PROBE, vectors(0.95, 0.93, 0.92), np.array([7, 7, 7]), 1)
    assert found == pytest.approx([0.95 - SHARE * LONE], abs=1e-6)


def test_standing_others_that_were_not_fetched_may_be_as_alike_as_the_last_one_that_was():
    himself = np.repeat(vectors(0.97), 6, 0)
    assert standings(PROBE, himself, np.arange(6), 1, least=0.95) == pytest.approx([0.97 - SHARE * 0.95], abs=1e-6)
    # what was fetched counts as it is where it is more alike
    found = standings(PROBE, vectors(0.94, 0.93, 0.88), np.arange(3), 1, least=0.9)
    around = (0.93 + 4 * 0.9) / 5
    assert found == pytest.approx([0.94 - SHARE * (around + 0.9) / 2], abs=1e-6)


def test_standings_of_nobody_are_none():
    assert standings(PROBE, np.empty((0, SIDE), np.float32), np.empty(0, np.intp)).shape == (0,)


def table() -> bytes:
    curve = [[0.90, 0.1], [0.92, 0.01], [0.96, 0.0001]]
    single = {"30": [[0.5, 0.1], [0.6, 0.01]], "48": [[0.4, 0.1], [0.5, 0.01]]}
    rates = {"comparison": {"30": [[0.93, 0.1]], "48": curve}, "accepted": {"48": [[0.9, 0.99], [0.95, 0.8]]},
             "search": {"single": single, "pooled": {"30": [[0.7, 0.01]]}}, "small": [[10, 0.02], [1000, 0.0]]}
    return json.dumps({"embedders": {"made": rates}}).encode()


@pytest.mark.parametrize(
    ("cosine", "width", "rate"),
    [
        (0.5, 60, 1.0), (0.90, 60, 0.1), (0.91, 60, 10**-1.5), (0.92, 60, 0.01), (0.94, 60, 1e-3), (0.96, 60, 1e-4),
        (0.999, 60, 1e-4), (0.95, 47, 0.1), (0.95, 12, 0.1),
    ],
)
def test_rates_of_a_comparison_lie_on_the_curve_and_never_beyond(cosine, width, rate):
    assert load(table(), "made").of_comparison(cosine, width) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("subjects", "needed"), [(1, 0.52), (10, 0.52), (100, 0.51), (1000, 0.5), (1_000_000, 0.5)]
)
def test_rates_of_a_search_need_more_among_few(subjects, needed):
    rates = load(table(), "made")
    assert rates.needed(0.01, subjects, 100, "single") == pytest.approx(needed)
    assert rates.of_search(needed + 1e-9, subjects, 100, "single") == pytest.approx(0.01)
    assert rates.of_search(needed - 0.2, subjects, 100, "single") == 1.0
    assert rates.needed(0.001, subjects, 100, "single") == float("inf")


def test_rates_of_pools_are_their_own():
    rates = load(table(), "made")
    assert rates.needed(0.01, 1000, 200, "pooled") == 0.7 and rates.share_accepted(0.9, 10) == 0.99


@pytest.mark.parametrize("data", [b"", b"{}", b'{"embedders": {"made": {}}}', b'{"embedders": {"other": {}}}'])
def test_rates_that_cannot_be_read_are_named(data):
    with pytest.raises(ConfigError, match="rates"):
        load(data, "made")


@pytest.mark.parametrize("embedder", ["face-embedder", "face-embedder-int8"])
def test_shipped_rates_ask_more_of_small_faces_and_pools(embedder):
    rates = load(RATES.read_bytes(), embedder)
    for kind in ("single", "pooled"):
        assert rates.needed(NAMED, 900, 100, kind) < 1
        assert rates.needed(NAMED, 10, 100, kind) >= rates.needed(NAMED, 900, 100, kind)
    assert rates.needed(NAMED, 900, 100, "pooled") > rates.needed(NAMED, 900, 100, "single")
    assert rates.share_accepted(0.93, 30) < rates.share_accepted(0.93, 96)
    assert rates.of_comparison(0.93, 30) > rates.of_comparison(0.93, 96)
