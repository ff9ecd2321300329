"""A test as somebody whom not every folder is open to."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's rights; who has none stays who they are."""
    was = os.getresuid()
    if os.geteuid() == 0:
        os.setresuid(NOBODY, NOBODY, 0)  # `os.access` asks for the real one
    try:
        yield
    finally:
        os.setresuid(*was)


@contextmanager
def open_place() -> Iterator[Path]:
    """A temporary folder that everybody may enter (pytest's own are for their owner)."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        yield Path(place)
