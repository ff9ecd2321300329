"""Decoded pictures to chunks of H.264, where a camera's own packets can't stay as they are.

Encoded once, by x264 with crf 14, preset veryfast: these pictures are "the original" from here on, so they are kept
close to the camera's. Measured on 48 frames of a street in 960x540: 46.7 dB at 18 ms a frame (crf 17: 44.9 dB, crf 20:
43.1 dB); such chunks take two to six times the bits of the camera's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import takewhile
from typing import Protocol

import av
from av.packet import Packet
from av.video.frame import VideoFrame

from infra.camera_chunks import MAX_GAP_S, Clock, Run
from infra.camera_convert import Converter, FormatRule
from infra.camera_units import Item
from schemas.errors import SourceError
from schemas.frames import MAX_CODED_BYTES, MAX_DECODED_BYTES, CodedUnit, Planes, VideoFormat

CRF = 14.0
PRESET = "veryfast"
REORDERED = 32
"""No decoder holds a picture back over so many packets (ITU-T H.264 A.3.1 j, H.265 A.4.2: 16 pictures)."""


class Encode(Protocol):
    """`operators.codec.encode`: one closed GOP of H.264 in decoding order."""

    def __call__(
        self, frames: Sequence[Planes], pts: Sequence[int], format: VideoFormat, *, crf: float, preset: str
    ) -> tuple[CodedUnit, ...]:
        """Encode pictures at ascending times."""
        ...


class Decoder(Protocol):
    """What gives the pictures of a packet; None asks for the rest."""

    def decode(self, packet: Packet | None) -> list[VideoFrame]:
        """Pictures that are ready."""
        ...

    def flush_buffers(self) -> None:
        """Forget what is under way."""
        ...


class Recoder:
    """One stretch of packets through a decoder, the conversion rules and the encoder.

    `lost`: packets that gave no picture, and that no run counts yet: of damaged ones a decoder drops some without a
    word. Packets of fields can't be told from those: of interlaced video only the ones that fail are counted.
    """

    def __init__(
        self, make: Callable[[], Decoder] | None, rule: FormatRule, clock: Clock, encode: Encode, chunk_ms: int
    ) -> None:
        self._decoder, self._converter = make() if make else None, Converter(rule)
        self._clock, self._encode, self._chunk_ms = clock, encode, chunk_ms
        self._frames: list[tuple[int, Planes]] = []
        self._format: VideoFormat | None = None
        self._arrived_ms = 0
        self.lost = 0
        self._hidden: set[int] = set()
        self._due: dict[int, int] = {}
        self._fed, self._fields = 0, False
        self._shown = 0, 0
        self._lengths: dict[int | None, int] = {}
        self._length = 0

    def feed(self, item: Item) -> Iterator[Run]:
        """Decode one packet; runs that it completes."""
        if not self._frames:
            self._arrived_ms = item.arrived_ms
        packet = item.packet
        if packet is None:
            packet = Packet(item.hints + item.data)
            packet.pts, packet.duration = item.pts, item.duration
            if item.hidden and item.pts is not None:
                self._hidden.add(item.pts)
            elif item.pts is not None and not self._fields:
                self._due[item.pts] = self._fed = self._fed + 1
        try:
            frames = self._decoded(packet)
        except av.FFmpegError:
            self.lost += item.pts not in self._due
            return
        yield from self._take(frames)

    def _decoded(self, packet: Packet) -> list[VideoFrame]:
        """The packet's pictures; a decoder that is stuck in a damaged one begins anew."""
        if self._decoder is None:
            return []
        try:
            return self._decoder.decode(packet)
        except av.BlockingIOError:
            self._decoder.flush_buffers()
            return self._decoder.decode(packet)

    def flush(self, next_pts: int | None = None, follows: bool = False) -> Iterator[Run]:
        """The rest of the stretch; `next_pts`, in the video's ticks, is where the next frame begins."""
        try:
            frames = self._decoder.decode(None) if self._decoder else []
        except av.FFmpegError:
            frames = []
        yield from self._take(frames)
        for pts, planes, format in self._converter.flush():
            yield from self._put(pts, planes, format)
        self.lost, self._due = self.lost + len(self._due), {}
        yield from self._cut(next_pts, follows)

    def picture(self, frame: VideoFrame, pts: int | None, arrived_ms: int) -> Iterator[Run]:
        """Take a picture that is decoded already."""
        if not self._frames:
            self._arrived_ms = arrived_ms
        frame.pts, frame.duration = pts, 0
        yield from self._take([frame])

    def _in_time(self, frame: VideoFrame) -> bool:
        """Strike out a picture that was due, and count those that were before it for too long.

        False for one that comes too late: its packet and its time are before those of the picture shown last, as the
        order of pictures is lost in damage. A clock that runs backwards gives later packets earlier times.
        """
        if frame.interlaced_frame:
            self._fields, self._due = True, {}
        if frame.pts is None or frame.pts not in self._due:
            return True
        at, (before, time) = self._due.pop(frame.pts), self._shown
        gone = list(takewhile(lambda pts: self._due[pts] < at - REORDERED, self._due))
        for pts in gone:
            del self._due[pts]
        late = at < before and frame.pts < time
        self.lost += len(gone) + late
        self._shown = self._shown if late else (at, frame.pts)
        return not late

    def _take(self, frames: list[VideoFrame]) -> Iterator[Run]:
        for frame in frames:
            if frame.pts is not None and frame.pts in self._hidden:
                self._hidden.discard(frame.pts)
                continue
            if not self._in_time(frame):
                continue
            self._lengths[frame.pts] = frame.duration
            for pts, planes, format in self._converter.feed(frame):
                yield from self._put(pts, planes, format)

    def _put(self, pts: int | None, planes: Planes, format: VideoFormat) -> Iterator[Run]:
        time, length = self._clock.time(pts), self._lengths.pop(pts, 0)
        if self._frames and self._format is not None:
            first, last = self._frames[0][0], self._frames[-1][0]
            time = last + 1 if time == last else time
            apart = (time - last) * format.time_base
            full = (len(self._frames) + 1) * format.frame_bytes > MAX_DECODED_BYTES
            if format != self._format or not 0 < apart <= MAX_GAP_S:
                yield from self._cut(None, False)
            elif full or (time - first) * format.time_base * 1000 >= self._chunk_ms:
                yield from self._cut(time, True)
        self._format, self._length = format, length
        self._frames.append((time, planes))

    def _tick(self, format: VideoFormat) -> int:
        """How long the last picture lasts if no other follows: as its packet says, else as its stream's do."""
        said = self._clock.scale(self._length)
        return min(said, int(MAX_GAP_S / format.time_base)) if said > 0 else self._clock.tick

    def _cut(self, next_pts: int | None, follows: bool) -> Iterator[Run]:
        if not self._frames or self._format is None:
            return
        frames, self._frames = self._frames, []
        lost, self.lost = self.lost, 0
        tick = self._tick(self._format)
        parts = self._encoded(frames, self._format)
        for index, units in enumerate(parts):
            more = index + 1 < len(parts)
            after = min(unit.pts for unit in parts[index + 1]) if more else next_pts
            yield Run(
                units, self._format, "h264", tick, self._arrived_ms, True, after, more or follows,
                0 if index else lost,
            )

    def _encoded(self, frames: list[tuple[int, Planes]], format: VideoFormat) -> list[tuple[CodedUnit, ...]]:
        """GOPs of at most 2 MiB: halved where one is over, and one picture coded harder."""
        for crf in (CRF,) if len(frames) > 1 else (CRF, 24.0, 34.0, 44.0, 51.0):
            units = self._encode(
                [planes for _, planes in frames], [pts for pts, _ in frames], format, crf=crf, preset=PRESET
            )
            if sum(len(unit.data) for unit in units) <= MAX_CODED_BYTES:
                return [units]
        if len(frames) == 1:
            raise SourceError(f"a picture of {format.width}x{format.height} doesn't fit into a chunk; scale it first")
        half = len(frames) // 2
        return self._encoded(frames[:half], format) + self._encoded(frames[half:], format)


def usable_rate(*rates: Fraction | None) -> Fraction:
    """The first plausible frame rate, else 25 a second."""
    for rate in rates:
        if rate is not None and 0 < rate <= 1000:
            return Fraction(rate)
    return Fraction(25)
