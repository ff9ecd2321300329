"""The other way to index faces, shown on the running stack: on a case only.

The demo's case is closed and the authority started anew with `index_faces = "on_case"`: no face vector is left, so
nobody can be found. Another case is opened, and the same photographs find the same people.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from infra.postgres import Database
from schemas.errors import ServiceUnavailable
from streams.forensic.client import ForensicClient, case_path
from streams.stack import Stack

SECONDS, LOOK_SECONDS = 60.0, 0.1


class CaseOnly:
    """Two steps: `begin`, after which no case is open, and `indexed`, once another one is."""

    def __init__(self, stack: Stack, forensic: ForensicClient, database: Database) -> None:
        """`forensic`: as somebody who works on the case; `database`: the authority's."""
        self._stack, self._forensic, self._database = stack, forensic, database

    def begin(self, case_id: str) -> tuple[int, int]:
        """Close the case and index on cases only from now on; how many face vectors there were, and are left.

        Raises:
            ServiceUnavailable: the authority doesn't come up.

        """
        before = self._vectors()
        self._forensic.send(f"{case_path(case_id)}/close", {})
        self._stack.change(self._stack.settings.model_copy(update={"index_faces": "on_case"}))
        _until(lambda: self._vectors() == 0)
        return before, self._vectors()

    def indexed(self) -> None:
        """Wait until all evidence is read again.

        Raises:
            ServiceUnavailable: it isn't within a minute.

        """
        if not _until(lambda: self._unread() == 0):
            raise ServiceUnavailable("faces weren't indexed for the case: see the authority's log")

    def _vectors(self) -> int:
        return self._count("SELECT count(*) FROM subject_features")

    def _unread(self) -> int:
        return self._count("SELECT count(*) FROM evidence e WHERE NOT EXISTS (SELECT 1 FROM case_indexed c"
                           " WHERE (c.video_id, c.chunk_seq) = (e.video_id, e.chunk_seq))")

    def _count(self, query: str) -> int:
        with self._database.connection() as db:
            row: Sequence[int] = db.execute(query).fetchone() or (0,)
        return int(row[0])


def _until(holds: Callable[[], bool]) -> bool:
    """Wait for it, a minute at most; whether it holds."""
    end = time.monotonic() + SECONDS
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(LOOK_SECONDS)
    return True
