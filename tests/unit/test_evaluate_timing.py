"""Figures of latency and memory, worked out by hand."""

import math

import pytest

from streams.evaluate import latency, memory
from streams.evaluate.latency import Timed
from streams.evaluate.report import Figure


def timed(*seconds: float, unseen: int = 0) -> Timed:
    places = [("v", number) for number in range(len(seconds) + unseen)]
    return Timed(
        {place: float(place[1]) for place in places},
        {place: place[1] + late for place, late in zip(places, seconds, strict=False)},
    )


def by_id(figures: list[Figure]) -> dict[str, Figure]:
    return {figure.id: figure for figure in figures}


def test_figures_latency_gives_median_and_95th_of_100() -> None:
    found = by_id(latency.figures(timed(*(number / 100 for number in range(1, 102))), 1.0, 1))

    assert found["latency_p50_s"].value == pytest.approx(0.51)
    assert found["latency_p95_s"].value == pytest.approx(0.96)
    assert found["latency_p95_s"].target == 2.5
    assert found["latency_chunks_lost"].holds


def test_figures_latency_chunk_never_seen_counts_as_endless() -> None:
    found = by_id(latency.figures(timed(1.0, 1.0, unseen=1), 1.0, 1))

    assert math.isinf(found["latency_p95_s"].value)
    assert found["latency_chunks_lost"].value == 1
    assert found["latency_p95_s"].holds is found["latency_chunks_lost"].holds is False


@pytest.mark.parametrize(
    ("samples", "growth"),
    [([300.0, 400.0, 401.0, 402.0], 2.0), ([300.0, 400.0, 500.0, 350.0, 380.0, 390.0, 410.0, 420.0], -10.0)],
)
def test_figures_memory_growth_is_last_quarter_less_second(samples: list[float], growth: float) -> None:
    found = by_id(memory.figures(samples, [2] * len(samples), timed(1.0), 4.0, 2))

    assert found["worker_rss_growth_mib"].value == growth
    assert found["worker_rss_max_mib"].value == max(samples)
    assert found["worker_lag_chunks"].holds
