"""Between two looks a box goes on by time, not by the number of frames."""

from __future__ import annotations

import pytest

from operators.track.fill import Timeline
from schemas.frames import RawFrame
from tests.support.moving import picture


def line(*pts: int) -> Timeline:
    return Timeline([RawFrame(i, at, picture([])) for i, at in enumerate(pts)], len(pts), (), 0.04, (16, 16))


@pytest.mark.parametrize(("a", "i", "b", "share"), [(0, 1, 5, 0.2), (2, 3, 4, 0.5), (-1, 0, 4, 0.2), (-1, 2, 3, 0.75)])
def test_share_of_frames_evenly_long_is_that_of_their_numbers(a: int, i: int, b: int, share: float) -> None:
    assert line(*range(1000, 4072, 512)).share(a, i, b) == share


def test_share_of_a_stall_is_that_of_its_time() -> None:
    stalled = line(0, 8, 188, 196, 376, 384)
    assert [stalled.share(0, i, 5) for i in range(1, 5)] == [8 / 384, 188 / 384, 196 / 384, 376 / 384]


def test_share_where_times_run_back_is_that_of_numbers() -> None:
    assert line(100, 140, 20, 60).share(0, 1, 2) == 0.5
