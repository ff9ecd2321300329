from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Record(_message.Message):
    __slots__ = ("version", "raw_chunk", "regions", "operator", "evidence", "upload_address", "readiness", "alarm", "quarantined", "state")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    RAW_CHUNK_FIELD_NUMBER: _ClassVar[int]
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    READINESS_FIELD_NUMBER: _ClassVar[int]
    ALARM_FIELD_NUMBER: _ClassVar[int]
    QUARANTINED_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    version: int
    raw_chunk: Signed
    regions: RegionSet
    operator: OperatorRecord
    evidence: Signed
    upload_address: Signed
    readiness: Signed
    alarm: Alarm
    quarantined: Quarantined
    state: CameraState
    def __init__(self, version: _Optional[int] = ..., raw_chunk: _Optional[_Union[Signed, _Mapping]] = ..., regions: _Optional[_Union[RegionSet, _Mapping]] = ..., operator: _Optional[_Union[OperatorRecord, _Mapping]] = ..., evidence: _Optional[_Union[Signed, _Mapping]] = ..., upload_address: _Optional[_Union[Signed, _Mapping]] = ..., readiness: _Optional[_Union[Signed, _Mapping]] = ..., alarm: _Optional[_Union[Alarm, _Mapping]] = ..., quarantined: _Optional[_Union[Quarantined, _Mapping]] = ..., state: _Optional[_Union[CameraState, _Mapping]] = ...) -> None: ...

