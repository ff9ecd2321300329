"""Which frames are one chunk and one video: the numbering of runs, without any picture."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from infra.camera_chunks import Chunker, Clock, Run
from schemas.frames import MAX_CODED_BYTES, CodedUnit, FrameChunk, VideoFormat

FORMAT = VideoFormat(640, 360, Fraction(1, 1000))


def run(first: int, frames: int = 10, step: int = 100, **more: object) -> Run:
    """A GOP of `frames` frames `step` ms apart that begins at `first` ms."""
    units = tuple(CodedUnit(first + step * index, b"x") for index in range(frames))
    values = {"units": units, "format": FORMAT, "codec": "h264", "tick": step, "arrived_ms": 5000 + first, **more}
    return Run(**values)


def chunks_of(
    runs: list[Run], chunk_ms: int = 1000, start_ms: int | None = 10_000, *, whole: bool = False
) -> list[FrameChunk]:
    """All chunks of these runs, as of a file."""
    chunker = Chunker("cam", chunk_ms, start_ms, hold=True, whole=whole)
    return [chunk for one in runs for chunk in chunker.add(one)] + chunker.finish()


def test_chunks_of_one_video_count_on():
    made = chunks_of([run(0), run(1000), run(2000)])
    assert [(c.chunk_seq, c.first_frame, c.capture_ms, c.end_pts, c.end) for c in made] == [
        (0, 0, 10_000, 1000, False), (1, 10, 11_000, 2000, False), (2, 20, 12_000, 3000, True),
    ]
    assert len({c.video_id for c in made}) == 1 and made[0].video_id.startswith("cam-10000-")


def test_short_gops_are_merged_up_to_the_chunk_length():
    made = chunks_of([run(300 * index, 3) for index in range(7)])
    assert [len(chunk.units) for chunk in made] == [9, 9, 3]


@pytest.mark.parametrize(
    "second",
    [
        run(500, 5, codec="hevc"),
        run(500, 5, recoded=True),
        replace(run(500, 1), units=(CodedUnit(500, bytes(MAX_CODED_BYTES)),)),
    ],
)
def test_gops_that_do_not_fit_together_stay_apart(second):
    made = chunks_of([run(0, 5), second])
    assert [chunk.end for chunk in made] == [False, True] and made[0].video_id == made[1].video_id


@pytest.mark.parametrize(
    ("second", "capture"),
    [
        (run(11_001), 21_001),
        (run(500), 11_000),
        (run(900), 11_000),
        (run(1000, format=replace(FORMAT, width=320)), 11_000),
    ],
)
def test_gap_backward_clock_or_other_format_begins_a_video(second, capture):
    made = chunks_of([run(0), second])
    assert [(c.chunk_seq, c.first_frame, c.end) for c in made] == [(0, 0, True), (0, 0, True)]
    assert made[0].video_id != made[1].video_id and made[1].capture_ms == capture
    assert made[0].end_pts == 1000


def test_gap_up_to_ten_seconds_stays_in_the_video():
    made = chunks_of([run(0), run(10_000)])
    assert [chunk.end for chunk in made] == [False, True] and made[0].end_pts == 10_000


def test_neither_length_nor_gap_ends_a_file_that_is_one_video():
    made = chunks_of([run(5000 * index, 5, 1000) for index in range(800)] + [run(4_100_000)], chunk_ms=5000, whole=True)
    assert len({chunk.video_id for chunk in made}) == 1 and [c.chunk_seq for c in made] == list(range(801))
    assert (made[-1].capture_ms, made[-2].end_pts, [c.end for c in made[-2:]]) == (4_110_000, 4_000_000, [False, True])
    for other in (run(500), replace(run(1000), format=replace(FORMAT, width=320))):
        assert [chunk.end for chunk in chunks_of([run(0), other], whole=True)] == [True, True]


def test_video_ends_before_thirty_minutes():
    made = chunks_of([run(5000 * index, 5, 1000) for index in range(400)], chunk_ms=5000)
    ends = [index for index, chunk in enumerate(made) if chunk.end]
    assert ends == [357, 399] and made[358].chunk_seq == 0 and made[358].capture_ms == 10_000 + 358 * 5000


def test_live_chunk_is_given_when_the_next_gop_begins():
    chunker = Chunker("cam", 1000, None, hold=False)
    first = chunker.add(run(0, next_pts=1010, follows=True))
    assert [(c.capture_ms, c.end_pts, c.end) for c in first] == [(5000, 1010, False)]
    assert chunker.add(run(1010, next_pts=2010)) == []
    later = chunker.add(run(2010, follows=True, next_pts=3010))
    assert [c.chunk_seq for c in later] == [1, 2] and later[0].video_id == first[0].video_id
    assert chunker.finish() == []
    assert chunker.add(run(0, arrived_ms=9000, follows=True, next_pts=1000))[0].chunk_seq == 0


def test_live_short_gops_wait_for_the_chunk_length():
    chunker = Chunker("cam", 1000, None, hold=False)
    given = [len(chunker.add(run(300 * i, 3, next_pts=300 * i + 300, follows=True))) for i in range(6)]
    assert given == [0, 0, 1, 0, 0, 1]


def test_lost_frames_are_gaps_of_their_chunk():
    assert [c.gaps for c in chunks_of([run(0, lost=2), run(1000, lost=0, recoded=True)])] == [2, 0]


def test_clock_makes_missing_times_without_drift():
    clock = Clock(Fraction(1, 1000), Fraction(1, 1000), Fraction(30000, 1001))
    times = [clock.time(None) for _ in range(301)]
    assert times[:4] == [0, 33, 67, 100] and times[300] == 10010
    assert clock.time(20_000) == 20_000 and clock.time(None) == 20_033


def test_clock_scales_between_time_bases():
    clock = Clock(Fraction(1, 10**9), Fraction(1, 10**6), Fraction(25))
    assert clock.time(1_000_000_400) == 1_000_000 and clock.scale(5000) == 5 and clock.tick == 40_000
