"""Open evidence: once on arrival, with the epoch's key; later with the keys of the tracks in it. In memory only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Literal

from infra.keys import KeyStore
from operators.seal import Identity, TrackKeys, Unsealed, evidence_aad, opened, unseal
from schemas.codec import decode
from schemas.errors import DamagedEnvelope, MalformedRecord, NotForMe
from schemas.records import Piece, SealedEvidence, SealedPart, TrackMapping, Wrap

PartState = Literal["open", "erased", "not-for-me", "damaged"]


@dataclass(frozen=True, slots=True)
class OpenedPart:
    """A part on arrival: its tracks, and its wrap under their keys; without one it can't be opened again."""

    part: int
    type: str
    state: PartState
    tracks: tuple[int, ...] = ()
    wrap: Wrap | None = None
    content: TrackMapping | Piece | None = field(default=None, repr=False)


def open_on_arrival(
    evidence: SealedEvidence, topic: str, identities: Sequence[Identity], keys: KeyStore
) -> tuple[OpenedPart, ...]:
    """Every part of a chunk's evidence, with new wraps; track keys are made as needed.

    A part that doesn't open is listed with the reason. One that claims an erased track gets no wrap and no content.
    """
    found = [_opened(evidence, part, topic, identities) for part in evidence.parts]
    tracks = {track for one in found if not isinstance(one, str) for track in tracks_of(one[1])}
    known = keys.ensure_tracks(evidence.video_id, sorted(tracks))
    return tuple(
        OpenedPart(part.part, part.type, one) if isinstance(one, str) else _kept(part, *one, known)
        for part, one in zip(evidence.parts, found, strict=True)
    )


def without(parts: Sequence[OpenedPart], gone: Set[int]) -> tuple[OpenedPart, ...]:
    """The parts, those closed that claim a track which was erased since they were opened."""
    return tuple(
        OpenedPart(part.part, part.type, "erased", part.tracks) if gone & set(part.tracks) else part
        for part in parts
    )


def open_later(
    evidence: SealedEvidence, part: SealedPart, topic: str, wrap: Wrap, track_keys: Sequence[bytes]
) -> TrackMapping | Piece:
    """A part's content, by the keys of all its tracks.

    Raises:
        DamagedEnvelope: the record, the wrap or the keys aren't those that belong together.
        MalformedRecord: the content doesn't parse.

    """
    opener = TrackKeys(wrap, tuple(track_keys))
    return content_of(part, unseal(part.sealed, [opener], evidence_aad(evidence, part, topic)))


def content_of(part: SealedPart, plaintext: bytes) -> TrackMapping | Piece:
    """What a part's plaintext says.

    Raises:
        MalformedRecord: it doesn't parse, is of an unknown type, or names no track.

    """
    if part.type not in ("mapping", "piece"):
        raise MalformedRecord(f"a part of type {part.type!r}")
    content = decode(TrackMapping, plaintext) if part.type == "mapping" else decode(Piece, plaintext)
    if not tracks_of(content):
        raise MalformedRecord("a piece that no track claims")
    return content


def tracks_of(content: TrackMapping | Piece) -> tuple[int, ...]:
    """The tracks whose keys open a part."""
    return (content.track,) if isinstance(content, TrackMapping) else tuple(sorted(set(content.tracks)))


def _opened(
    evidence: SealedEvidence, part: SealedPart, topic: str, identities: Sequence[Identity]
) -> tuple[Unsealed, TrackMapping | Piece] | PartState:
    """A part opened and what it says, or why it doesn't open."""
    try:
        unsealed = opened(part.sealed, identities, evidence_aad(evidence, part, topic))
        return unsealed, content_of(part, unsealed.plaintext)
    except NotForMe:
        return "not-for-me"
    except (DamagedEnvelope, MalformedRecord):
        return "damaged"


def _kept(
    part: SealedPart, unsealed: Unsealed, content: TrackMapping | Piece, keys: Mapping[int, bytes]
) -> OpenedPart:
    """A part under the keys of its tracks from now on; `keys`: of those that aren't erased."""
    tracks = tracks_of(content)
    if not keys.keys() >= set(tracks):
        return OpenedPart(part.part, part.type, "erased", tracks)
    return OpenedPart(part.part, part.type, "open", tracks, unsealed.wrap([keys[track] for track in tracks]), content)
