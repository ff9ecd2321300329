"""Frames and chunks: what a camera delivers and what the pipeline makes of it.

A *chunk* is one closed GOP of one recording. Samples are 8-bit YUV 4:2:0, progressive, and are never rescaled.
Raw, desensitised and evidence pictures are different types, so that one can't be sent in place of another.
Times: `*_ms` are wall-clock milliseconds since 1970; pts count ticks of the video's time base.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.uint8]
BLOCK = 16
MAX_CODED_BYTES = 2 * 2**20
MAX_PIECE_BYTES = 5 * 2**20
MAX_DECODED_BYTES = 96 * 2**20
MAX_SIDE = 8192
MAX_FRAMES = 2**31 - 1
"""Of a video, gaps counted in: numbers of frames and of those missing fit 32 bits."""
MAX_TIME_MS = 253_402_300_799_999
"""The last millisecond of the year 9999: later ones can't be written as dates."""
MAX_NAME = 160
"""Signs of a video's name."""
MAX_CODE_POINT, MAX_SHOWN = 255, 65_535
"""What colours (ITU-T H.273), and sides as they are shown, may be in MP4."""

SourceCodec = Literal["h264", "hevc"]


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """What stays the same through a video.

    `primaries`, `transfer`, `matrix` are code points of ITU-T H.273 (2 = unspecified); `rotation` is degrees
    clockwise to turn the picture for display.
    """

    width: int
    height: int
    time_base: Fraction
    full_range: bool = False
    primaries: int = 2
    transfer: int = 2
    matrix: int = 2
    sample_aspect: Fraction = Fraction(1, 1)
    rotation: Literal[0, 90, 180, 270] = 0

    @property
    def can_be_shown(self) -> bool:
        """MP4 can hold the sides of its samples, and how wide it is with them."""
        aspect = self.sample_aspect
        return max(aspect.as_integer_ratio()) <= MAX_SHOWN and 1 <= self.width * aspect <= MAX_SHOWN

    @property
    def frame_bytes(self) -> int:
        """Bytes of one decoded picture."""
        return self.width * self.height * 3 // 2

    @property
    def blocks(self) -> tuple[int, int]:
        """Rows and columns of 16x16 blocks that cover a picture (the last may reach over its edge)."""
        return -(-self.height // BLOCK), -(-self.width // BLOCK)


@dataclass(frozen=True, slots=True)
class CodedUnit:
    """One access unit: one coded picture, Annex B, with its presentation time."""

    pts: int
    data: bytes


@dataclass(frozen=True, slots=True)
class FrameChunk:
    """A closed GOP as `push` wrote it: the original.

    `units` are in decoding order and start with an IDR picture with its parameter sets; frame i of the chunk is the
    unit with the i-th smallest pts, its number in the video is `first_frame + i`. `end_pts` is where the last frame's
    display ends. `capture_ms` is the capture time of the first frame. `gaps` are captured frames that were skipped
    before this chunk. `end`: this is the last chunk of its video. `live`: it comes as it is captured, from a
    camera or a file at its own pace, and should be seen soon. `stills`: single pictures, whose times are made up.
    """

    camera_id: str
    video_id: str
    chunk_seq: int
    first_frame: int
    capture_ms: int
    format: VideoFormat
    codec: SourceCodec
    units: tuple[CodedUnit, ...]
    end_pts: int
    end: bool = False
    gaps: int = 0
    audio: bytes = b""
    live: bool = False
    stills: bool = False

    @property
    def pts(self) -> tuple[int, ...]:
        """Presentation times, ascending: one per frame."""
        return tuple(sorted(unit.pts for unit in self.units))

    @property
    def length_ms(self) -> int:
        """How long its frames are shown."""
        return round((self.end_pts - self.pts[0]) * self.format.time_base * 1000)


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """One picture: y (h, w), u and v (h/2, w/2), uint8, contiguous or views."""

    y: Plane
    u: Plane
    v: Plane

    def all(self) -> tuple[Plane, Plane, Plane]:
        """The three planes."""
        return self.y, self.u, self.v


@dataclass(frozen=True, slots=True, eq=False)
class RawFrame:
    """A picture with bare pixels; its arrays are read-only."""

    frame_no: int
    pts: int
    planes: Planes


@dataclass(frozen=True, slots=True, eq=False)
class DesensitisedFrame:
    """A picture that the operating platform may see. Built only in `operators/desensitise`.

    `mask` is bool (block rows, block columns): the blocks that may differ from the original; no other sample does.
    """

    frame_no: int
    pts: int
    planes: Planes
    mask: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class DecodedChunk:
    """A chunk and its pictures in presentation order."""

    chunk: FrameChunk
    frames: tuple[RawFrame, ...] = field(repr=False)
