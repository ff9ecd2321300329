"""Numbers with their words, for answers and pages."""

from __future__ import annotations


def plural(count: int, one: str, many: str = "") -> str:
    """A number with its word; `many` where the plural isn't `one` with an s."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
