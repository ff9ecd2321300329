"""The records that travel on topics and lie in files, as frozen dataclasses.

`schemas/codec.py` turns them into Protobuf messages of the same names (`schemas/sealframe.proto`) and back.
`schemas/FORMATS.md` says what is signed, sealed and digested. Digests are SHA-256, 32 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from schemas.frames import VideoFormat
from schemas.regions import RegionSet

CUSTODIAN = "custodian"
Quality = Literal["high", "lossless"]
PartType = Literal["mapping", "piece", "sound"]


@dataclass(frozen=True, slots=True)
class Signed:
    """A body and who vouches for it; `signer` is an X.509 certificate (DER), in file mode a raw public key."""

    body: bytes
    signer: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Wrap:
    """The content key of an envelope for one recipient. `recipient` is a key id."""

    recipient: bytes
    encapsulated: bytes
    wrapped_key: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """AES-256-GCM ciphertext (tag at its end) and its content key, wrapped for each recipient."""

    nonce: bytes
    ciphertext: bytes
    wraps: tuple[Wrap, ...]


@dataclass(frozen=True, slots=True)
class AssociatedData:
    """What an envelope is bound to. `recipients` are filled in from the wraps, by both sides."""

    topic: str
    type: str
    camera_id: str
    video_id: str
    chunk_seq: int
    operator_digest: bytes = b""
    part: int = 0
    kinds: tuple[str, ...] = ()
    recipients: tuple[bytes, ...] = ()
    epoch: str = ""
    version: int = 1


@dataclass(frozen=True, slots=True)
class RawChunk:
    """A FrameChunk sealed to the pipeline."""

    camera_id: str
    video_id: str
    chunk_seq: int
    sealed: Envelope


@dataclass(frozen=True, slots=True)
class VideoStart:
    """First record of a video; `media` beside it is the init segment."""

    camera_id: str
    video_id: str
    format: VideoFormat
    capture_ms: int
    origin_pts: int
    media_digest: bytes


@dataclass(frozen=True, slots=True)
class EvidenceCount:
    """How much evidence an authority must have. `previous`: 1 + the last earlier chunk with some; 0: none."""

    authority: str
    parts: int
    previous: int


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A part of the picture, as shares of its width and height."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class BareZone:
    """A never-masked zone in force: by which statement (digest of its body), and how many regions it left bare."""

    zone: Rectangle
    statement: bytes
    regions: int


@dataclass(frozen=True, slots=True)
class ZoneStatement:
    """Zones in which nothing is masked, at cameras of these patterns, from one time (ms) until another."""

    cameras: tuple[str, ...]
    zones: tuple[Rectangle, ...]
    reason: str
    from_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Approval:
    """An Ed25519 signature of a statement, and the public key that made it."""

    approver: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class ApprovedZones:
    """The bytes of a ZoneStatement and who signed them."""

    body: bytes
    approvals: tuple[Approval, ...] = ()


@dataclass(frozen=True, slots=True)
class OperatorChunk:
    """A desensitised chunk; `media` beside it is one CMAF fragment. Holds no kinds, track ids or scores.

    `masks`: zlib of the packed bits of the masked blocks, frame by frame, row by row; empty where nothing is masked.
    `bare`: the never-masked zones in force; `spared`: how many regions consent left bare; `effort`: how little was
    spent on a late camera's chunk (0: all).
    """

    camera_id: str
    video_id: str
    chunk_seq: int
    first_frame: int
    capture_ms: int
    pts: tuple[int, ...]
    end_pts: int
    masks: bytes
    method: str
    evidence: tuple[EvidenceCount, ...]
    media_digest: bytes
    media_bytes: int
    previous_digest: bytes
    passed: bool = False
    gaps: int = 0
    bare: tuple[BareZone, ...] = ()
    spared: int = 0
    effort: int = 0


@dataclass(frozen=True, slots=True)
class VideoHead:
    """Says, every 10 s, how far a video has come."""

    camera_id: str
    video_id: str
    chunk_seq: int
    digest: bytes
    capture_ms: int


@dataclass(frozen=True, slots=True)
class VideoEnd:
    """Closes a video: totals (`frames` counts gaps too), and per authority how many parts and where the last are.

    `gaps`: captured frames after the last chunk that are in no chunk; `frames` doesn't count them.
    """

    camera_id: str
    video_id: str
    chunks: int
    frames: int
    digest: bytes
    evidence: tuple[EvidenceCount, ...]
    gaps: int = 0


@dataclass(frozen=True, slots=True)
class OperatorBody:
    """What the pipeline signs for the operator: exactly one of these."""

    start: VideoStart | None = None
    chunk: OperatorChunk | None = None
    head: VideoHead | None = None
    end: VideoEnd | None = None


@dataclass(frozen=True, slots=True)
class OperatorRecord:
    """A signed OperatorBody and the media that it names by digest."""

    signed: Signed
    media: bytes = b""


@dataclass(frozen=True, slots=True)
class SealedPart:
    """One sealed part of a chunk's evidence."""

    part: int
    type: PartType
    kinds: tuple[str, ...]
    sealed: Envelope


