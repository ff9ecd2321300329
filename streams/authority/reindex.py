"""Index all faces again with another embedder: side by side, then switch. Searches go on meanwhile.

Vectors of two embedders never compare, so an index is of one. `read` opens the stored evidence again, in memory, by its
track keys, and keeps what it finds in the schema `next`; killed, it goes on where it was, and it reads what comes in
meanwhile too. It leaves alone what waits for the service to read it (`unread.py`) and what no case covers where faces
are indexed on a case only (`on_case.py`); what can't be read any more it leaves behind. `switch` puts the new vectors
in the place of the old ones and merges subjects and persons again, in one transaction: a search sees the old index or
the new one. Then the services are to be started with the new embedder; until they are, the sink stops rather than mix
vectors.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infra.postgres import Database
from schemas.errors import UsageError
from streams.authority import store
from streams.authority.index import FaceIndex
from streams.authority.reading import EvidenceReader
from streams.authority.unread import damage, stored_or_left

_BESIDE = "SET LOCAL search_path = next, public"
_LEFT = (
    "SELECT e.video_id, e.chunk_seq FROM evidence e LEFT JOIN reindexed r USING (video_id, chunk_seq)"
    " LEFT JOIN case_indexed c USING (video_id, chunk_seq) LEFT JOIN unread u USING (video_id, chunk_seq)"
    " WHERE r.video_id IS NULL AND EXISTS (SELECT 1 FROM track_features t WHERE t.video_id = e.video_id)"
    " AND (u.video_id IS NULL OR NOT u.failed AND c.video_id IS NOT NULL)"
    " AND (c.video_id IS NOT NULL OR NOT EXISTS"
    " (SELECT 1 FROM case_indexed o WHERE o.video_id = e.video_id AND NOT o.mixed))"
)
"""Chunks that haven't been read, but were by the old embedder: a new one indexes no more than that did."""
_STILL = f"{_LEFT} AND e.video_id = %s AND e.chunk_seq = %s"
_DEAD = "template_key > 0 AND template_key NOT IN (SELECT number FROM template_keys)"
Step = Callable[[int, int], None]
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Switched:
    """What the index holds after a switch."""

    videos: int
    tracks: int
    vectors: int


class Reindex:
    """Reads an authority's faces again; `index` has the new embedder and the authority's template keys."""

    def __init__(self, database: Database, reader: EvidenceReader, index: FaceIndex) -> None:
        self._database, self._reader, self._index = database, reader, index
        self.damaged = 0
        """How many chunks couldn't be read, or not all of each; the log says which."""

    def read(self, step: Step = lambda done, of: None) -> int:
        """Read every chunk of evidence that hasn't been read by this embedder; how many that were.

        Raises:
            ConfigError: a template key is missing.

        """
        with self._database.connection() as db:
            self._begin(db)
        done = 0
        while left := self._left():
            for video_id, seq in left:
                self._chunk(video_id, seq)
                done += 1
                step(done, done + len(left))
        return done

    def switch(self) -> Switched:
        """Put the new vectors in the place of the old ones.

        Raises:
            UsageError: evidence came meanwhile that hasn't been read: read again.

        """
        with self._database.connection() as db:
            db.execute("SELECT 1 FROM videos ORDER BY video_id FOR UPDATE")  # as the sink: the video first
            db.execute("LOCK TABLE track_features IN SHARE ROW EXCLUSIVE MODE")
            row = db.execute("SELECT embedder FROM reindexing").fetchone()
            if row is None or row[0] != self._index.embedder:
                raise UsageError(f"nothing was read with {self._index.embedder}: read first")
            if db.execute(_LEFT).fetchone() or db.execute(
                f"SELECT 1 FROM next.track_features WHERE {_DEAD}"  # noqa: S608
            ).fetchone():
                raise UsageError("evidence or template keys came meanwhile: read again")
            db.execute("DELETE FROM track_features")
            db.execute(
                "INSERT INTO track_features SELECT n.* FROM next.track_features n WHERE EXISTS"
                " (SELECT 1 FROM spans s WHERE s.video_id = n.video_id AND s.track = n.track)"
            )
            videos = db.execute("SELECT video_id, camera_id FROM videos ORDER BY start_ms").fetchall()
            for video_id, camera_id in videos:
                tracks = frozenset(store.track_spans(db, video_id))
                self._index.merge(db, video_id, camera_id, tracks)
            for table in ("next.track_features", "reindexed", "reindexing"):
                db.execute(f"DELETE FROM {table}")  # noqa: S608
            (tracks_, vectors) = db.execute(
                "SELECT count(DISTINCT (video_id, track)), count(embedding) FROM track_features"
            ).fetchone() or (0, 0)
        return Switched(len(videos), tracks_, vectors)

    def _begin(self, db: Any) -> None:
        """Go on with this embedder, or begin anew where another one was being read with."""
        row = db.execute("SELECT embedder FROM reindexing").fetchone()
        if row is not None and row[0] == self._index.embedder:
            return
        for table in ("next.track_features", "reindexed", "reindexing"):
            db.execute(f"DELETE FROM {table}")  # noqa: S608
        db.execute("INSERT INTO reindexing (embedder) VALUES (%s)", (self._index.embedder,))

    def _left(self) -> list[tuple[str, int]]:
        """Chunks to read; videos whose vectors were turned by a key that is gone are read again."""
        with self._database.connection() as db:
            db.execute(
                f"DELETE FROM reindexed WHERE video_id IN (SELECT video_id FROM next.track_features WHERE {_DEAD})"  # noqa: S608
            )
            db.execute(f"DELETE FROM next.track_features WHERE {_DEAD}")  # noqa: S608
            return [(video_id, seq) for video_id, seq in db.execute(f"{_LEFT} ORDER BY 1, 2").fetchall()]

    def _chunk(self, video_id: str, seq: int) -> None:
        stored = stored_or_left(self._database, self._reader, video_id, seq, self._damaged)
        if stored is None:
            return  # retired meanwhile, or left
        evidence, parts = stored
        looked = self._index.read(parts, evidence.format)
        if text := damage(evidence, parts):
            self._damaged(text)
        with self._database.connection() as db:
            store.hold(db, video_id)
            if db.execute(_STILL, (video_id, seq)).fetchone() is None:
                return  # no case covers it any more
            db.execute(_BESIDE)
            self._index.note(db, evidence, looked)
            db.execute("INSERT INTO reindexed VALUES (%s, %s) ON CONFLICT DO NOTHING", (video_id, seq))

    def _damaged(self, text: str) -> None:
        self.damaged += 1
        log.error("stored evidence can't be indexed: %s", text)
