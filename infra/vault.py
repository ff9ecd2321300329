"""A SQLite file that forgets: what is deleted is overwritten in the file and in its journal.

`secure_delete` zeroes what a change frees in the file. The rollback journal, which holds the pages as they were, stays
in place and is zeroed after each change; a lock file keeps other writers away meanwhile.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from schemas.errors import ServiceUnavailable

_REFUSED = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY)

def connect(path: Path) -> sqlite3.Connection:
    """Open a file, in the mode that `change` relies on."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    # the journal stays in place, so that change can overwrite it
    for pragma in ("secure_delete = ON", "journal_mode = PERSIST", "synchronous = EXTRA", "temp_store = MEMORY"):
        db.execute(f"PRAGMA {pragma}")
    return db


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """The only writer of the store, over all processes."""
    with os.fdopen(os.open(folder / "lock", os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def change(db: sqlite3.Connection) -> Iterator[None]:
    """A transaction whose journal, which holds old pages, is overwritten with zeros afterwards.

    Raises:
        ServiceUnavailable: the disk is full or refuses, or somebody else writes for long; nothing was changed.

    """
    path = Path(db.execute("PRAGMA database_list").fetchone()[2])
    try:
        with locked(path.parent):
            db.execute("BEGIN IMMEDIATE")
            with db:
                yield
            _overwrite(Path(f"{path}-journal"))
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in _REFUSED:
            raise
        raise ServiceUnavailable(f"{path.name}: {error}") from error
    except OSError as error:
        raise ServiceUnavailable(f"{path.name}: {error.strerror}") from error


def _overwrite(path: Path) -> None:
    """Zeros over a finished rollback journal, in place; SQLite ignores it by then."""
    if path.exists():
        with path.open("r+b") as file:
            _zero(file)


def replace_file(old: Path, fresh: Path) -> None:
    """Put a store in place of another, and zeros over the other."""
    if not old.exists():
        fresh.replace(old)
        return
    with old.open("r+b") as file:
        fresh.replace(old)
        _zero(file)


def _zero(file: IO[bytes]) -> None:
    size = os.fstat(file.fileno()).st_size
    file.write(bytes(size))
    file.flush()
    os.fsync(file.fileno())
