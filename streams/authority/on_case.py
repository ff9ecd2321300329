"""`index.faces = on_case`: faces are indexed where an approved case looks, and only for as long.

Evidence comes in unindexed. `keep` reads the stored chunks of the cameras and times of open cases, in memory, by their
track keys, and drops the vectors of every video that holds a chunk which no open case covers any more; what of it is
still covered is read again. So after a case is closed or has run out no vector of its cameras and hours is left, nor
any that was made without a case before this was the setting. `case_indexed` lists the chunks that were read; evidence
that can't be read any more is told and left, as `Unread` does.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from infra.postgres import Database
from schemas.errors import SealframeError
from streams.authority import store
from streams.authority.index import FaceIndex
from streams.authority.reading import EvidenceReader
from streams.authority.unread import damage, stored_or_left
from streams.forensic.terms import Scope
from streams.readiness import Background

SECONDS = 10.0
"""How often open cases are looked at."""
BATCH = 4
"""So many chunks are read between two looks at which cases are open."""
log = logging.getLogger(__name__)

_COVERED = (
    "EXISTS (SELECT 1 FROM unnest(%(cameras)s::text[], %(first)s::bigint[], %(last)s::bigint[])"
    " AS s (camera, first_ms, last_ms) WHERE s.camera IN ('*', v.camera_id)"
    " AND s.first_ms <= coalesce(e.end_ms, v.end_ms, v.start_ms)"
    " AND s.last_ms >= coalesce(e.capture_ms, v.start_ms))"
)
"""Some case looks at this camera at a moment of this chunk."""
_DUE = (
    "SELECT e.video_id, e.chunk_seq FROM evidence e JOIN videos v USING (video_id)"  # noqa: S608
    f" WHERE (e.video_id, e.chunk_seq) > (%(video)s, %(seq)s) AND {_COVERED}"
    " AND NOT EXISTS (SELECT 1 FROM case_indexed c WHERE c.video_id = e.video_id AND c.chunk_seq = e.chunk_seq)"
    " AND NOT EXISTS"
    " (SELECT 1 FROM unread u WHERE u.video_id = e.video_id AND u.chunk_seq = e.chunk_seq AND u.failed)"
    " ORDER BY e.video_id, e.chunk_seq LIMIT %(most)s"
)
_GONE = (
    "SELECT c.video_id FROM case_indexed c JOIN evidence e USING (video_id, chunk_seq)"  # noqa: S608
    f" JOIN videos v USING (video_id) WHERE c.mixed OR NOT {_COVERED} UNION SELECT video_id FROM track_features f"
    " WHERE NOT EXISTS (SELECT 1 FROM case_indexed c WHERE c.video_id = f.video_id) ORDER BY 1"
)
_TABLES = ("track_features", "subject_features", "case_indexed", "next.track_features", "reindexed")
"""What is dropped of a video, the last two of an index that another embedder makes meanwhile."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a round changed: chunks that were read, and videos whose vectors were dropped."""

    read: int
    dropped: int


class OnCase(Background):
    """Keeps the index of faces to what open cases cover. `scopes`: of all open cases, as they are now.

    `tell` says what can't be read any more; `ended` is set when the thread ends by a fault, which `check` raises.
    """

    def __init__(
        self, database: Database, reader: EvidenceReader, index: FaceIndex, scopes: Callable[[], Sequence[Scope]],
        tell: Callable[[str], None] = lambda text: log.error("stored evidence can't be indexed: %s", text),
        ended: threading.Event | None = None,
    ) -> None:
        super().__init__("on-case")
        self._database, self._reader, self._index, self._scopes = database, reader, index, scopes
        self._tell, self._ended = tell, ended or threading.Event()

    def keep(self) -> Kept:
        """Bring the index up to date with the open cases; what is closed meanwhile is heeded within a few chunks.

        Raises:
            ServiceUnavailable: the database is out of reach; run again.
            ConfigError: a template key is missing, or the index is of another embedder.

        """
        scopes, read, at = self._open(), 0, ("", -1)
        dropped = self._drop(scopes)
        while batch := self._due(scopes, at):
            for video_id, seq in batch:
                if self.halted:
                    return Kept(read, dropped)
                read += self._read(video_id, seq)
            at, before, scopes = batch[-1], scopes, self._open()
            if scopes != before:
                dropped += self._drop(scopes)
        return Kept(read, dropped)

    def session(self) -> None:
        """One round; what fails is tried again with the next one."""
        try:
            self.keep()
        except SealframeError as error:
            log.error("faces can't be indexed for open cases, trying again: %s", error)
        self._halt.wait(SECONDS)

    def _run(self) -> None:
        try:
            super()._run()
        finally:
            if not self.halted:
                self.error = SealframeError("indexing faces for open cases ended by a fault: see the log")
                self._ended.set()

    def _open(self) -> list[Scope]:
        return [scope for scope in self._scopes() if "face" in scope.kinds]

    def _drop(self, scopes: Sequence[Scope]) -> int:
        """Drop, by whole videos, what no case covers any more, and what was indexed under another setting."""
        with self._database.connection() as db:
            gone = db.execute(_GONE, _values(scopes)).fetchall()
        for (video_id,) in gone:
            with self._database.connection() as db:
                camera_id = store.hold(db, video_id)
                if camera_id is None:
                    continue  # retired meanwhile
                for table in _TABLES:
                    db.execute(f"DELETE FROM {table} WHERE video_id = %s", (video_id,))  # noqa: S608
                self._index.merge(db, video_id, camera_id, frozenset(store.track_spans(db, video_id)))
        return len(gone)

    def _due(self, scopes: Sequence[Scope], after: tuple[str, int]) -> list[tuple[str, int]]:
        """The next few chunks that a case covers and that weren't read: video and number, in this order."""
        if not scopes:
            return []
        values = {**_values(scopes), "video": after[0], "seq": after[1], "most": BATCH}
        with self._database.connection() as db:
            return [(video_id, seq) for video_id, seq in db.execute(_DUE, values).fetchall()]

    def _read(self, video_id: str, seq: int) -> bool:
        """Read a chunk; whether it could be, and is still kept."""
        stored = stored_or_left(self._database, self._reader, video_id, seq, self._tell)
        if stored is None:
            return False
        evidence, parts = stored
        looked = self._index.read(parts, evidence.format)
        with self._database.connection() as db:
            if store.hold(db, video_id) is None:
                return False
            db.execute("INSERT INTO case_indexed VALUES (%s, %s) ON CONFLICT DO NOTHING", (video_id, seq))
            self._index.write(db, evidence, looked)
        if text := damage(evidence, parts):
            self._tell(text)
        return True


def index_without_cases(database: Database) -> None:
    """Note that all faces are indexed from now on: `case_indexed` then isn't all that is known of its videos."""
    with database.connection() as db:
        db.execute("UPDATE case_indexed SET mixed = true WHERE NOT mixed")


def _values(scopes: Sequence[Scope]) -> dict[str, Any]:
    """Cases as the queries take them: a line for each camera."""
    lines = [(camera, scope.from_ms, scope.to_ms) for scope in scopes for camera in scope.cameras]
    return {name: [line[n] for line in lines] for n, name in enumerate(("cameras", "first", "last"))}
