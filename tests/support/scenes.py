"""Chunks with known content: textured squares that stand in for objects, and a detector that knows where they are."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from operators.codec import encode
from operators.pixels import freeze
from schemas.frames import FrameChunk, Planes, VideoFormat
from schemas.regions import Region, RegionSet

FORMAT = VideoFormat(160, 112, Fraction(1, 25))
FACE = 32


def picture(places: Sequence[tuple[int, int]], seed: int = 0, light: int = 0) -> Planes:
    """A smooth background, brighter by `light`, with one textured square per place (x, y)."""
    h, w = FORMAT.height, FORMAT.width
    y = np.add.outer(np.linspace(60 + light, 120 + light, h), np.linspace(0, 60, w)).astype(np.uint8)
    u, v = np.full((h // 2, w // 2), 120, np.uint8), np.full((h // 2, w // 2), 134, np.uint8)
    for i, (x, top) in enumerate(places):
        texture = np.random.default_rng(seed + i).integers(30, 220, (FACE // 4, FACE // 4), dtype=np.uint8)
        y[top : top + FACE, x : x + FACE] = np.kron(texture, np.ones((4, 4), np.uint8))
        u[top // 2 : (top + FACE) // 2, x // 2 : (x + FACE) // 2] = 90 + 50 * i
        v[top // 2 : (top + FACE) // 2, x // 2 : (x + FACE) // 2] = 170 - 60 * i
    return freeze(Planes(y, u, v))


def crossing(frames: int = 10) -> list[list[tuple[int, int]]]:
    """Two objects that meet in the middle and go on."""
    step = (FORMAT.width - FACE) // (frames - 1) // 2 * 2
    return [[(i * step, 32), (FORMAT.width - FACE - i * step, 40)] for i in range(frames)]


def chunk(places: Sequence[Sequence[tuple[int, int]]], seq: int = 0, *, end: bool = False, video: str = "cam-video",
          light: int = 0, turned: bool = False) -> FrameChunk:
    """A chunk of these pictures, at a quality that keeps the texture; `turned` upside down it is another place."""
    first = seq * len(places)
    pictures = [picture(place, light=light) for place in places]
    if turned:
        pictures = [freeze(Planes(*(plane[::-1, ::-1].copy() for plane in one.all()))) for one in pictures]
    units = encode(pictures, range(first, first + len(places)), FORMAT, crf=12, preset="veryfast")
    return FrameChunk("cam", video, seq, first, 1_000_000 + first * 40, FORMAT, "h264", units, first + len(places), end)


def regions(places: Sequence[Sequence[tuple[int, int]]], seq: int = 0, kinds: Sequence[str] = ("face", "face"),
            failed: frozenset[int] = frozenset()) -> RegionSet:
    """True regions; the i-th object is track i + 1."""
    frames = tuple(
        tuple(Region(i + 1, kinds[i], (x, y, x + FACE, y + FACE), 0.9, "detected")  # type: ignore[arg-type]
              for i, (x, y) in enumerate(place))
        for place in places
    )
    return RegionSet("cam", "cam-video", seq, frames, failed)


def written(path: Path, places: Sequence[Sequence[tuple[int, int]]]) -> Path:
    """A clip of 160x112 with squares at these places, frame by frame."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 112, "yuv420p"
        for place in places:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture(place).y, "gray").reformat(format="yuv420p")))
        out.mux(stream.encode(None))
    return path
