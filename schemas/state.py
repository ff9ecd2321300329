"""The state that the pipeline keeps per camera: one value, written whole after each chunk.

At most 256 KiB a camera and 1 KiB a track; no pixels but the protected appearance (at most 192 bytes a track).
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas.frames import VideoFormat
from schemas.records import EvidenceCount
from schemas.regions import ObjectKind

STATE_VERSION = 1
MAX_STATE_BYTES = 256 * 1024
MAX_TRACK_BYTES = 1024
MAX_APPEARANCE_BYTES = 192


@dataclass(frozen=True, slots=True)
class TrackState:
    """One tracked object at the end of a chunk.

    `mean` and `covariance`: Kalman filter of the box (centre, size and their velocities, pixels and frames);
    `histogram`: what CamShift follows; `doubt`: it has met another track of its kind and not parted from it yet.
    """

    id: int
    kind: ObjectKind
    mean: tuple[float, ...]
    covariance: tuple[float, ...]
    histogram: bytes
    score: float
    hits: int
    misses: int
    landmarks: tuple[float, ...] = ()
    doubt: bool = False


@dataclass(frozen=True, slots=True)
class TrackAppearance:
    """What the public picture shows in a track's place; `last_seq` is the last chunk that showed it."""

    track: int
    appearance: bytes
    last_seq: int


@dataclass(frozen=True, slots=True)
class ViewState:
    """What a fixed camera's view is known by, see `operators/view.py`: directions of coarse edges, no pixels.

    `since_ms`: when it was moved (0: it wasn't); `zones`: digest of the zones then.
    """

    edges: bytes = b""
    zones: bytes = b""
    since_ms: int = 0


@dataclass(frozen=True, slots=True)
class LoadState:
    """What is spent on a live camera's next chunks, see `operators/effort.py`.

    `level`: of the next chunk, `ahead`: of the one after it; `calm`: so many chunks running came early enough,
    `patience`: so many it takes to spend more again; `recent`: for so many chunks the last such step counts as recent.
    `mark_ms`: where frames are masked whole, the least lateness since then; where chunks are dropped, the first one's.
    """

    level: int = 0
    ahead: int = 0
    calm: int = 0
    patience: int = 0
    recent: int = 0
    mark_ms: int = 0


@dataclass(frozen=True, slots=True)
class CameraState:
    """Everything that must survive a crash or a rebalance.

    `locate` writes `next_track`, `tracks`, `cut` (the next chunk begins a new scene) and `view`, `protect` the rest,
    `effort` (what the last chunk was worth) among it.
    `evidence` counts the parts of the video so far; `frames` is the number of the frame that comes next; `reached`: the
    frames are counted up to there, where the last chunks went to quarantine; 0: they didn't. `ended`: the video is
    closed; `closed`: the videos before it, the last first; `methods`: what made the appearances, by kind.
    The runner writes `flushed` (the next chunk is processed without look-ahead) and `next_offset` (what lies before it
    in the source partition has been delivered), and `load`, of live cameras.
    """

    video_id: str = ""
    last_seq: int = -1
    last_digest: bytes = b""
    next_track: int = 1
    tracks: tuple[TrackState, ...] = ()
    evidence: tuple[EvidenceCount, ...] = ()
    frames: int = 0
    last_head_ms: int = 0
    flushed: bool = False
    origin_pts: int = 0
    ended: bool = True
    last_capture_ms: int = 0
    appearances: tuple[TrackAppearance, ...] = ()
    format: VideoFormat | None = None
    next_offset: int = 0
    cut: bool = False
    view: ViewState | None = None
    effort: int = 0
    load: LoadState | None = None
    closed: tuple[str, ...] = ()
    reached: int = 0
    methods: str = ""
    state_version: int = STATE_VERSION
