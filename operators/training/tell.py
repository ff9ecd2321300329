"""How trainings say what they do."""

from __future__ import annotations

import sys


def tell(line: str) -> None:
    """A line on standard output, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
