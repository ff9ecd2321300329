"""The bench runs the real things on a small clip; what it divides is what it measured."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from streams.evaluate import bench
from tests.support.scenes import crossing, picture


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 112, "yuv420p"
        for place in crossing(10):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture(place).y, "gray").reformat(format="yuv420p")))
        out.mux(stream.encode(None))
    return path


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
    seconds = iter((2.0, 4.0, 3.0))
    ran: list[str] = []

    def timed(work, *given, **named) -> float:
        work(*given, **named)
        ran.append("")
        return next(seconds)

    monkeypatch.setattr(bench, "timed", timed)
    found = {one.id: one for one in bench.evaluate(clip, tmp_path, 50, ("ultrafast",), deface=False)}
    assert found["floor_ratio_720p_ultrafast"].value == 0.5 and not found["floor_ratio_720p_ultrafast"].holds
    assert found["floor_ratio_no_evidence_720p_ultrafast"].value == pytest.approx(2 / 3)
    assert len(ran) == 3 and (tmp_path / "out.mp4").exists() and (tmp_path / "out.sealed").exists()
