"""Take in evidence: check, open in memory, wrap under track keys, append to the video's file, index. Idempotent.

Order: file appended and synced, then one transaction, then the caller commits the offset. Bytes that a kill left behind
the transaction are cut off by the next append to that file. What comes late is indexed later, see `unread.py`.

The first version of a chunk's evidence wins. Evidence of the same operator chunk, sealed once more under fresh keys
after the worker was killed, is a repetition; that of another version of the chunk is a conflict, and counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from infra.files import AppendFile, FolderLock
from infra.framing import EVIDENCE, framed
from infra.keys import KeyStore
from infra.postgres import Database
from operators.seal import Identity
from schemas.errors import MalformedRecord
from schemas.records import SealedEvidence
from schemas.topics import evidence_topic
from streams.authority import store
from streams.authority.opening import OpenedPart, open_on_arrival, without
from streams.authority.reading import EvidenceReader
from streams.authority.retention import is_retired
from streams.authority.unread import Indexing, Unread, Write, waits
from streams.verify import Identify, read_evidence

Outcome = Literal["stored", "repeated", "conflict"]


class AllIndexes:
    """Several indexes as one: all look at a chunk, all write in one transaction."""

    def __init__(self, *indexes: Indexing) -> None:
        self._indexes = indexes

    def look(self, evidence: SealedEvidence, parts: tuple[OpenedPart, ...]) -> Write:
        """Read the parts, by every index in turn."""
        writes = [index.look(evidence, parts) for index in self._indexes]

        def write(db: Any) -> None:
            for one in writes:
                one(db)

        return write


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a record: how many of its parts can't be opened, and what a person must look at."""

    outcome: Outcome
    evidence: SealedEvidence = field(repr=False)
    unopened: int = 0
    missing: tuple[store.Gap, ...] = ()


class EvidenceSink:
    """The one writer of an authority's evidence folder; holds its lock until `close`."""

    def __init__(
        self, authority: str, database: Database, keys: KeyStore, folder: Path, identify: Identify,
        indexing: Indexing | None = None,
    ) -> None:
        """Take the folder.

        Raises:
            ConfigError: another process writes into it.

        """
        self._authority, self._topic = authority, evidence_topic(authority)
        self._database, self._keys, self._identify, self._indexing = database, keys, identify, indexing
        self._lock, self.folder = FolderLock(folder), folder
        self._unread = Unread(database, EvidenceReader(authority, keys, folder), indexing) if indexing else None

    def close(self) -> None:
        """Let another process write."""
        self._lock.release()

    def read_next(self) -> bool:
        """Index what was stored first and has waited longest; whether there was any. Errors as `Unread.read_next`."""
        return self._unread is not None and self._unread.read_next()

    def give_up(self) -> None:
        """Leave what has waited longest unread."""
        if self._unread is not None:
            self._unread.give_up()

    def take(self, value: bytes, received_ms: int, *, late: bool = False) -> Taken:
        """Take in one record of the evidence topic; the same evidence again changes nothing. `late`: index it later.

        Raises:
            BadSignature: not signed by the pipeline.
            MalformedRecord, UnknownRecord: not evidence for this authority.
            ServiceUnavailable: disk or database refuse; nothing was taken in.

        """
        evidence, body_digest = read_evidence(value, self._identify)
        if evidence.authority != self._authority:
            raise MalformedRecord(f"evidence for {evidence.authority!r} on {self._topic}")
        path = store.evidence_path(self.folder, evidence.video_id)
        with self._database.connection() as db:
            if is_retired(db, evidence.video_id):
                return Taken("repeated", evidence)
            if store.hold(db, evidence.video_id) not in (None, evidence.camera_id):
                raise MalformedRecord(f"{evidence.video_id} is another camera's video")
            known = store.known_version(db, evidence.video_id, evidence.chunk_seq)
            if known is not None:
                if known == (evidence.operator_digest, len(evidence.parts)):
                    return Taken("repeated", evidence)
                store.add_conflict(db, evidence, body_digest, received_ms)
                return Taken("conflict", evidence)
            late = late or waits(db, evidence.video_id)
        parts = self._open(evidence)
        write = self._learn(evidence, parts, late=late)
        with self._database.connection() as db, AppendFile(path, store.file_bytes(db, evidence.video_id)) as file:
            if not file.size:
                file.append(EVIDENCE)
            record = framed(value)
            at = file.append(record)
            file.sync()
            store.add_evidence(db, evidence, body_digest, (at, len(record)), file.size, received_ms)
            parts = without(parts, store.erased(db, evidence.video_id))
            store.add_parts(db, evidence, parts)
            write(db)
            missing = tuple(store.gaps(db, [evidence.video_id]))
        return Taken("stored", evidence, sum(part.state != "open" for part in parts), missing)

    def refuse(self, partition: int, offset: int, received_ms: int, error: Exception) -> None:
        """Count a record that wasn't taken in, with the kind of error."""
        with self._database.connection() as db:
            db.execute(
                "INSERT INTO refusals VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
                (partition, offset, received_ms, type(error).__name__),
            )

    def _learn(self, evidence: SealedEvidence, parts: tuple[OpenedPart, ...], *, late: bool) -> Write:
        """Look at the parts, or put it off; what writes that."""
        if late and self._unread is not None:
            return self._unread.put_off(evidence)
        return self._indexing.look(evidence, parts) if self._indexing else lambda db: None

    def _open(self, evidence: SealedEvidence) -> tuple[OpenedPart, ...]:
        identities = [Identity(private) for private in self._keys.private_keys()]
        return open_on_arrival(evidence, self._topic, identities, self._keys)
