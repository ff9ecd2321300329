"""Blank pictures with opened pieces in their places, and which times the authority takes from a record."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from operators import pixels
from operators.codec import decode
from operators.cohere import lay_out
from operators.pieces import canvases, cut
from operators.seal import new_evidence
from schemas.errors import MalformedRecord
from schemas.frames import VideoFormat
from schemas.records import MappedRegion, TrackMapping
from streams.authority.faces import blank_frame, promising
from streams.authority.store import captured_ms
from tests.support.scenes import FORMAT, chunk, crossing, regions

PLACES = crossing()
CHUNK = chunk(PLACES)
DECODED = decode(CHUNK)
PIECES = cut(DECODED, lay_out(regions(PLACES), FORMAT, 0.25, 4), "lossless")
OPENED = {index: canvases(piece) for index, piece in enumerate(PIECES)}


@pytest.mark.parametrize("video", [FORMAT, replace(FORMAT, full_range=True), replace(FORMAT, height=104)])
def test_blank_frame_has_the_videos_size_and_its_own_black(video: VideoFormat) -> None:
    built = blank_frame(PIECES, OPENED, 3, video)
    assert built is not None
    picture, shown, format = built
    assert format == video and picture.y.shape == (video.height, video.width)
    own = pixels.sample_masks(shown, video)
    original = DECODED.frames[3].planes
    assert np.array_equal(picture.y[own[0]], original.y[: video.height][own[0]])
    assert np.array_equal(picture.u[own[1]], original.u[: video.height // 2][own[1]])
    assert np.unique(picture.y[~own[0]]).tolist() == [0 if video.full_range else 16]


def test_blank_frame_without_format_ends_with_the_last_block() -> None:
    built = blank_frame(PIECES, OPENED, 3)
    assert built is not None and not built[2].full_range
    assert built[2].width <= FORMAT.width and built[0].y.shape == (built[2].height, built[2].width)
    assert blank_frame(PIECES, OPENED, 99, FORMAT) is None


def test_blank_frame_with_a_piece_over_the_edge_is_refused() -> None:
    with pytest.raises(MalformedRecord):
        blank_frame(PIECES, OPENED, 3, replace(FORMAT, width=64))


def test_promising_leaves_out_small_unaligned_and_endless_regions() -> None:
    marks = tuple(float(value) for value in range(10))
    good = MappedRegion(4, (0, 0, 40, 50), 0.9, "detected", marks)
    others = (replace(good, landmarks=()), replace(good, box=(0, 0, 29, 40)), replace(good, box=(0, 0, np.inf, 40)))
    assert promising(TrackMapping(1, "face", (*others, good))) == [good]


@pytest.mark.parametrize(
    ("capture_ms", "end_ms", "expected"),
    [(1_000, 1_400, (1_000, 1_400)), (0, 0, (None, None)), (1_400, 1_000, (None, None))],
)
def test_captured_ms_takes_only_times_that_mean_something(
    capture_ms: int, end_ms: int, expected: tuple[int | None, int | None]
) -> None:
    evidence = new_evidence("city-faces", CHUNK, b"", 0, "day", "high")
    assert captured_ms(evidence) == (1_000_000, 1_000_400)
    assert captured_ms(replace(evidence, capture_ms=capture_ms, end_ms=end_ms)) == expected
