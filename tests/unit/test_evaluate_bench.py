"""The bench runs the real things on a small clip; what it divides is what it measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from operators.detect.face import frozen
from operators.effort import COARSE
from schemas.errors import ConfigError
from schemas.frames import Planes, VideoFormat
from schemas.regions import Detections, boxes
from streams.evaluate import bench, bench_operators
from streams.setup import file_policy
from tests.support.scenes import crossing, written


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return written(tmp_path / "clip.mp4", crossing(10))


def test_scaled_goes_there_and_back_until_there_are_enough(clip: Path, tmp_path: Path) -> None:
    assert bench.scaled(clip, tmp_path / "out.mp4", 320, 224, 27) == 27
    with av.open(str(tmp_path / "out.mp4")) as container:
        frames = [frame.to_ndarray(format="gray").astype(int) for frame in container.decode(video=0)]
    assert len(frames) == 27 and frames[0].shape == (224, 320)
    assert abs(frames[9] - frames[10]).mean() < 2 < abs(frames[0] - frames[9]).mean()


def test_evaluate_divides_by_the_floor_of_the_same_run(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "SIZES", {"720p": (320, 224)})
    seconds = iter((2.0, 1.0, 4.0, 3.0))
    ran: list[str] = []

    def timed(work, *given, **named) -> float:
        work(*given, **named)
        ran.append("")
        return next(seconds)

    monkeypatch.setattr(bench, "timed", timed)
    found = {one.id: one for one in bench.evaluate(clip, tmp_path, 50, ("ultrafast",), deface=False)}
    assert found["floor_ratio_720p_ultrafast"].value == 0.5 and not found["floor_ratio_720p_ultrafast"].holds
    assert found["floor_all_cores_ratio_720p_ultrafast"].value == 0.25
    assert found["floor_ratio_no_evidence_720p_ultrafast"].value == pytest.approx(2 / 3)
    assert len(ran) == 4 and (tmp_path / "out.mp4").exists() and (tmp_path / "out.sealed").exists()


def test_evaluate_empty_divides_by_decoding(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "SIZES", {})
    monkeypatch.setattr(bench, "EMPTY_SIZES", {"360p": (320, 224)})
    seconds = iter((1.0, 4.0))
    monkeypatch.setattr(bench, "timed", lambda work, *given, **named: (work(*given, **named), next(seconds))[1])
    (one,) = bench.evaluate_empty(clip, tmp_path, 50, "ultrafast")
    assert one.id == "empty_ratio_360p" and one.value == 0.25 and one.holds


def test_operators_are_timed_one_by_one_and_sum_up(clip: Path, tmp_path: Path) -> None:
    chunks = bench.chunks_of(clip, tmp_path / "x.mp4", 320, 224, 50)
    policy = file_policy(method="veil", quality="high", stride=5, crf=23, preset="ultrafast", keep_evidence=True)
    found = {one.id: one for one in bench_operators.evaluate(chunks, policy, Everywhere())}
    parts = [found[f"{name}_ms"].value for name in bench_operators.OPERATORS]
    assert all(part > 0 for part in parts) and sum(parts) == pytest.approx(found["all_ms"].value)
    assert found["look_ms"].n == 11 and found["region_ms"].n == 50
    pictures = len(chunks[0].units) * 320 * 224 * 1.5 / 2**20
    assert pictures - 0.1 < float(found["decode_ms"].note.split("up to ")[1].split()[0]) < pictures + 0.5


def test_operators_as_for_a_late_camera_look_as_often_and_are_all_measured(clip: Path, tmp_path: Path) -> None:
    chunks = bench.chunks_of(clip, tmp_path / "x.mp4", 320, 224, 50)
    policy = file_policy(method="veil", quality="high", stride=5, crf=23, preset="medium", keep_evidence=True)
    found = {one.id: one for one in bench_operators.evaluate(chunks, policy, Everywhere(), COARSE)}
    assert found["look_ms"].n == 11 and found["region_ms"].n == 50


@pytest.mark.parametrize(("watch", "searches"), [(True, 6), (False, 16)])
def test_operators_search_a_place_where_nothing_moves_as_the_policy_says(
    tmp_path: Path, watch: bool, searches: int
) -> None:
    path = written(tmp_path / "still.mp4", crossing(10)[:1] * 10)
    chunks = bench.chunks_of(path, tmp_path / "x.mp4", 320, 224, 50)
    policy = file_policy(method="veil", quality="high", stride=5, crf=23, preset="ultrafast", keep_evidence=True)
    finder = Counting()
    bench_operators.evaluate(chunks, replace(policy, watch=watch), finder)
    assert finder.count == searches  # three chunks of 4, 4 and 2 looks, then the first alone; last frames whole


def test_operators_where_the_detector_fails_mask_whole_and_go_on(clip: Path, tmp_path: Path) -> None:
    chunks = bench.chunks_of(clip, tmp_path / "x.mp4", 320, 224, 50)
    policy = file_policy(method="veil", quality="high", stride=5, crf=23, preset="ultrafast", keep_evidence=True)
    found = {one.id: one for one in bench_operators.evaluate(chunks, policy, Broken())}
    assert found["regions"].value == 0 and found["look_ms"].n == 0 and found["paint_ms"].value > 0


class Everywhere:
    """Finds one face, always at the same place."""

    def detect_planes(self, planes: Planes, video: VideoFormat, size: int = 640) -> tuple[Detections, ...]:
        """The face."""
        return (Detections("face", boxes([[40, 40, 90, 100]]), frozen(np.ones(1)), frozen(np.zeros((1, 5, 2)))),)


class Counting(Everywhere):
    """Counts how often it is asked."""

    count = 0

    def detect_planes(self, planes: Planes, video: VideoFormat, size: int = 640) -> tuple[Detections, ...]:
        """The face."""
        self.count += 1
        return super().detect_planes(planes, video, size)


class Broken:
    """Never finds anything, for its network fails."""

    def detect_planes(self, planes: Planes, video: VideoFormat, size: int = 640) -> tuple[Detections, ...]:
        """Fails."""
        raise ConfigError("the network fails")
