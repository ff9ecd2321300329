"""Evidence that is stored first and read later: what comes late, since the machine or the platform was.

To store a chunk's evidence takes milliseconds, to look for faces and plates in it a tenth of a second. So what comes
late is stored at once and read when nothing else waits to be stored, from the file, by its track keys. A video's chunks
are read in order: once one of them waits, those after it do, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from infra.postgres import Database
from schemas.errors import IntegrityError, PoisonError
from schemas.records import SealedEvidence
from streams.authority.opening import OpenedPart
from streams.authority.reading import EvidenceReader


class Indexing(Protocol):
    """What learns from opened parts: `look` reads pixels, what it returns writes in the caller's transaction."""

    def look(self, evidence: SealedEvidence, parts: tuple[OpenedPart, ...]) -> Callable[[Any], None]:
        """Read the parts; return what writes the findings, given a connection."""
        ...


class Unread:
    """The evidence of one authority that waits to be read; `read_next` is for the one writer of its index."""

    def __init__(self, database: Database, reader: EvidenceReader, indexing: Indexing) -> None:
        self._database, self._reader, self._indexing = database, reader, indexing
        self._some = True
        """Some may wait: it isn't asked for again while none does."""

    def put_off(self, db: Any, evidence: SealedEvidence) -> None:
        """Note a chunk as one to be read later, in the transaction that stores it."""
        self._some = True
        db.execute("INSERT INTO unread VALUES (%s, %s)", (evidence.video_id, evidence.chunk_seq))

    def read_next(self) -> bool:
        """Read what has waited longest; whether there was any.

        Raises:
            IntegrityError, PoisonError: it isn't what was taken in; nobody will read it any more.
            ServiceUnavailable: the database is out of reach; it is read again.
            ConfigError: the index is of another embedder, or a template key is missing.

        """
        if not self._some:
            return False
        with self._database.connection() as db:
            row = db.execute("SELECT video_id, chunk_seq FROM unread ORDER BY noted_at LIMIT 1").fetchone()
        if row is None:
            self._some = False
            return False
        try:
            self._read(*row)
        except (IntegrityError, PoisonError):
            with self._database.connection() as db:
                _done(db, *row)
            raise
        return True

    def _read(self, video_id: str, seq: int) -> None:
        with self._database.connection() as db:
            stored = self._reader.stored(db, video_id, seq)
        write = self._indexing.look(*stored) if stored else None
        with self._database.connection() as db:
            held = db.execute("SELECT 1 FROM videos WHERE video_id = %s FOR UPDATE", (video_id,)).fetchone()
            if write and held:
                write(db)
            _done(db, video_id, seq)


def waits(db: Any, video_id: str) -> bool:
    """Some of a video waits to be read."""
    return db.execute("SELECT 1 FROM unread WHERE video_id = %s LIMIT 1", (video_id,)).fetchone() is not None


def waiting(db: Any) -> int:
    """How many chunks wait to be read."""
    row = db.execute("SELECT count(*) FROM unread").fetchone()
    return int(row[0]) if row else 0


def _done(db: Any, video_id: str, seq: int) -> None:
    db.execute("DELETE FROM unread WHERE video_id = %s AND chunk_seq = %s", (video_id, seq))
