"""The wall clock of services: what is logged, dated or runs out is counted by it."""

from __future__ import annotations

import time


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000
