"""Generated pictures, chunks and clips: a moving gradient with a square, so that every frame differs."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from operators.codec import encode
from schemas.frames import FrameChunk, Planes, VideoFormat

FORMAT = VideoFormat(96, 64, Fraction(1, 25))


def pictures(count: int, width: int = 96, height: int = 64, seed: int = 0) -> list[Planes]:
    """Pictures of a moving gradient, a bright square and a little noise; always the same for the same arguments."""
    rng = np.random.default_rng(seed)
    base = np.add.outer(np.arange(height), np.arange(width)).astype(np.int32)
    noise = rng.integers(0, 12, (height, width))
    made = []
    for index in range(count):
        y = (base * 2 + 5 * index + noise) % 180 + 30
        left = (3 * index) % max(1, width - 16)
        y[8:24, left : left + 16] = 230
        u = 100 + (base[: height // 2, : width // 2] + index) % 40
        v = 140 - (base[: height // 2, : width // 2] + 2 * index) % 40
        made.append(Planes(*(plane.astype(np.uint8) for plane in (y, u, v))))
    return made


def chunk(
    count: int = 12,
    format: VideoFormat = FORMAT,
    pts: Sequence[int] | None = None,
    seq: int = 0,
    first_frame: int = 0,
    crf: float = 18,
    seed: int = 0,
) -> FrameChunk:
    """A chunk of generated pictures as `push` would write it."""
    times = list(range(count)) if pts is None else list(pts)
    units = encode(pictures(count, format.width, format.height, seed), times, format, crf=crf, preset="veryfast")
    return FrameChunk(
        camera_id="cam-1", video_id="cam-1-1700000000000-00000001", chunk_seq=seq, first_frame=first_frame,
        capture_ms=1_700_000_000_000, format=format, codec="h264", units=units, end_pts=times[-1] + 1,
    )
