"""The wall clock of services, by which things are logged, dated and run out; one that nobody sets; the broker's."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

STAMPS = 64


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def steady_ms() -> int:
    """Milliseconds since some moment, by a clock that nobody sets: for how long something has been so."""
    return time.monotonic_ns() // 1_000_000


class BrokerClock:
    """The broker's wall clock (ms): this machine's, put right by when the broker says that it took our records.

    That was between sending and acknowledgement. Of the last stamps the one whose record took least counts: half of
    that is the most by which it is wrong (the clock filter of RFC 5905, section 10). Before the first, this machine's.
    """

    def __init__(self, own: Callable[[], int] = now_ms) -> None:
        self._own = own
        self._heard: deque[tuple[int, int]] = deque(maxlen=STAMPS)

    def __call__(self) -> int:
        """Now."""
        return self._own() + (min(self._heard)[1] if self._heard else 0)

    def heard(self, sent_ms: int, stamp_ms: int) -> None:
        """A record that was sent then, by this machine's clock, has just been acknowledged with this stamp."""
        took = self._own() - sent_ms
        if took >= 0:
            self._heard.append((took, stamp_ms - sent_ms - took // 2))
