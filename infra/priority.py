"""Come after others on a machine that is shared.

Linux gives processes of one session their share of a core together (sched(7), autogroup), so that the niceness of a
service that leads a session of its own counts for nothing against other services: its session has a niceness, too.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

AUTOGROUP = Path("/proc/self/autogroup")
TRIES, BETWEEN = 5, 0.15
"""All users but root together may change one session in 100 ms."""


def give_way(niceness: int) -> None:
    """Be so much nicer than now, and so the session, if it is this process's own."""
    nice = os.nice(niceness)
    if os.getsid(0) == os.getpid():
        with suppress(OSError):  # a system without such groups
            _set_session(nice)


def _set_session(nice: int) -> None:
    for _ in range(TRIES):
        with suppress(BlockingIOError):
            AUTOGROUP.write_text(str(nice))
            return
        time.sleep(BETWEEN)
