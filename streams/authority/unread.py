"""Evidence that is stored first and read later: what comes late, since the machine or the platform was.

To store a chunk's evidence takes milliseconds, to look for faces and plates in it a tenth of a second. So what comes
late is stored at once: who is in it, when, and which of them are two persons is known from then on. What they look like
is read when no record is there to be stored, from the file, by the track keys. A video's chunks are read in order:
once one of them waits, those after it do, too. Whoever is in a chunk that waits counts as not indexed in a search.
Faces that a case has made somebody read meanwhile (`on_case.py`) are not counted twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from infra.postgres import Database
from schemas.errors import DamagedEnvelope, DigestMismatch
from schemas.records import SealedEvidence, TrackMapping
from streams.authority import store
from streams.authority.opening import OpenedPart
from streams.authority.reading import EvidenceReader

Write = Callable[[Any], None]
"""Writes findings, given a connection, in its transaction."""


class Indexing(Protocol):
    """What learns from opened parts."""

    def look(self, evidence: SealedEvidence, parts: tuple[OpenedPart, ...]) -> Write:
        """Read the parts, pixels with them; without parts only who is in the chunk is brought up to date."""
        ...


class Unread:
    """The evidence of one authority that waits to be read, for the one writer of its index."""

    def __init__(self, database: Database, reader: EvidenceReader, indexing: Indexing) -> None:
        self._database, self._reader, self._indexing = database, reader, indexing
        self._some = True
        """Some may wait: it isn't asked for again while none does."""

    def put_off(self, evidence: SealedEvidence) -> Write:
        """What notes a chunk as one to be read later, in the transaction that stores it."""
        update = self._indexing.look(evidence, ())

        def write(db: Any) -> None:
            db.execute("INSERT INTO unread VALUES (%s, %s)", (evidence.video_id, evidence.chunk_seq))
            update(db)
            self._some = True

        return write

    def read_next(self) -> bool:
        """Read what has waited longest; whether there was any.

        Raises:
            DigestMismatch: it isn't what was taken in, or can't be read from the disk; `give_up` goes on after it.
            DamagedEnvelope: parts of it aren't; the others were read.
            ServiceUnavailable: the database is out of reach; it is read again.
            ConfigError: the index is of another embedder, or a template key is missing.

        """
        if (first := self._first()) is None:
            return False
        self._read(*first)
        return True

    def give_up(self) -> None:
        """Nobody will read what has waited longest; who is in it stays not indexed."""
        if (first := self._first()) is not None:
            with self._database.connection() as db:
                leave(db, *first)

    def _first(self) -> tuple[str, int] | None:
        if not self._some:
            return None
        with self._database.connection() as db:
            row = db.execute(
                "SELECT video_id, chunk_seq FROM unread WHERE NOT failed ORDER BY noted_at LIMIT 1"
            ).fetchone()
        self._some = row is not None
        return None if row is None else (str(row[0]), int(row[1]))

    def _read(self, video_id: str, seq: int) -> None:
        with self._database.connection() as db:
            stored = self._reader.stored(db, video_id, seq, damaged=True)
            for_a_case = _for_a_case(db, video_id, seq)
        write = self._indexing.look(stored[0], _new(stored[1], for_a_case)) if stored else None
        with self._database.connection() as db:
            held = store.hold(db, video_id) is not None
            db.execute("DELETE FROM unread WHERE video_id = %s AND chunk_seq = %s", (video_id, seq))
            if write and held:
                write(db)
        if stored and (text := damage(*stored)):
            raise DamagedEnvelope(text)


def damage(evidence: SealedEvidence, parts: Sequence[OpenedPart]) -> str:
    """That some parts of a chunk don't open any more; nothing where all do."""
    damaged = sum(part.state == "damaged" for part in parts)
    return f"{evidence.video_id}: {damaged} parts of chunk {evidence.chunk_seq} don't open any more" if damaged else ""


def stored_or_left(
    database: Database, reader: EvidenceReader, video_id: str, seq: int, tell: Callable[[str], None]
) -> tuple[SealedEvidence, tuple[OpenedPart, ...]] | None:
    """A stored chunk's evidence and opened parts; None where it is gone, or can't be read: that is told, and left."""
    try:
        with database.connection() as db:
            return reader.stored(db, video_id, seq, damaged=True)
    except DigestMismatch as error:
        tell(str(error))
        with database.connection() as db:
            leave(db, video_id, seq)
        return None


def leave(db: Any, video_id: str, seq: int) -> None:
    """Note that nobody can read a chunk: who is in it counts as not indexed."""
    db.execute(
        "INSERT INTO unread (video_id, chunk_seq, failed) SELECT video_id, %s, true FROM videos WHERE video_id = %s"
        " ON CONFLICT (video_id, chunk_seq) DO UPDATE SET failed = true", (seq, video_id),
    )


def waits(db: Any, video_id: str) -> bool:
    """Some of a video waits to be read."""
    query = "SELECT 1 FROM unread WHERE video_id = %s AND NOT failed LIMIT 1"
    return db.execute(query, (video_id,)).fetchone() is not None


def waiting(db: Any) -> int:
    """How many chunks wait to be read."""
    row = db.execute("SELECT count(*) FROM unread WHERE NOT failed").fetchone()
    return int(row[0]) if row else 0


def _for_a_case(db: Any, video_id: str, seq: int) -> bool:
    """The chunk's faces were read for a case."""
    query = "SELECT 1 FROM case_indexed WHERE video_id = %s AND chunk_seq = %s"
    return db.execute(query, (video_id, seq)).fetchone() is not None


def _new(parts: tuple[OpenedPart, ...], for_a_case: bool) -> tuple[OpenedPart, ...]:
    """The parts that nobody has read: without faces, if somebody has read those for a case."""
    return tuple(
        part for part in parts
        if not (for_a_case and isinstance(part.content, TrackMapping) and part.content.kind == "face")
    )
