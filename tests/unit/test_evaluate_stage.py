"""Clips that suites film: several takes in one file, frame by frame as each was."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from infra.camera import open_source
from operators.codec import decode, encode
from streams.demo.compose import Face, Truth, write_video
from streams.evaluate.stage import Clip, joined

WIDTH, HEIGHT, FPS, FRAMES = 320, 240, 25, 50


def take(path: Path, light: int) -> Clip:
    pictures = (np.full((HEIGHT, WIDTH, 3), light + number, np.uint8) for number in range(FRAMES))
    write_video(path, pictures, WIDTH, HEIGHT, FPS, 18)
    face = Face(f"person-{light}", (8.0, 8.0, 40.0, 40.0), 1.0, b"")
    return Clip(path, Truth(WIDTH, HEIGHT, FPS, ("person",), ((face,),) * FRAMES))


def test_joined_takes_show_every_frame_in_turn_at_its_time(tmp_path: Path) -> None:
    lights = (40, 120, 90)
    takes = [take(tmp_path / f"take-{light}.mp4", light) for light in lights]
    clip = joined(takes, tmp_path / "clip.mp4")
    chunks = [*open_source(str(clip.path), encode=encode, camera_id="stage")]
    frames = [frame for chunk in chunks for frame in decode(chunk).frames]
    times = [float(frame.pts * chunks[0].format.time_base) for frame in frames]
    np.testing.assert_allclose(np.diff(times), 1 / FPS, atol=1e-6)
    levels = np.array([frame.planes.y.mean() for frame in frames]).reshape(3, FRAMES)
    assert (np.diff(levels[:, ::10], axis=1) > 0).all() and levels[0].mean() < levels[2].mean() < levels[1].mean()
    assert [faces[0].label for faces in clip.truth.frames[::FRAMES]] == [f"person-{light}" for light in lights]
    assert len(clip.truth.frames) == len(frames) and not any(one.path.exists() for one in takes)
