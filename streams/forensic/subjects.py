"""What may be done with a subject under a case, beside restoring it: its restored video, its package, its erasure.

Each passes the gate, and its log entry is on the disk before an answer leaves; refusals and failures are logged too.
What takes long passes it again before it leaves: the case may be closed by then, the subject erased.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from infra.keys import KeyStore
from infra.postgres import Database
from operators.seal import key_id
from operators.sign import SigningKey
from schemas.errors import AccessDenied, UsageError
from streams.authority.erase import Erased, erase_subject, hold_on
from streams.authority.package import Package, pack_subject
from streams.authority.reading import EvidenceReader
from streams.authority.restored_video import RestoredVideo, restored_video
from streams.forensic.gate import Gate, Ground, noted
from streams.forensic.log import Entry
from streams.forensic.permission import Person
from streams.forensic.terms import typed


@dataclass(frozen=True, slots=True)
class Given:
    """What left, and its entry in the access log."""

    entry: int
    digest: str
    video: RestoredVideo | None = field(default=None, repr=False)
    package: Package | None = field(default=None, repr=False)


class SubjectDesk:
    """Works on the subjects of one authority; `key` gives its signing key."""

    def __init__(
        self, database: Database, gate: Gate, keys: KeyStore, reader: EvidenceReader, key: Callable[[], SigningKey]
    ) -> None:
        self._database, self._gate, self._keys, self._reader, self._key = database, gate, keys, reader, key

    def restored_video(self, subject_id: str, ground: Ground, *, everyone: bool = False) -> Given:
        """Blank frames with the regions of this subject alone, or of everyone in its video: see `RestoredVideo`.

        Raises:
            AccessDenied, RateLimited, UsageError: see `Gate.subject`.
            MissingEvidence, IntegrityError: see `restored_video`.

        """
        detail: dict[str, Any] = {"subject": typed(subject_id), "all": everyone}
        with noted(self._gate.log, "restored-video", ground.actor, ground.case, ground.purpose, detail):
            self._gate.subject("restore", ground, subject_id, everyone=everyone)
            video_id, tracks = self._tracks(subject_id)
            erased = self._erased(video_id)
            made = restored_video(self._database, self._reader, video_id, None if everyone else tracks)
            digest = hashlib.sha256(made.media).hexdigest()
            self._gate.still("restore", ground, subject_id, everyone=everyone)
            if everyone and self._erased(video_id) != erased:
                raise UsageError("somebody in this video was erased meanwhile: ask again")
        entry = self._log("restored-video", ground, {
            **detail, "video": video_id, "pictures": len(made.pictures), "closed": made.closed, "digest": digest,
        })
        return Given(entry, digest, video=made)

    def package(self, subject_id: str, ground: Ground, recipient: bytes) -> Given:
        """The subject's regions in one video, sealed for a public key.

        Raises:
            AccessDenied, RateLimited, UsageError: see `Gate.subject`.
            IntegrityError: see `pack_subject`.

        """
        detail: dict[str, Any] = {"subject": typed(subject_id), "recipient": key_id(recipient).hex()}
        with noted(self._gate.log, "package", ground.actor, ground.case, ground.purpose, detail):
            self._gate.subject("export", ground, subject_id)
            made = pack_subject(self._database, self._reader, subject_id, recipient, self._key())
            digest = hashlib.sha256(made.data).hexdigest()
            self._gate.still("export", ground, subject_id)
        entry = self._log("package", ground, {
            **detail, "video": made.video_id, "chunks": made.chunks, "frames": made.frames, "digest": digest,
        })
        return Given(entry, digest, package=made)

    def erase(self, subject_id: str, ground: Ground) -> Erased:
        """Destroy the subject's keys and rows, for ever: see `erase_subject`.

        Raises:
            AccessDenied: see `Gate.subject`.
            UsageError: no such subject, or it is under a legal hold.

        """
        with noted(self._gate.log, "erase", ground.actor, ground.case, ground.purpose, {"subject": typed(subject_id)}):
            self._gate.subject("erase", ground, subject_id)
            return erase_subject(
                self._database, self._keys, self._gate.log, self._gate.clock, subject_id, actor=ground.actor,
                case=ground.case, purpose=ground.purpose,
            )

    def hold(self, subject_id: str) -> int | None:
        """Number of the legal hold that a subject is under; None where there is none, or no such subject."""
        with self._database.connection() as db:
            row = db.execute(
                "SELECT video_id FROM subjects WHERE subject_id = %s", (subject_id.replace("\0", ""),)
            ).fetchone()
            return None if row is None else hold_on(db, row[0])

    def erasure(self, seq: int, person: Person) -> Entry:
        """The log's entry of an erasure that this person made.

        Raises:
            AccessDenied: that entry is of something else, or of somebody else; logged.
            UsageError: there is no such entry; logged.

        """
        with noted(self._gate.log, "erasure-read", person.person, "", "", {"entry": seq}):
            entry = self._gate.log.get(seq)
            if (entry.content["action"], entry.content["actor"]) != ("erased", person.person):
                raise AccessDenied("you made no such erasure; an auditor can prove every entry (sealframe log prove)")
        return entry

    def _tracks(self, subject_id: str) -> tuple[str, tuple[int, ...]]:
        with self._database.connection() as db:
            row = db.execute("SELECT video_id, tracks FROM subjects WHERE subject_id = %s", (subject_id,)).fetchone()
        return ("", ()) if row is None else (row[0], tuple(row[1]))

    def _erased(self, video_id: str) -> int:
        """How many tracks of a video were erased so far."""
        with self._database.connection() as db:
            row = db.execute("SELECT count(*) FROM erasures WHERE video_id = %s", (video_id,)).fetchone()
        return int(row[0]) if row else 0

    def _log(self, action: str, ground: Ground, detail: dict[str, Any]) -> int:
        return self._gate.log.append(action, ground.actor, ground.case, ground.purpose, detail).seq
