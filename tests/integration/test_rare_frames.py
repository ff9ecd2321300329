"""Who is seen between two looks: in slow video, in a folder of pictures, right before a cut or a pause in recording."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from streams.cli.anonymize import anonymize
from tests.support.pictures import astronaut

SIDE = 160


def _wall(shows: bool, *, other: bool = False) -> np.ndarray:
    """A picture (240, 320, 3) RGB of a wall, with a face before it; `other`: of another place."""
    rng = np.random.default_rng(7 if other else 3)
    coarse = rng.integers(0, 90, (6, 8, 3)) if other else rng.integers(110, 200, (12, 16, 3))
    canvas = cv2.resize(coarse.astype(np.uint8), (320, 240), interpolation=cv2.INTER_CUBIC)
    if shows:
        canvas[40 : 40 + SIDE, 80 : 80 + SIDE] = cv2.resize(astronaut()[:256, 96:352], (SIDE, SIDE))
    return canvas


def _film(path: Path, pictures: Sequence[np.ndarray], rate: int, times: Sequence[int] | None = None) -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=rate, options={"g": "10", "keyint_min": "10", "sc_threshold": "0"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = (times or range(len(pictures)))[number], Fraction(1, rate)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def _masked(source: Path, out: Path) -> int:
    verb = typer.Typer()
    verb.command()(anonymize)
    done = CliRunner().invoke(verb, [str(source), str(out), "--json"])
    assert done.exit_code == 0, done.output
    return int(json.loads(done.stdout)["frames_masked"])


@pytest.mark.parametrize("rate", [1, 2, 5])
def test_who_comes_and_goes_between_frames_of_slow_video_is_masked(tmp_path: Path, rate: int) -> None:
    pictures = [_wall(number in range(1, 5)) for number in range(20)]
    assert _masked(_film(tmp_path / "in.mp4", pictures, rate), tmp_path / "out.mp4") >= 4


def test_who_is_in_any_picture_of_a_folder_is_masked(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(10):
        cv2.imwrite(str(tmp_path / "in" / f"{number}.png"), _wall(number in (1, 2, 6, 8))[..., ::-1])
    assert _masked(tmp_path / "in", tmp_path / "out.mp4") >= 4


@pytest.mark.parametrize("pause", [0, 225])
def test_who_comes_right_before_a_cut_or_a_pause_at_a_chunk_s_border_is_masked(tmp_path: Path, pause: int) -> None:
    """What follows shows another place, or the same one nine seconds later: it says nothing about who was there."""
    pictures = [_wall(number in range(46, 50), other=number >= 50 and not pause) for number in range(100)]
    times = [number + pause * (number >= 50) for number in range(100)]
    assert _masked(_film(tmp_path / "in.mp4", pictures, 25, times), tmp_path / "out.mp4") >= 4
