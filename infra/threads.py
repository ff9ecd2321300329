"""How many threads libraries have of their own: work is shared out by chunks here, so they need none."""

from __future__ import annotations

import os
import sys

SWITCH_SECONDS = 0.0005
"""After so long a thread lets others have the interpreter. Codecs and networks work outside of it, and come back for
every picture: with Python's 5 ms they wait that long for whoever is inside (file mode in a crowd: 8 % of its time).
"""
BLAS_THREADS = "OPENBLAS_NUM_THREADS"
"""numpy's own threads turn in circles between small products of matrices: 3 % of a machine with two live cameras."""


def share_cores() -> None:
    """Set both for this process and those it starts; before numpy is loaded. Who has set the variable keeps it."""
    sys.setswitchinterval(SWITCH_SECONDS)
    os.environ.setdefault(BLAS_THREADS, "1")
