"""What waits for the broker, bounded: whole chunks are dropped, the oldest first, and each frame of them is missed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from fractions import Fraction

import pytest

from schemas.errors import SourceError
from schemas.frames import CodedUnit, FrameChunk, VideoFormat
from streams.backlog import Backlog

FORMAT = VideoFormat(160, 112, Fraction(1, 25))


def chunk(seq: int, *, video: str = "v", end: bool = False, gaps: int = 0) -> FrameChunk:
    """Ten bytes."""
    unit = CodedUnit(seq, b"0123456789")
    return FrameChunk("c", video, seq, seq, 1000 + 40 * seq, FORMAT, "h264", (unit,), seq + 1, end, gaps, live=True)


def unread(chunks: list[FrameChunk], most_bytes: int) -> tuple[Backlog, list[FrameChunk]]:
    """All chunks come while the first is looked at; then the rest is taken."""
    read = threading.Event()

    def source() -> Iterator[FrameChunk]:
        yield chunks[0]
        started.wait()
        yield from chunks[1:]
        read.set()

    started = threading.Event()
    backlog = Backlog(source(), most_bytes)
    taken = iter(backlog)
    got = [next(taken)]
    started.set()
    assert read.wait(10)
    return backlog, [*got, *taken]


def test_backlog_with_room_gives_everything_in_order() -> None:
    chunks = [chunk(seq, end=seq == 4) for seq in range(5)]
    backlog, got = unread(chunks, 40)
    assert got == chunks and backlog.dropped == 0


def test_backlog_that_is_full_drops_the_oldest_and_keeps_count_of_what_they_missed() -> None:
    backlog, got = unread([chunk(seq, gaps=3 if seq == 1 else 0, end=seq == 6) for seq in range(7)], 30)
    assert [(one.chunk_seq, one.first_frame, one.gaps) for one in got] == [(0, 0, 0), (4, 4, 3), (5, 5, 0), (6, 6, 0)]
    assert backlog.dropped == 3 and got[-1].end


def test_backlog_never_drops_the_last_chunk_of_a_video() -> None:
    chunks = [chunk(0), chunk(1, end=True), chunk(0, video="w"), chunk(1, video="w"), chunk(2, video="w", end=True)]
    _, got = unread(chunks, 20)
    assert [(one.video_id, one.chunk_seq) for one in got] == [("v", 0), ("v", 1), ("w", 2)]


def test_backlog_raises_what_reading_raised_after_what_came_before() -> None:
    def source() -> Iterator[FrameChunk]:
        yield chunk(0)
        raise SourceError("the camera hung up")

    taken = iter(Backlog(source()))
    assert next(taken) == chunk(0)
    with pytest.raises(SourceError, match="hung up"):
        next(taken)
