"""Numbers with their words and moments, for answers and pages."""

from __future__ import annotations

from datetime import UTC, datetime

from schemas.frames import MAX_TIME_MS

FIRST_MS = -62_135_596_800_000
"""The first moment that a date can say, of the year 1; the last is `MAX_TIME_MS`."""


def plural(count: int, one: str, many: str = "") -> str:
    """A number with its word; `many` where the plural isn't `one` with an s."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def moment(ms: int | None) -> str:
    """Milliseconds since 1970 as date and time, UTC; in words where a broken clock gave what no calendar has."""
    if ms is None or FIRST_MS <= ms <= MAX_TIME_MS:
        return "" if ms is None else f"{datetime.fromtimestamp(ms // 1000, UTC):%Y-%m-%d %H:%M:%S}"
    return "after the year 9999" if ms > MAX_TIME_MS else "before the year 1"
