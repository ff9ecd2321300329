"""The wall clock of services: what is logged, dated or runs out is counted by it; and one that nobody sets."""

from __future__ import annotations

import time


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def steady_ms() -> int:
    """Milliseconds since some moment, by a clock that nobody sets: for how long something has been so."""
    return time.monotonic_ns() // 1_000_000