@dataclass(frozen=True, slots=True)
class SealedEvidence:
    """The evidence of one chunk for one authority. Built only in `operators/seal.py`.

    `capture_ms` to `end_ms` is when the chunk was captured.
    """

    authority: str
    camera_id: str
    video_id: str
    chunk_seq: int
    operator_digest: bytes
    previous: int
    epoch: str
    quality: Quality
    parts: tuple[SealedPart, ...]
    capture_ms: int = 0
    end_ms: int = 0
    format: VideoFormat | None = None


@dataclass(frozen=True, slots=True)
class MappedRegion:
    """Where a track was in one frame: box xyxy in pixels, landmarks ten floats or none.

    `blocks`: where the track's method is keyed, the blocks that it claims: top, left, bottom, right.
    """

    frame_no: int
    box: tuple[float, ...]
    score: float
    source: str
    landmarks: tuple[float, ...] = ()
    blocks: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class TrackMapping:
    """The first mapping of one track in one chunk: image id to original position.

    `appearance_key`: where the track's method is keyed, the key of its appearance in this chunk.
    """

    track: int
    kind: str
    regions: tuple[MappedRegion, ...]
    appearance_key: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class PieceFrame:
    """Place of a piece's canvas in one frame, in blocks, and which of its blocks are claimed (packed bits)."""

    frame_no: int
    row: int
    column: int
    blocks: bytes


@dataclass(frozen=True, slots=True)
class PieceUnit:
    """One coded picture of a piece; pts counts the piece's frames."""

    pts: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Piece:
    """The true samples of the blocks that one set of tracks claims in one chunk, as a small H.264 video."""

    tracks: tuple[int, ...]
    kinds: tuple[str, ...]
    width: int
    height: int
    frames: tuple[PieceFrame, ...]
    units: tuple[PieceUnit, ...]
    true_digest: bytes
    sealed_digest: bytes


@dataclass(frozen=True, slots=True)
class HiddenTrack:
    """A region's pictures, 64x64, as hidden in a group of frames; `frames` are indices in the group, ascending."""

    track: int
    kind: str
    frames: tuple[int, ...]
    units: tuple[PieceUnit, ...]


@dataclass(frozen=True, slots=True)
class HiddenPictures:
    """What is hidden in a group of so many frames; `left_out`: tracks that didn't fit."""

    group: int
    tracks: tuple[HiddenTrack, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class UploadAddress:
    """Where an authority wants which evidence, and its key of the epoch (X25519, 32 bytes)."""

    authority: str
    version: int
    topic: str
    kinds: tuple[str, ...]
    epoch: str
    public_key: bytes
    not_before_ms: int
    expires_ms: int


@dataclass(frozen=True, slots=True)
class Readiness:
    """Half of the exchange that precedes the first evidence: a question with a nonce, or its answer."""

    platform: str
    nonce: bytes
    answer: bool
    epoch: str
    time_ms: int


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that a person must look at. `kind` is a fixed word, `text` says what to do."""

    kind: str
    source: str
    camera_id: str
    time_ms: int
    text: str


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A record that could not be processed, sealed to the custodian as it came."""

    reason: str
    topic: str
    partition: int
    offset: int
    sealed: Envelope


@dataclass(frozen=True, slots=True)
class RawPlace:
    """Where a raw chunk lies."""

    topic: str
    partition: int
    offset: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class PlacedRegions:
    """A RegionSet and the place of the raw chunk it belongs to: what crosses the cut after tracking."""

    regions: RegionSet
    raw: RawPlace


@dataclass(frozen=True, slots=True)
class RecordedRecord:
    """One record of a topic as `sealframe record` keeps it."""

    topic: str
    key: bytes
    value: bytes
    timestamp_ms: int
