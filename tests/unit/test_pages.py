"""What pages say in words and numbers, and what they read: times, periods, shares, spans, byte ranges."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.errors import UsageError
from schemas.frames import MAX_TIME_MS
from streams.desk.restore_pages import PIECE, piece
from streams.desk.search_pages import joined
from streams.desk.words import input_time, period_words, read_time, share
from streams.forensic.terms import MAX_MS, Scope
from streams.operating.overview import HOUR_MS, MINUTE_MS, _drawn
from streams.pages.render import clock, size, span, stamp
from streams.words import FIRST_MS, moment, plural

MORNING = 1_700_000_000_000  # 2023-11-14 22:13:20


@pytest.mark.parametrize(("seconds", "said"), [
    (0.04, "0.0 s"), (59.94, "59.9 s"), (60, "1 min 0 s"), (3599.6, "1 h 0 min"), (86_400, "24 h 0 min"),
    (3 * 86_400, "3 days"),
])
def test_span_is_said_in_fitting_units(seconds: float, said: str) -> None:
    assert span(seconds) == said


def test_numbers_and_moments_are_said_plainly() -> None:
    assert (moment(MORNING), moment(None)) == ("2023-11-14 22:13:20", "")
    assert (plural(1, "match", "matches"), plural(2000, "match", "matches")) == ("1 match", "2,000 matches")
    assert (size(3 * 2**19), size(5 * 2**30)) == ("1.5 MiB", "5.00 GiB")
    assert (share(1e-5), share(1.0), share(0.0)) == ("1 of 100,000", "1 of 1", "hardly any")


@pytest.mark.parametrize(("ms", "said", "day_time", "for_machines"), [
    (MORNING, "2023-11-14 22:13:20", "22:13:20", "2023-11-14T22:13:20.000Z"),
    (MAX_TIME_MS, "9999-12-31 23:59:59", "23:59:59", "9999-12-31T23:59:59.999Z"),
    (-1, "1969-12-31 23:59:59", "23:59:59", "1969-12-31T23:59:59.999Z"),
    (MAX_TIME_MS + 1, "after the year 9999", "after the year 9999", ""), (MAX_MS - 1, *["after the year 9999"] * 2, ""),
    (2**63, *["after the year 9999"] * 2, ""), (FIRST_MS - 1, *["before the year 1"] * 2, ""),
    (-(2**63), *["before the year 1"] * 2, ""),
])
def test_moment_of_a_clock_that_is_beyond_any_calendar_is_said_in_words(
    ms: int, said: str, day_time: str, for_machines: str
) -> None:
    assert (moment(ms), clock(ms), stamp(ms)) == (said, day_time, for_machines)


def test_time_typed_into_a_form_comes_back_as_it_was() -> None:
    assert read_time("2023-11-14T22:13", "from") == MORNING - 20_000
    assert read_time("2023-11-14T22:13", "until", end=True) == MORNING - 20_000 + 59_999
    assert input_time(read_time("2023-11-14T22:13", "from")) == "2023-11-14T22:13"
    assert read_time("2023-11-14T22:13:20", "until", end=True) == MORNING + 999
    assert read_time("", "from") is None and input_time(None) == "" and input_time(MAX_MS) == ""


@pytest.mark.parametrize("text", ["tomorrow", "2023-13-01T00:00", "1960-01-01T00:00", "' OR 1=1", "\0"])
def test_time_that_is_none_is_refused_by_its_field(text: str) -> None:
    with pytest.raises(UsageError, match="from"):
        read_time(text, "from")


@pytest.mark.parametrize("text", [
    "2023-11-14", "2023-11-14T22:13+02:00", "2023-11-14T22:13:20-08:00", "2023-11-14T22:13Z", "2023-11-14 22:13",
    "20231114T2213", "2023-13-14T22:13", "2023-11-14T22:13:20.5", "\u0662023-11-14T22:13",
])  # fmt: skip
def test_time_that_would_be_taken_for_another_one_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="in UTC"):
        read_time(text, "from")


@pytest.mark.parametrize(("first", "last", "said"), [
    (0, MAX_MS, "at any time"), (0, MORNING, "until 2023-11-14 22:13"), (MORNING, MAX_MS, "from 2023-11-14 22:13 on"),
    (MORNING, MORNING + HOUR_MS, "2023-11-14 22:13 to 2023-11-14 23:13"),
])
def test_period_of_a_case_is_said_without_ever(first: int, last: int, said: str) -> None:
    assert period_words(Scope(("*",), first, last, ("face",))) == said


def test_spans_of_a_track_that_touch_are_one_run() -> None:
    assert joined([(0, 24), (10, 30), (31, 49), (60, 70)]) == [(0, 49), (60, 70)]
    assert joined([]) == []


@pytest.mark.parametrize(("spans", "drawn"), [
    ([], (0, HOUR_MS)), ([(MINUTE_MS, 2 * MINUTE_MS)], (0, 4 * MINUTE_MS)),
    ([(3 * MINUTE_MS, 5 * MINUTE_MS)], (0, 8 * MINUTE_MS)),
    ([(0, MINUTE_MS), (30 * MINUTE_MS, 40 * MINUTE_MS)], (0, HOUR_MS)),
    ([(0, 1), (5 * HOUR_MS, 6 * HOUR_MS)], (0, 6 * HOUR_MS)),
])
def test_time_line_draws_whole_units_around_what_was_recorded(
    spans: list[tuple[int, int]], drawn: tuple[int, int]
) -> None:
    assert _drawn(0, spans) == (drawn if spans else (0, 4 * MINUTE_MS))


class _Stored:
    """A video of so many bytes, as the operating platform would give it."""

    def __init__(self, count: int) -> None:
        self._data = bytes(range(256)) * (count // 256) + bytes(count % 256)

    def video(self, video_id: str) -> dict[str, Any]:
        return {"bytes": len(self._data)}

    def media(self, video_id: str, at: int, length: int) -> bytes:
        return self._data[at : at + length]


@pytest.mark.parametrize(("asked", "status", "said"), [
    ("", 206, "bytes 0-999/1000"), ("bytes=0-", 206, "bytes 0-999/1000"), ("bytes=10-19", 206, "bytes 10-19/1000"),
    ("bytes=990-2000", 206, "bytes 990-999/1000"), ("bytes=1000-", 416, "bytes */1000"),
    ("bytes=20-10", 416, "bytes */1000"), ("lines=1-2", 206, "bytes 0-999/1000"),
])
def test_desensitised_video_is_given_in_ranges(asked: str, status: int, said: str) -> None:
    answer = piece(asked, "video", _Stored(1000))
    assert (answer.status_code, answer.headers["content-range"]) == (status, said)


def test_desensitised_video_is_given_a_piece_at_a_time() -> None:
    answer = piece("bytes=5-", "video", _Stored(PIECE + 100))
    assert len(answer.body) == PIECE and answer.headers["content-range"] == f"bytes 5-{PIECE + 4}/{PIECE + 100}"
