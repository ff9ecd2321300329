"""Who waits for whom in Postgres, so that a test forces an order by locks and not by time."""

from __future__ import annotations

import time

from infra.postgres import Database

SECONDS = 60.0
_HERE = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"


def waiting(database: Database, table: str) -> None:
    """Return once somebody waits for a table's lock."""
    _until(database, "NOT granted AND relation = to_regclass(%s)", table)


def keeping(database: Database, table: str, mode: str) -> None:
    """Return once somebody has a table's lock in this mode."""
    _until(database, "granted AND relation = to_regclass(%s) AND mode = %s", table, mode)


def waiting_advisory(database: Database) -> int:
    """Wait until somebody waits for an advisory lock, as the access log's is; their process id at the server."""
    return _until(database, "NOT granted AND locktype = 'advisory'")


def _until(database: Database, condition: str, *values: str) -> int:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        with database.connection() as db:
            row = db.execute(f"SELECT pid FROM pg_locks WHERE {_HERE} AND {condition}", values).fetchone()  # noqa: S608
        if row is not None:
            return int(row[0])
        time.sleep(0.02)
    raise AssertionError(f"it never came to this: {condition} {values}")
