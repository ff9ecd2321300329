"""Read evidence back: records from a video's file, parts opened with track keys, in memory only.

A part opens only if all tracks that claim it are granted; the others are named, not opened.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.files import read_range
from infra.keys import KeyStore
from operators.sign import digest
from schemas.codec import decode, unpack_as
from schemas.errors import (
    DamagedEnvelope,
    DigestMismatch,
    MalformedRecord,
    MissingEvidence,
    NotForMe,
    PoisonError,
    ServiceUnavailable,
)
from schemas.frames import VideoFormat
from schemas.records import Piece, SealedEvidence, TrackMapping
from schemas.topics import evidence_topic
from streams.authority import store
from streams.authority.opening import OpenedPart, PartState, open_later


@dataclass(frozen=True, slots=True)
class OpenedChunk:
    """What a chunk's evidence gave: contents of granted parts, and the tracks of those that stay closed, by reason.

    `format` is the video's, None in records that don't say; `capture_ms` is 0 there.
    """

    chunk_seq: int
    operator_digest: bytes
    parts: int
    mappings: tuple[TrackMapping, ...] = field(repr=False)
    pieces: tuple[Piece, ...] = field(repr=False)
    withheld: tuple[tuple[int, ...], ...] = ()
    closed: tuple[tuple[str, tuple[int, ...]], ...] = ()
    format: VideoFormat | None = None
    capture_ms: int = 0


class EvidenceReader:
    """Opens the stored evidence of one authority."""

    def __init__(self, authority: str, keys: KeyStore, folder: Path) -> None:
        self._topic, self._keys, self._folder = evidence_topic(authority), keys, folder

    def chunk(
        self, db: Any, video_id: str, chunk_seq: int, granted: frozenset[int] | None = None
    ) -> OpenedChunk:
        """Open the parts of a chunk that only `granted` tracks claim (None: all).

        Raises:
            MissingEvidence: no evidence of this chunk was taken in.
            DigestMismatch: the file holds other bytes than were taken in.
            DamagedEnvelope: a record, a wrap or a key doesn't belong to the others.
            ServiceUnavailable: the file can't be read now.

        """
        place = store.places(db, video_id, chunk_seq, chunk_seq).get(chunk_seq)
        if place is None:
            raise MissingEvidence(f"{video_id}: no evidence of chunk {chunk_seq}")
        evidence = self.record(video_id, place)
        mappings, pieces, withheld, closed = [], [], [], []
        for known in store.stored_parts(db, video_id, chunk_seq):
            if granted is not None and not granted.issuperset(known.tracks):
                withheld.append(known.tracks)
                continue
            content = self._content(evidence, known)
            if isinstance(content, Piece):
                pieces.append(content)
            elif isinstance(content, TrackMapping):
                mappings.append(content)
            else:
                closed.append((content, known.tracks))
        return OpenedChunk(chunk_seq, place.operator_digest, place.parts, tuple(mappings), tuple(pieces),
                           tuple(withheld), tuple(closed), evidence.format, evidence.capture_ms)

    def stored(
        self, db: Any, video_id: str, chunk_seq: int, *, damaged: bool = False
    ) -> tuple[SealedEvidence, tuple[OpenedPart, ...]] | None:
        """A chunk's evidence and its parts as an index reads them, by track keys; None where it is kept no longer.

        `damaged`: a part that doesn't open any more is listed as such.

        Raises:
            DigestMismatch, DamagedEnvelope, ServiceUnavailable: as `chunk`.

        """
        place = store.places(db, video_id, chunk_seq, chunk_seq).get(chunk_seq)
        if place is None:
            return None
        evidence = self.record(video_id, place)
        parts = store.stored_parts(db, video_id, chunk_seq)
        return evidence, tuple(self._part(evidence, known, damaged=damaged) for known in parts)

    def _part(self, evidence: SealedEvidence, known: store.StoredPart, *, damaged: bool) -> OpenedPart:
        try:
            content = self._content(evidence, known)
        except (DamagedEnvelope, MalformedRecord):
            if not damaged:
                raise
            content = "damaged"
        if isinstance(content, str):
            return OpenedPart(known.part, known.type, content, known.tracks)
        return OpenedPart(known.part, known.type, "open", known.tracks, content=content)

    def _content(self, evidence: SealedEvidence, known: store.StoredPart) -> TrackMapping | Piece | PartState:
        """What a part holds, or why it stays closed."""
        if known.wrap is None:
            return known.state
        try:
            keys = self._keys.track_keys(evidence.video_id, known.tracks)
        except NotForMe:
            return "erased"
        return open_later(evidence, evidence.parts[known.part], self._topic, known.wrap, keys)

    def record(self, video_id: str, place: store.Place) -> SealedEvidence:
        """The record at a place, which must be the one that was taken in (its signature was checked then).

        Raises:
            DigestMismatch: other bytes, or none, or the disk has lost them.
            ServiceUnavailable: they can't be read now: no right, too many open files, a folder out of reach.

        """
        try:
            data = read_range(store.evidence_path(self._folder, video_id), place.at, place.length)
            signed = unpack_as("evidence", data[4:])
        except (DigestMismatch, ServiceUnavailable, PoisonError) as error:
            kind = ServiceUnavailable if isinstance(error, ServiceUnavailable) else DigestMismatch
            raise kind(f"{video_id}: the evidence of chunk {place.chunk_seq} can't be read: {error}") from error
        if digest(signed.body) != place.digest:
            raise DigestMismatch(f"{video_id}: the evidence of chunk {place.chunk_seq} isn't what was taken in")
        return decode(SealedEvidence, signed.body)
