"""Services that give way do so against other sessions, too."""

import os
import subprocess
import sys

import pytest

CHILD = """
import os

from infra.priority import AUTOGROUP, give_way

def session() -> str:
    said = AUTOGROUP.read_text().split() if os.access(AUTOGROUP, os.R_OK | os.W_OK) else []
    return said[-1] if said else "none"

before = session()
give_way(7)
print(os.nice(0), before, session())
"""


@pytest.mark.parametrize("own", [True, False])
def test_who_gives_way_does_so_with_its_session_if_that_is_its_own(own: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD], capture_output=True, text=True, check=True, start_new_session=own
    )
    nice, before, after = done.stdout.split()
    wanted = min(19, os.nice(0) + 7)
    assert int(nice) == wanted
    grouped = before != "none"  # a system may know no such groups, have them switched off, or not let them be changed
    assert after == (str(wanted) if own and grouped else before)
