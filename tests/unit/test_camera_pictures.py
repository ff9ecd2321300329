"""Folders of pictures: what is said of them outlives the files they were read from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

READ = """
import sys
from infra.camera import open_source
from operators.codec import encode
for chunk in open_source(sys.argv[1], encode=encode, camera_id="cam-1"):
    print(chunk.video_id, len(chunk.units), chunk.format.sample_aspect, chunk.stills)
"""


def test_aspect_of_a_folders_pictures_isnt_read_from_freed_memory(tmp_path: Path) -> None:
    picture = Image.fromarray(np.full((64, 96, 3), 90, np.uint8))
    for number in range(12):
        picture.save(tmp_path / f"{number}.jpg", dpi=(72, 144))
    # glibc overwrites what is freed with this
    done = subprocess.run(
        [sys.executable, "-c", READ, str(tmp_path)], env={**os.environ, "MALLOC_PERTURB_": "165"}, text=True,
        capture_output=True, timeout=60, check=False,
    )
    assert done.returncode == 0, done.stderr[-400:]
    lines = [line.split() for line in done.stdout.splitlines()]
    assert len({video for video, *_ in lines}) == 1 and sum(int(units) for _, units, *_ in lines) == 12
    assert {stills for *_, stills in lines} == {"True"}
    assert {aspect for _, _, aspect, _ in lines} == {"1/2"}  # FFmpeg takes densities for it
