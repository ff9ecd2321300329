"""The operators in a row, as one pure step over a chunk: `detect -> track -> desensitise -> cohere -> split`, then `seal`.

`step` is `locate` (detect, track) and then `protect` (desensitise, cohere, split); the topology may be cut between
them. Sealing needs fresh keys and the authorities' keys of the epoch, so it stands apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from operators.seal import OpenPart
from schemas.records import Alarm, OperatorRecord


@dataclass(frozen=True, slots=True)
class EvidenceDraft:
    """One authority's evidence of one chunk before it is sealed: it must not leave the process."""

    authority: str
    camera_id: str
    video_id: str
    chunk_seq: int
    operator_digest: bytes
    previous: int
    parts: tuple[OpenPart, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What a step sends: operator records in order, drafts of evidence to seal, alarms, JSON events."""

    operator: tuple[OperatorRecord, ...] = ()
    evidence: tuple[EvidenceDraft, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    events: tuple[bytes, ...] = ()
