"""The public pictures of a chunk that is masked whole: grey, the same for every camera, so they are coded once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from operators import pixels
from operators.codec import encode
from operators.cohere import WHOLE, Layout
from operators.desensitise.fixed import SOLID
from operators.pixels import BlockRect
from schemas.frames import CodedUnit, VideoFormat

MOST_KEPT = 16
"""Coded chunks, of a few kB each: cameras differ in size, and some in the times of their pictures."""


def all_whole(layout: Layout, format: VideoFormat) -> bool:
    """Every picture is masked whole."""
    whole = BlockRect(0, 0, *format.blocks)
    return all(len(claims) == 1 and (claims[0].track, claims[0].rect) == (WHOLE, whole) for claims in layout)


def all_grey(pts: Sequence[int], format: VideoFormat, crf: float, preset: str) -> tuple[CodedUnit, ...]:
    """Coded grey pictures at these times."""
    units = _coded(tuple(time - pts[0] for time in pts), format, crf, preset)
    return tuple(CodedUnit(pts[0] + unit.pts, unit.data) for unit in units)


@lru_cache(MOST_KEPT)
def _coded(pts: tuple[int, ...], format: VideoFormat, crf: float, preset: str) -> tuple[CodedUnit, ...]:
    picture = pixels.freeze(pixels.blank(format.width, format.height, *SOLID.shown))
    return encode([picture] * len(pts), pts, format, crf=crf, preset=preset)
