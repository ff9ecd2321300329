"""Figures of latency and memory, worked out by hand."""

import math
import os

import numpy as np
import pytest

from operators.masks import pack_masks
from schemas.records import OperatorChunk
from streams.demo.compose import Face, Truth
from streams.evaluate import bench_faces, bench_stream, bench_throughput, latency, memory
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


FACES = (Face("one", (32, 32, 64, 64), 1.0, b"\xff" * 128), Face("far", (0, 0, 8, 8), 1.0, b"\xff" * 8))
TRUTH = Truth(96, 96, 25, ("one", "far"), (FACES, FACES, FACES[:1] * 3, FACES[:1] * 3))


def arrived(seq: int, columns: int, *, gaps: int = 0, effort: int = 0) -> OperatorChunk:
    """Two frames whose masks hide so many of the face's two columns of blocks."""
    mask = np.zeros((6, 6), bool)
    mask[2:4, 2 : 2 + columns] = True
    packed = pack_masks([mask, mask])
    return OperatorChunk("c", "v", seq, 2 * seq, 0, (0, 1), 2, packed, "", (), b"", 0, b"", gaps=gaps, effort=effort)


def test_chunk_that_a_later_one_passes_is_lost_and_waited_for_no_longer() -> None:
    found = Timed({("v", seq): float(seq) for seq in range(4)})
    found.see(arrived(0, 2), 1.5)
    assert (found.waiting, found.lost) == (3, set())
    found.see(arrived(2, 2, gaps=2), 4.0)
    assert (found.waiting, found.lost) == (1, {("v", 1)})
    assert found.seconds == [1.5, 2.0]


def test_figures_stream_say_what_was_spent_lost_and_left_open() -> None:
    run = Timed({("v", seq): float(seq) for seq in range(3)})
    run.see(arrived(0, 2), 1.0)
    run.see(arrived(1, 1, effort=1), 2.5)
    found = by_id(bench_stream.figures(run, {"c": TRUTH}, 4.0, 1.0, "veryfast"))
    values = {name.removeprefix("stream_veryfast_"): figure.value for name, figure in found.items()}
    # of 2 + 6 faces large enough the six in the second chunk are half bare
    assert values == {
        "latency_p50_s": 1.5, "latency_p95_s": math.inf, "chunks_dropped": 0, "chunks_unseen": 1, "sparse": 0.5,
        "coarse": 0.0, "whole": 0.0, "frames_per_second": 1.0, "leak_rate": 0.75, "crowded_share": 0.5,
    }  # fmt: skip
    assert found["stream_veryfast_leak_rate"].n == 8


def test_figures_throughput_are_ratios_of_the_run() -> None:
    found = by_id(bench_throughput.figures(50.0, {1: 40.0, 4: 44.0}, {1: 300.0, 4: 690.0}, 100))

    assert found["kafka_ratio"].value == 0.8
    assert found["streams_ratio"].value == pytest.approx(1.1)
    assert found["memory_a_camera_mib"].value == 130.0
    assert found["kafka_ratio"].holds and found["streams_ratio"].holds
    assert not found["memory_a_camera_mib"].holds


def test_peak_memory_samples_a_living_process() -> None:
    class OfThis:
        def status(self) -> dict[str, int]:
            return {"worker": os.getpid()}

    with bench_throughput.peak_memory(OfThis()) as samples:
        pass
    assert samples and min(samples) > 10


def test_figures_faces_follow_a_straight_line() -> None:
    found = by_id(bench_faces.figures([(2.0, 12.0, 150), (42.0, 52.0, 150)]))

    assert found["a_face_ms"].value == 1.0
    assert found["faces_ratio"].value == pytest.approx(40 / 11)
    assert not found["faces_ratio"].holds