class Signed(_message.Message):
    __slots__ = ("body", "signer", "signature")
    BODY_FIELD_NUMBER: _ClassVar[int]
    SIGNER_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    body: bytes
    signer: bytes
    signature: bytes
    def __init__(self, body: _Optional[bytes] = ..., signer: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class Rational(_message.Message):
    __slots__ = ("num", "den")
    NUM_FIELD_NUMBER: _ClassVar[int]
    DEN_FIELD_NUMBER: _ClassVar[int]
    num: int
    den: int
    def __init__(self, num: _Optional[int] = ..., den: _Optional[int] = ...) -> None: ...

class VideoFormat(_message.Message):
    __slots__ = ("width", "height", "time_base", "full_range", "primaries", "transfer", "matrix", "sample_aspect", "rotation")
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    TIME_BASE_FIELD_NUMBER: _ClassVar[int]
    FULL_RANGE_FIELD_NUMBER: _ClassVar[int]
    PRIMARIES_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_FIELD_NUMBER: _ClassVar[int]
    MATRIX_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_ASPECT_FIELD_NUMBER: _ClassVar[int]
    ROTATION_FIELD_NUMBER: _ClassVar[int]
    width: int
    height: int
    time_base: Rational
    full_range: bool
    primaries: int
    transfer: int
    matrix: int
    sample_aspect: Rational
    rotation: int
    def __init__(self, width: _Optional[int] = ..., height: _Optional[int] = ..., time_base: _Optional[_Union[Rational, _Mapping]] = ..., full_range: _Optional[bool] = ..., primaries: _Optional[int] = ..., transfer: _Optional[int] = ..., matrix: _Optional[int] = ..., sample_aspect: _Optional[_Union[Rational, _Mapping]] = ..., rotation: _Optional[int] = ...) -> None: ...

class CodedUnit(_message.Message):
    __slots__ = ("pts", "data")
    PTS_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    pts: int
    data: bytes
    def __init__(self, pts: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class FrameChunk(_message.Message):
    __slots__ = ("camera_id", "video_id", "chunk_seq", "first_frame", "capture_ms", "format", "codec", "units", "end_pts", "end", "gaps", "audio", "live", "stills")
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    VIDEO_ID_FIELD_NUMBER: _ClassVar[int]
    CHUNK_SEQ_FIELD_NUMBER: _ClassVar[int]
    FIRST_FRAME_FIELD_NUMBER: _ClassVar[int]
    CAPTURE_MS_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    CODEC_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    END_PTS_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    GAPS_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    LIVE_FIELD_NUMBER: _ClassVar[int]
    STILLS_FIELD_NUMBER: _ClassVar[int]
    camera_id: str
    video_id: str
    chunk_seq: int
    first_frame: int
    capture_ms: int
    format: VideoFormat
    codec: str
    units: _containers.RepeatedCompositeFieldContainer[CodedUnit]
    end_pts: int
    end: bool
    gaps: int
    audio: bytes
    live: bool
    stills: bool
    def __init__(self, camera_id: _Optional[str] = ..., video_id: _Optional[str] = ..., chunk_seq: _Optional[int] = ..., first_frame: _Optional[int] = ..., capture_ms: _Optional[int] = ..., format: _Optional[_Union[VideoFormat, _Mapping]] = ..., codec: _Optional[str] = ..., units: _Optional[_Iterable[_Union[CodedUnit, _Mapping]]] = ..., end_pts: _Optional[int] = ..., end: _Optional[bool] = ..., gaps: _Optional[int] = ..., audio: _Optional[bytes] = ..., live: _Optional[bool] = ..., stills: _Optional[bool] = ...) -> None: ...

class RawChunk(_message.Message):
    __slots__ = ("camera_id", "video_id", "chunk_seq", "sealed")
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    VIDEO_ID_FIELD_NUMBER: _ClassVar[int]
    CHUNK_SEQ_FIELD_NUMBER: _ClassVar[int]
    SEALED_FIELD_NUMBER: _ClassVar[int]
    camera_id: str
    video_id: str
    chunk_seq: int
    sealed: Envelope
    def __init__(self, camera_id: _Optional[str] = ..., video_id: _Optional[str] = ..., chunk_seq: _Optional[int] = ..., sealed: _Optional[_Union[Envelope, _Mapping]] = ...) -> None: ...

class Envelope(_message.Message):
    __slots__ = ("nonce", "ciphertext", "wraps")
    NONCE_FIELD_NUMBER: _ClassVar[int]
    CIPHERTEXT_FIELD_NUMBER: _ClassVar[int]
    WRAPS_FIELD_NUMBER: _ClassVar[int]
    nonce: bytes
    ciphertext: bytes
    wraps: _containers.RepeatedCompositeFieldContainer[Wrap]
    def __init__(self, nonce: _Optional[bytes] = ..., ciphertext: _Optional[bytes] = ..., wraps: _Optional[_Iterable[_Union[Wrap, _Mapping]]] = ...) -> None: ...

class Wrap(_message.Message):
    __slots__ = ("recipient", "encapsulated", "wrapped_key")
    RECIPIENT_FIELD_NUMBER: _ClassVar[int]
    ENCAPSULATED_FIELD_NUMBER: _ClassVar[int]
    WRAPPED_KEY_FIELD_NUMBER: _ClassVar[int]
    recipient: bytes
    encapsulated: bytes
    wrapped_key: bytes
    def __init__(self, recipient: _Optional[bytes] = ..., encapsulated: _Optional[bytes] = ..., wrapped_key: _Optional[bytes] = ...) -> None: ...

class AssociatedData(_message.Message):
    __slots__ = ("version", "topic", "type", "camera_id", "video_id", "chunk_seq", "operator_digest", "part", "kinds", "recipients", "epoch")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    VIDEO_ID_FIELD_NUMBER: _ClassVar[int]
    CHUNK_SEQ_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_DIGEST_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    RECIPIENTS_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    version: int
    topic: str
    type: str
    camera_id: str
    video_id: str
    chunk_seq: int
    operator_digest: bytes
    part: int
    kinds: _containers.RepeatedScalarFieldContainer[str]
    recipients: _containers.RepeatedScalarFieldContainer[bytes]
    epoch: str
    def __init__(self, version: _Optional[int] = ..., topic: _Optional[str] = ..., type: _Optional[str] = ..., camera_id: _Optional[str] = ..., video_id: _Optional[str] = ..., chunk_seq: _Optional[int] = ..., operator_digest: _Optional[bytes] = ..., part: _Optional[int] = ..., kinds: _Optional[_Iterable[str]] = ..., recipients: _Optional[_Iterable[bytes]] = ..., epoch: _Optional[str] = ...) -> None: ...

class Region(_message.Message):
    __slots__ = ("track", "kind", "box", "score", "source", "landmarks")
    TRACK_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    BOX_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    LANDMARKS_FIELD_NUMBER: _ClassVar[int]
    track: int
    kind: str
    box: _containers.RepeatedScalarFieldContainer[float]
    score: float
    source: str
    landmarks: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, track: _Optional[int] = ..., kind: _Optional[str] = ..., box: _Optional[_Iterable[float]] = ..., score: _Optional[float] = ..., source: _Optional[str] = ..., landmarks: _Optional[_Iterable[float]] = ...) -> None: ...

class FrameRegions(_message.Message):
    __slots__ = ("regions",)
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    regions: _containers.RepeatedCompositeFieldContainer[Region]
    def __init__(self, regions: _Optional[_Iterable[_Union[Region, _Mapping]]] = ...) -> None: ...

class RegionSet(_message.Message):
    __slots__ = ("camera_id", "video_id", "chunk_seq", "frames", "failed", "cuts", "raw_topic", "raw_partition", "raw_offset", "raw_digest", "moved", "effort")
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    VIDEO_ID_FIELD_NUMBER: _ClassVar[int]
    CHUNK_SEQ_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    CUTS_FIELD_NUMBER: _ClassVar[int]
    RAW_TOPIC_FIELD_NUMBER: _ClassVar[int]
    RAW_PARTITION_FIELD_NUMBER: _ClassVar[int]
    RAW_OFFSET_FIELD_NUMBER: _ClassVar[int]
    RAW_DIGEST_FIELD_NUMBER: _ClassVar[int]
    MOVED_FIELD_NUMBER: _ClassVar[int]
    EFFORT_FIELD_NUMBER: _ClassVar[int]
    camera_id: str
    video_id: str
    chunk_seq: int
    frames: _containers.RepeatedCompositeFieldContainer[FrameRegions]
    failed: _containers.RepeatedScalarFieldContainer[int]
    cuts: _containers.RepeatedScalarFieldContainer[int]
    raw_topic: str
    raw_partition: int
    raw_offset: int
    raw_digest: bytes
    moved: bool
    effort: int
    def __init__(self, camera_id: _Optional[str] = ..., video_id: _Optional[str] = ..., chunk_seq: _Optional[int] = ..., frames: _Optional[_Iterable[_Union[FrameRegions, _Mapping]]] = ..., failed: _Optional[_Iterable[int]] = ..., cuts: _Optional[_Iterable[int]] = ..., raw_topic: _Optional[str] = ..., raw_partition: _Optional[int] = ..., raw_offset: _Optional[int] = ..., raw_digest: _Optional[bytes] = ..., moved: _Optional[bool] = ..., effort: _Optional[int] = ...) -> None: ...

class OperatorRecord(_message.Message):
    __slots__ = ("signed", "media")
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    signed: Signed
    media: bytes
    def __init__(self, signed: _Optional[_Union[Signed, _Mapping]] = ..., media: _Optional[bytes] = ...) -> None: ...

class OperatorBody(_message.Message):
    __slots__ = ("start", "chunk", "head", "end")
    START_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    start: VideoStart
    chunk: OperatorChunk
    head: VideoHead
    end: VideoEnd
    def __init__(self, start: _Optional[_Union[VideoStart, _Mapping]] = ..., chunk: _Optional[_Union[OperatorChunk, _Mapping]] = ..., head: _Optional[_Union[VideoHead, _Mapping]] = ..., end: _Optional[_Union[VideoEnd, _Mapping]] = ...) -> None: ...

class VideoStart(_message.Message):
    __slots__ = ("camera_id", "video_id", "format", "capture_ms", "origin_pts", "media_digest")
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    VIDEO_ID_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    CAPTURE_MS_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_PTS_FIELD_NUMBER: _ClassVar[int]
    MEDIA_DIGEST_FIELD_NUMBER: _ClassVar[int]
    camera_id: str
    video_id: str
    format: VideoFormat
    capture_ms: int
    origin_pts: int
    media_digest: bytes
    def __init__(self, camera_id: _Optional[str] = ..., video_id: _Optional[str] = ..., format: _Optional[_Union[VideoFormat, _Mapping]] = ..., capture_ms: _Optional[int] = ..., origin_pts: _Optional[int] = ..., media_digest: _Optional[bytes] = ...) -> None: ...

class EvidenceCount(_message.Message):
    __slots__ = ("authority", "parts", "previous")
    AUTHORITY_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    authority: str
    parts: int
    previous: int
    def __init__(self, authority: _Optional[str] = ..., parts: _Optional[int] = ..., previous: _Optional[int] = ...) -> None: ...

class OperatorChunk(_message.Message):
    __slots__ = ("camera_id", "video_id", "chunk_seq", "first_frame", "capture_ms", "pts", "end_pts", "masks", "method", "evidence", "media_digest", "media_bytes", "previous_digest", "passed", "gaps", "bare", "spared", "effort")
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    VIDEO_ID_FIELD_NUMBER: _ClassVar[int]
    CHUNK_SEQ_FIELD_NUMBER: _ClassVar[int]
    FIRST_FRAME_FIELD_NUMBER: _ClassVar[int]
    CAPTURE_MS_FIELD_NUMBER: _ClassVar[int]
    PTS_FIELD_NUMBER: _ClassVar[int]
    END_PTS_FIELD_NUMBER: _ClassVar[int]
    MASKS_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    MEDIA_DIGEST_FIELD_NUMBER: _ClassVar[int]
    MEDIA_BYTES_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    PASSED_FIELD_NUMBER: _ClassVar[int]
    GAPS_FIELD_NUMBER: _ClassVar[int]
    BARE_FIELD_NUMBER: _ClassVar[int]
    SPARED_FIELD_NUMBER: _ClassVar[int]
    EFFORT_FIELD_NUMBER: _ClassVar[int]
    camera_id: str
    video_id: str
    chunk_seq: int
    first_frame: int
    capture_ms: int
    pts: _containers.RepeatedScalarFieldContainer[int]
    end_pts: int
    masks: bytes
    method: str
    evidence: _containers.RepeatedCompositeFieldContainer[EvidenceCount]
    media_digest: bytes
    media_bytes: int
    previous_digest: bytes
    passed: bool
    gaps: int
    bare: _containers.RepeatedCompositeFieldContainer[BareZone]
    spared: int
    effort: int
    def __init__(self, camera_id: _Optional[str] = ..., video_id: _Optional[str] = ..., chunk_seq: _Optional[int] = ..., first_frame: _Optional[int] = ..., capture_ms: _Optional[int] = ..., pts: _Optional[_Iterable[int]] = ..., end_pts: _Optional[int] = ..., masks: _Optional[bytes] = ..., method: _Optional[str] = ..., evidence: _Optional[_Iterable[_Union[EvidenceCount, _Mapping]]] = ..., media_digest: _Optional[bytes] = ..., media_bytes: _Optional[int] = ..., previous_digest: _Optional[bytes] = ..., passed: _Optional[bool] = ..., gaps: _Optional[int] = ..., bare: _Optional[_Iterable[_Union[BareZone, _Mapping]]] = ..., spared: _Optional[int] = ..., effort: _Optional[int] = ...) -> None: ...

class Rectangle(_message.Message):
    __slots__ = ("left", "top", "right", "bottom")
    LEFT_FIELD_NUMBER: _ClassVar[int]
    TOP_FIELD_NUMBER: _ClassVar[int]
    RIGHT_FIELD_NUMBER: _ClassVar[int]
    BOTTOM_FIELD_NUMBER: _ClassVar[int]
    left: float
    top: float
    right: float
    bottom: float
    def __init__(self, left: _Optional[float] = ..., top: _Optional[float] = ..., right: _Optional[float] = ..., bottom: _Optional[float] = ...) -> None: ...

class BareZone(_message.Message):
    __slots__ = ("zone", "statement", "regions")
    ZONE_FIELD_NUMBER: _ClassVar[int]
    STATEMENT_FIELD_NUMBER: _ClassVar[int]
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    zone: Rectangle
    statement: bytes
    regions: int
    def __init__(self, zone: _Optional[_Union[Rectangle, _Mapping]] = ..., statement: _Optional[bytes] = ..., regions: _Optional[int] = ...) -> None: ...

class ZoneStatement(_message.Message):
    __slots__ = ("cameras", "zones", "reason", "from_ms", "until_ms")
    CAMERAS_FIELD_NUMBER: _ClassVar[int]
    ZONES_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FROM_MS_FIELD_NUMBER: _ClassVar[int]
    UNTIL_MS_FIELD_NUMBER: _ClassVar[int]
    cameras: _containers.RepeatedScalarFieldContainer[str]
    zones: _containers.RepeatedCompositeFieldContainer[Rectangle]
    reason: str
    from_ms: int
    until_ms: int
    def __init__(self, cameras: _Optional[_Iterable[str]] = ..., zones: _Optional[_Iterable[_Union[Rectangle, _Mapping]]] = ..., reason: _Optional[str] = ..., from_ms: _Optional[int] = ..., until_ms: _Optional[int] = ...) -> None: ...

class ApprovedZones(_message.Message):
    __slots__ = ("body", "approvals")
    BODY_FIELD_NUMBER: _ClassVar[int]
    APPROVALS_FIELD_NUMBER: _ClassVar[int]
    body: bytes
    approvals: _containers.RepeatedCompositeFieldContainer[Approval]
    def __init__(self, body: _Optional[bytes] = ..., approvals: _Optional[_Iterable[_Union[Approval, _Mapping]]] = ...) -> None: ...

class Approval(_message.Message):
    __slots__ = ("approver", "signature")
    APPROVER_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    approver: bytes
    signature: bytes
    def __init__(self, approver: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class VideoHead(_message.Message):
    __slots__ = ("camera_id", "video_id", "chunk_seq", "digest", "capture_ms")
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    VIDEO_ID_FIELD_NUMBER: _ClassVar[int]
    CHUNK_SEQ_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    CAPTURE_MS_FIELD_NUMBER: _ClassVar[int]
    camera_id: str
    video_id: str
    chunk_seq: int
    digest: bytes
    capture_ms: int
    def __init__(self, camera_id: _Optional[str] = ..., video_id: _Optional[str] = ..., chunk_seq: _Optional[int] = ..., digest: _Optional[bytes] = ..., capture_ms: _Optional[int] = ...) -> None: ...

class VideoEnd(_message.Message):
    __slots__ = ("camera_id", "video_id", "chunks", "frames", "digest", "evidence", "gaps")
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    VIDEO_ID_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    GAPS_FIELD_NUMBER: _ClassVar[int]
    camera_id: str
    video_id: str
    chunks: int
    frames: int
    digest: bytes
    evidence: _containers.RepeatedCompositeFieldContainer[EvidenceCount]
    gaps: int
    def __init__(self, camera_id: _Optional[str] = ..., video_id: _Optional[str] = ..., chunks: _Optional[int] = ..., frames: _Optional[int] = ..., digest: _Optional[bytes] = ..., evidence: _Optional[_Iterable[_Union[EvidenceCount, _Mapping]]] = ..., gaps: _Optional[int] = ...) -> None: ...

class SealedPart(_message.Message):
    __slots__ = ("part", "type", "kinds", "sealed")
    PART_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    SEALED_FIELD_NUMBER: _ClassVar[int]
    part: int
    type: str
    kinds: _containers.RepeatedScalarFieldContainer[str]
    sealed: Envelope
    def __init__(self, part: _Optional[int] = ..., type: _Optional[str] = ..., kinds: _Optional[_Iterable[str]] = ..., sealed: _Optional[_Union[Envelope, _Mapping]] = ...) -> None: ...

class SealedEvidence(_message.Message):
    __slots__ = ("authority", "camera_id", "video_id", "chunk_seq", "operator_digest", "previous", "epoch", "quality", "parts", "capture_ms", "end_ms", "format")
    AUTHORITY_FIELD_NUMBER: _ClassVar[int]
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    VIDEO_ID_FIELD_NUMBER: _ClassVar[int]
    CHUNK_SEQ_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_DIGEST_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    CAPTURE_MS_FIELD_NUMBER: _ClassVar[int]
    END_MS_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    authority: str
    camera_id: str
    video_id: str
    chunk_seq: int
    operator_digest: bytes
    previous: int
    epoch: str
    quality: str
    parts: _containers.RepeatedCompositeFieldContainer[SealedPart]
    capture_ms: int
    end_ms: int
    format: VideoFormat
    def __init__(self, authority: _Optional[str] = ..., camera_id: _Optional[str] = ..., video_id: _Optional[str] = ..., chunk_seq: _Optional[int] = ..., operator_digest: _Optional[bytes] = ..., previous: _Optional[int] = ..., epoch: _Optional[str] = ..., quality: _Optional[str] = ..., parts: _Optional[_Iterable[_Union[SealedPart, _Mapping]]] = ..., capture_ms: _Optional[int] = ..., end_ms: _Optional[int] = ..., format: _Optional[_Union[VideoFormat, _Mapping]] = ...) -> None: ...

class TrackMapping(_message.Message):
    __slots__ = ("track", "kind", "regions", "appearance_key")
    TRACK_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    APPEARANCE_KEY_FIELD_NUMBER: _ClassVar[int]
    track: int
    kind: str
    regions: _containers.RepeatedCompositeFieldContainer[MappedRegion]
    appearance_key: bytes
    def __init__(self, track: _Optional[int] = ..., kind: _Optional[str] = ..., regions: _Optional[_Iterable[_Union[MappedRegion, _Mapping]]] = ..., appearance_key: _Optional[bytes] = ...) -> None: ...

class MappedRegion(_message.Message):
    __slots__ = ("frame_no", "box", "score", "source", "landmarks", "blocks")
    FRAME_NO_FIELD_NUMBER: _ClassVar[int]
    BOX_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    LANDMARKS_FIELD_NUMBER: _ClassVar[int]
    BLOCKS_FIELD_NUMBER: _ClassVar[int]
    frame_no: int
    box: _containers.RepeatedScalarFieldContainer[float]
    score: float
    source: str
    landmarks: _containers.RepeatedScalarFieldContainer[float]
    blocks: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, frame_no: _Optional[int] = ..., box: _Optional[_Iterable[float]] = ..., score: _Optional[float] = ..., source: _Optional[str] = ..., landmarks: _Optional[_Iterable[float]] = ..., blocks: _Optional[_Iterable[int]] = ...) -> None: ...

class Piece(_message.Message):
    __slots__ = ("tracks", "kinds", "width", "height", "frames", "units", "true_digest", "sealed_digest")
    TRACKS_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    TRUE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    SEALED_DIGEST_FIELD_NUMBER: _ClassVar[int]
    tracks: _containers.RepeatedScalarFieldContainer[int]
    kinds: _containers.RepeatedScalarFieldContainer[str]
    width: int
    height: int
    frames: _containers.RepeatedCompositeFieldContainer[PieceFrame]
    units: _containers.RepeatedCompositeFieldContainer[CodedUnit]
    true_digest: bytes
    sealed_digest: bytes
    def __init__(self, tracks: _Optional[_Iterable[int]] = ..., kinds: _Optional[_Iterable[str]] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., frames: _Optional[_Iterable[_Union[PieceFrame, _Mapping]]] = ..., units: _Optional[_Iterable[_Union[CodedUnit, _Mapping]]] = ..., true_digest: _Optional[bytes] = ..., sealed_digest: _Optional[bytes] = ...) -> None: ...

class PieceFrame(_message.Message):
    __slots__ = ("frame_no", "row", "column", "blocks")
    FRAME_NO_FIELD_NUMBER: _ClassVar[int]
    ROW_FIELD_NUMBER: _ClassVar[int]
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    BLOCKS_FIELD_NUMBER: _ClassVar[int]
    frame_no: int
    row: int
    column: int
    blocks: bytes
    def __init__(self, frame_no: _Optional[int] = ..., row: _Optional[int] = ..., column: _Optional[int] = ..., blocks: _Optional[bytes] = ...) -> None: ...

class HiddenPictures(_message.Message):
    __slots__ = ("group", "tracks", "left_out")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    TRACKS_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    group: int
    tracks: _containers.RepeatedCompositeFieldContainer[HiddenTrack]
    left_out: int
    def __init__(self, group: _Optional[int] = ..., tracks: _Optional[_Iterable[_Union[HiddenTrack, _Mapping]]] = ..., left_out: _Optional[int] = ...) -> None: ...

class HiddenTrack(_message.Message):
    __slots__ = ("track", "kind", "frames", "units")
    TRACK_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    track: int
    kind: str
    frames: _containers.RepeatedScalarFieldContainer[int]
    units: _containers.RepeatedCompositeFieldContainer[CodedUnit]
    def __init__(self, track: _Optional[int] = ..., kind: _Optional[str] = ..., frames: _Optional[_Iterable[int]] = ..., units: _Optional[_Iterable[_Union[CodedUnit, _Mapping]]] = ...) -> None: ...

class UploadAddress(_message.Message):
    __slots__ = ("authority", "version", "topic", "kinds", "epoch", "public_key", "not_before_ms", "expires_ms")
    AUTHORITY_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    NOT_BEFORE_MS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_MS_FIELD_NUMBER: _ClassVar[int]
    authority: str
    version: int
    topic: str
    kinds: _containers.RepeatedScalarFieldContainer[str]
    epoch: str
    public_key: bytes
    not_before_ms: int
    expires_ms: int
    def __init__(self, authority: _Optional[str] = ..., version: _Optional[int] = ..., topic: _Optional[str] = ..., kinds: _Optional[_Iterable[str]] = ..., epoch: _Optional[str] = ..., public_key: _Optional[bytes] = ..., not_before_ms: _Optional[int] = ..., expires_ms: _Optional[int] = ...) -> None: ...

class Readiness(_message.Message):
    __slots__ = ("platform", "nonce", "answer", "epoch", "time_ms")
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    platform: str
    nonce: bytes
    answer: bool
    epoch: str
    time_ms: int
    def __init__(self, platform: _Optional[str] = ..., nonce: _Optional[bytes] = ..., answer: _Optional[bool] = ..., epoch: _Optional[str] = ..., time_ms: _Optional[int] = ...) -> None: ...

class Alarm(_message.Message):
    __slots__ = ("kind", "source", "camera_id", "time_ms", "text")
    KIND_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    kind: str
    source: str
    camera_id: str
    time_ms: int
    text: str
    def __init__(self, kind: _Optional[str] = ..., source: _Optional[str] = ..., camera_id: _Optional[str] = ..., time_ms: _Optional[int] = ..., text: _Optional[str] = ...) -> None: ...

class Quarantined(_message.Message):
    __slots__ = ("reason", "topic", "partition", "offset", "sealed")
    REASON_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    SEALED_FIELD_NUMBER: _ClassVar[int]
    reason: str
    topic: str
    partition: int
    offset: int
    sealed: Envelope
    def __init__(self, reason: _Optional[str] = ..., topic: _Optional[str] = ..., partition: _Optional[int] = ..., offset: _Optional[int] = ..., sealed: _Optional[_Union[Envelope, _Mapping]] = ...) -> None: ...

class TrackState(_message.Message):
    __slots__ = ("id", "kind", "mean", "covariance", "histogram", "score", "hits", "misses", "landmarks", "doubt")
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    COVARIANCE_FIELD_NUMBER: _ClassVar[int]
    HISTOGRAM_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    HITS_FIELD_NUMBER: _ClassVar[int]
    MISSES_FIELD_NUMBER: _ClassVar[int]
    LANDMARKS_FIELD_NUMBER: _ClassVar[int]
    DOUBT_FIELD_NUMBER: _ClassVar[int]
    id: int
    kind: str
    mean: _containers.RepeatedScalarFieldContainer[float]
    covariance: _containers.RepeatedScalarFieldContainer[float]
    histogram: bytes
    score: float
    hits: int
    misses: int
    landmarks: _containers.RepeatedScalarFieldContainer[float]
    doubt: bool
    def __init__(self, id: _Optional[int] = ..., kind: _Optional[str] = ..., mean: _Optional[_Iterable[float]] = ..., covariance: _Optional[_Iterable[float]] = ..., histogram: _Optional[bytes] = ..., score: _Optional[float] = ..., hits: _Optional[int] = ..., misses: _Optional[int] = ..., landmarks: _Optional[_Iterable[float]] = ..., doubt: _Optional[bool] = ...) -> None: ...

class TrackAppearance(_message.Message):
    __slots__ = ("track", "appearance", "last_seq")
    TRACK_FIELD_NUMBER: _ClassVar[int]
    APPEARANCE_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQ_FIELD_NUMBER: _ClassVar[int]
    track: int
    appearance: bytes
    last_seq: int
    def __init__(self, track: _Optional[int] = ..., appearance: _Optional[bytes] = ..., last_seq: _Optional[int] = ...) -> None: ...

class CameraState(_message.Message):
    __slots__ = ("state_version", "video_id", "last_seq", "last_digest", "next_track", "tracks", "evidence", "frames", "last_head_ms", "flushed", "origin_pts", "ended", "last_capture_ms", "appearances", "format", "cut", "view", "next_offset", "effort", "load", "closed", "reached", "methods")
    STATE_VERSION_FIELD_NUMBER: _ClassVar[int]
    VIDEO_ID_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQ_FIELD_NUMBER: _ClassVar[int]
    LAST_DIGEST_FIELD_NUMBER: _ClassVar[int]
    NEXT_TRACK_FIELD_NUMBER: _ClassVar[int]
    TRACKS_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    LAST_HEAD_MS_FIELD_NUMBER: _ClassVar[int]
    FLUSHED_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_PTS_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    LAST_CAPTURE_MS_FIELD_NUMBER: _ClassVar[int]
    APPEARANCES_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    CUT_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    NEXT_OFFSET_FIELD_NUMBER: _ClassVar[int]
    EFFORT_FIELD_NUMBER: _ClassVar[int]
    LOAD_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    REACHED_FIELD_NUMBER: _ClassVar[int]
    METHODS_FIELD_NUMBER: _ClassVar[int]
    state_version: int
    video_id: str
    last_seq: int
    last_digest: bytes
    next_track: int
    tracks: _containers.RepeatedCompositeFieldContainer[TrackState]
    evidence: _containers.RepeatedCompositeFieldContainer[EvidenceCount]
    frames: int
    last_head_ms: int
    flushed: bool
    origin_pts: int
    ended: bool
    last_capture_ms: int
    appearances: _containers.RepeatedCompositeFieldContainer[TrackAppearance]
    format: VideoFormat
    cut: bool
    view: ViewState
    next_offset: int
    effort: int
    load: LoadState
    closed: _containers.RepeatedScalarFieldContainer[str]
    reached: int
    methods: str
    def __init__(self, state_version: _Optional[int] = ..., video_id: _Optional[str] = ..., last_seq: _Optional[int] = ..., last_digest: _Optional[bytes] = ..., next_track: _Optional[int] = ..., tracks: _Optional[_Iterable[_Union[TrackState, _Mapping]]] = ..., evidence: _Optional[_Iterable[_Union[EvidenceCount, _Mapping]]] = ..., frames: _Optional[int] = ..., last_head_ms: _Optional[int] = ..., flushed: _Optional[bool] = ..., origin_pts: _Optional[int] = ..., ended: _Optional[bool] = ..., last_capture_ms: _Optional[int] = ..., appearances: _Optional[_Iterable[_Union[TrackAppearance, _Mapping]]] = ..., format: _Optional[_Union[VideoFormat, _Mapping]] = ..., cut: _Optional[bool] = ..., view: _Optional[_Union[ViewState, _Mapping]] = ..., next_offset: _Optional[int] = ..., effort: _Optional[int] = ..., load: _Optional[_Union[LoadState, _Mapping]] = ..., closed: _Optional[_Iterable[str]] = ..., reached: _Optional[int] = ..., methods: _Optional[str] = ...) -> None: ...

class LoadState(_message.Message):
    __slots__ = ("level", "ahead", "calm", "patience", "recent", "mark_ms")
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    AHEAD_FIELD_NUMBER: _ClassVar[int]
    CALM_FIELD_NUMBER: _ClassVar[int]
    PATIENCE_FIELD_NUMBER: _ClassVar[int]
    RECENT_FIELD_NUMBER: _ClassVar[int]
    MARK_MS_FIELD_NUMBER: _ClassVar[int]
    level: int
    ahead: int
    calm: int
    patience: int
    recent: int
    mark_ms: int
    def __init__(self, level: _Optional[int] = ..., ahead: _Optional[int] = ..., calm: _Optional[int] = ..., patience: _Optional[int] = ..., recent: _Optional[int] = ..., mark_ms: _Optional[int] = ...) -> None: ...

class ViewState(_message.Message):
    __slots__ = ("edges", "zones", "since_ms")
    EDGES_FIELD_NUMBER: _ClassVar[int]
    ZONES_FIELD_NUMBER: _ClassVar[int]
    SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    edges: bytes
    zones: bytes
    since_ms: int
    def __init__(self, edges: _Optional[bytes] = ..., zones: _Optional[bytes] = ..., since_ms: _Optional[int] = ...) -> None: ...

class RecordedRecord(_message.Message):
    __slots__ = ("topic", "key", "value", "timestamp_ms")
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_MS_FIELD_NUMBER: _ClassVar[int]
    topic: str
    key: bytes
    value: bytes
    timestamp_ms: int
    def __init__(self, topic: _Optional[str] = ..., key: _Optional[bytes] = ..., value: _Optional[bytes] = ..., timestamp_ms: _Optional[int] = ...) -> None: ...
