from __future__ import annotations

import pytest

from schemas.errors import ServiceUnavailable
from streams.reading import MAX_TRIES, STALL_MS, Reading


def reading(first: int = 5) -> Reading:
    made = Reading()
    made.begin(0, first)
    return made


def test_only_the_next_record_is_taken() -> None:
    made = reading()
    assert [made.take(0, offset) for offset in (4, 5, 5, 7, 6, 7)] == [False, True, False, False, True, True]
    assert made.expected(0) == 8


def test_nothing_is_taken_before_the_beginning_is_known() -> None:
    made = reading()
    assert not made.take(1, 0)
    made.forget()
    assert not made.take(0, 5)
    assert made.expected(0) is None


def test_record_that_came_too_early_to_know_is_asked_for_at_once() -> None:
    made = Reading()
    assert not made.take(0, 5)
    made.begin(0, 5)
    assert made.missing(0, 6, 0) == 5


def test_skipped_record_is_asked_for_at_once() -> None:
    made = reading()
    made.take(0, 6)
    assert made.missing(0, 7, 0) == 5
    assert made.missing(0, 7, 1) is None


def test_record_that_never_came_is_asked_for_after_a_while() -> None:
    made = reading()
    assert [made.missing(0, 6, now) for now in (0, STALL_MS - 1, STALL_MS, STALL_MS + 1)] == [None, None, 5, None]


def test_source_at_its_end_misses_nothing() -> None:
    made = reading()
    assert [made.missing(0, 5, now) for now in (0, 10 * STALL_MS)] == [None, None]
    assert made.missing(0, 6, 11 * STALL_MS) is None


def test_progress_begins_the_wait_anew() -> None:
    made = reading()
    made.missing(0, 9, 0)
    made.take(0, 5)
    assert made.missing(0, 9, STALL_MS) is None
    assert made.missing(0, 9, 2 * STALL_MS) == 6


def test_record_that_never_comes_stops_the_worker() -> None:
    made = reading()
    for _ in range(MAX_TRIES):
        made.take(0, 6)
        assert made.missing(0, 7, 0) == 5
    made.take(0, 6)
    with pytest.raises(ServiceUnavailable):
        made.missing(0, 7, 0)
