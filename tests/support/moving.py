"""Drawn scenes for the tracker: coloured, textured patches that move over a grey background."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from schemas.frames import CodedUnit, DecodedChunk, FrameChunk, Planes, RawFrame, VideoFormat
from schemas.regions import Detections, ObjectKind, boxes

Box = tuple[float, float, float, float]
WIDTH, HEIGHT, FPS = 320, 240, 25
RED, BLUE, GREEN = (105, 165), (165, 110), (100, 100)


def picture(patches: Sequence[tuple[Box, tuple[int, int]]], seed: int = 0) -> Planes:
    """A frame with patches of (box, (u, v)), later ones in front; noise of +-2 everywhere."""
    noise = np.random.default_rng(seed)
    y = noise.integers(110, 130, (HEIGHT, WIDTH)).astype(np.uint8)
    u, v = (noise.integers(126, 131, (HEIGHT // 2, WIDTH // 2)).astype(np.uint8) for _ in range(2))
    grey_u, grey_v = u.copy(), v.copy()
    for (x1, y1, x2, y2), (hue_u, hue_v) in patches:
        rows, columns = _span(y1, y2, HEIGHT), _span(x1, x2, WIDTH)
        y[rows, columns] = (y[rows, columns].astype(int) * 2 % 200).astype(np.uint8)
        half = np.s_[rows.start // 2 : rows.stop // 2, columns.start // 2 : columns.stop // 2]
        u[half], v[half] = grey_u[half] - 128 + np.uint8(hue_u), grey_v[half] - 128 + np.uint8(hue_v)
    for plane in (y, u, v):
        plane.flags.writeable = False
    return Planes(y, u, v)


def scene_chunk(pictures: Sequence[Planes], seq: int = 0, first: int = 0, gaps: int = 0) -> DecodedChunk:
    """A chunk of these pictures at 25 fps."""
    count = len(pictures)
    height, width = pictures[0].y.shape
    video = VideoFormat(width, height, Fraction(1, FPS))
    units = tuple(CodedUnit(first + i, b"") for i in range(count))
    chunk = FrameChunk("cam", "vid", seq, first, 40 * first, video, "h264", units, first + count, gaps=gaps)
    return DecodedChunk(chunk, tuple(RawFrame(first + i, first + i, p) for i, p in enumerate(pictures)))


def detections(items: Sequence[tuple[Box, float]], kind: ObjectKind = "face") -> Detections:
    """A detector's result; boxes outside the picture are left out."""
    width, height = WIDTH, HEIGHT
    inside = [(b, s) for b, s in items if b[2] > 0 and b[3] > 0 and b[0] < width and b[1] < height]
    scores = np.array([s for _, s in inside], np.float32)
    marks = np.full((len(inside), 5, 2), np.nan, np.float32)
    return Detections(kind, boxes([b for b, _ in inside]), scores, marks)


def every(found: Mapping[int, Detections], count: int, stride: int) -> dict[int, Detections]:
    """Only what a detector sees that looks at every `stride`-th frame and the last."""
    return {i: found[i] for i in sorted({*range(0, count, stride), count - 1})}


def inside_share(inner: Box, outer: Box) -> float:
    """Share of `inner` (cut at the picture's edge) that `outer` covers."""
    x1, y1, x2, y2 = max(0.0, inner[0]), max(0.0, inner[1]), min(WIDTH, inner[2]), min(HEIGHT, inner[3])
    w = min(x2, outer[2]) - max(x1, outer[0])
    h = min(y2, outer[3]) - max(y1, outer[1])
    return max(0.0, w) * max(0.0, h) / ((x2 - x1) * (y2 - y1))


def _span(low: float, high: float, limit: int) -> slice:
    start, stop = (min(max(0, round(v / 2) * 2), limit) for v in (low, high))
    return slice(start, max(start, stop))
