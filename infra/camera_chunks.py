"""Numbers chunks: which stretch of frames is one video, where chunks begin and end, and when they were captured.

A new video begins at a change of format, a gap over 10 s, a clock that runs backwards, a stop, and near 30 minutes. In
file mode a file is one video: there neither a gap nor its length ends it.
"""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass, replace
from fractions import Fraction

from schemas.frames import MAX_CODED_BYTES, MAX_DECODED_BYTES, CodedUnit, FrameChunk, SourceCodec, VideoFormat

MAX_GAP_S = 10
MAX_VIDEO_S = 30 * 60


class Clock:
    """Presentation times in the video's ticks; made from the frame rate where a packet has none."""

    def __init__(self, source: Fraction, time_base: Fraction, rate: Fraction) -> None:
        self._ratio = source / time_base
        self._tick = 1 / (rate * time_base)
        self._next = Fraction(0)

    @property
    def tick(self) -> int:
        """Nominal length of a frame, at least one tick."""
        return max(1, round(self._tick))

    def scale(self, ticks: int) -> int:
        """The stream's ticks as the video's."""
        return round(ticks * self._ratio)

    def time(self, pts: int | None) -> int:
        """The time of the next frame in presentation order; `pts` in the stream's ticks."""
        now = self._next if pts is None else Fraction(self.scale(pts))
        self._next = now + self._tick
        return round(now)


@dataclass(frozen=True, slots=True)
class Run:
    """One closed GOP on its way into a chunk.

    `next_pts`: where the next frame begins, if known; `follows`: frames of the same format are known to come;
    `lost`: captured frames that didn't decode before it; `gops`: how many were merged.
    """

    units: tuple[CodedUnit, ...]
    format: VideoFormat
    codec: SourceCodec
    tick: int
    arrived_ms: int
    recoded: bool = False
    next_pts: int | None = None
    follows: bool = False
    lost: int = 0
    gops: int = 1

    @property
    def first(self) -> int:
        """Smallest pts."""
        return min(unit.pts for unit in self.units)

    @property
    def last(self) -> int:
        """Largest pts."""
        return max(unit.pts for unit in self.units)

    @property
    def end(self) -> int:
        """Where the last frame's display ends."""
        gap = MAX_GAP_S / self.format.time_base
        if self.next_pts is not None and self.last < self.next_pts <= self.last + gap:
            return self.next_pts
        return self.last + self.tick


class Chunker:
    """Runs in, chunks out. `hold` keeps the last chunk back until it is known whether its video goes on.

    `live`: the chunks come as they are captured. `whole`: neither a gap nor its length ends a video.
    `stills`: they are single pictures.
    """

    def __init__(
        self, camera_id: str, chunk_ms: int, start_ms: int | None, hold: bool, live: bool = False, whole: bool = False,
        stills: bool = False,
    ) -> None:
        self._live, self._whole, self._stills = live, whole, stills
        self._camera, self._chunk_ms, self._start_ms, self._hold = camera_id, chunk_ms, start_ms, hold
        self._pending: Run | None = None
        self._video = ""
        self._origin = self._seq = self._frames = 0
        self._video_ms = 0
        self._busy_until = 0
        self._last: tuple[VideoFormat, int] | None = None

    def add(self, run: Run) -> list[FrameChunk]:
        """Chunks that are complete once this run has come."""
        done: list[FrameChunk] = []
        if self._pending is not None:
            before = self._pending
            if self._differs(before.format, before.last, run):
                done.append(self._emit(end=True))
                if run.format.time_base == before.format.time_base:
                    self._busy_until += max(0, self._ms(run.first - before.end, run.format))
            elif self._merges(self._pending, run):
                run = replace(
                    run, units=self._pending.units + run.units, arrived_ms=self._pending.arrived_ms,
                    lost=self._pending.lost + run.lost, gops=self._pending.gops + run.gops,
                )
            else:
                self._pending = replace(self._pending, next_pts=run.first)
                done.append(self._emit(end=self._is_long(self._pending)))
        elif self._last is not None and self._differs(*self._last, run):
            self._video = ""
        self._pending = run
        if not self._hold and run.follows and not self._has_room(run):
            done.append(self._emit(end=self._is_long(run)))
        return done

    def finish(self) -> list[FrameChunk]:
        """The last chunk of the video: the source has stopped."""
        done = [self._emit(end=True)] if self._pending is not None else []
        self._video, self._last = "", None
        return done

    def _differs(self, format: VideoFormat, last: int, run: Run) -> bool:
        longest = math.inf if self._whole else MAX_GAP_S / format.time_base
        return run.format != format or not 0 < run.first - last <= longest

    def _merges(self, before: Run, run: Run) -> bool:
        if before.recoded or run.recoded or before.codec != run.codec:
            return False
        both = before.units + run.units
        return (
            self._ms(run.end - before.first, run.format) <= self._chunk_ms * 1.05
            and sum(len(unit.data) for unit in both) <= MAX_CODED_BYTES
            and len(both) * run.format.frame_bytes <= MAX_DECODED_BYTES
        )

    def _has_room(self, run: Run) -> bool:
        """Another GOP as long as the average of those here may still fit."""
        expected = self._ms(run.end - run.first, run.format) * (1 + 1 / run.gops)
        return not run.recoded and expected <= self._chunk_ms * 1.05

    def _is_long(self, run: Run) -> bool:
        long = (run.end - self._origin) * run.format.time_base >= MAX_VIDEO_S - MAX_GAP_S
        return bool(self._video) and long and not self._whole

    @staticmethod
    def _ms(ticks: int, format: VideoFormat) -> int:
        return round(ticks * format.time_base * 1000)

    def _emit(self, end: bool) -> FrameChunk:
        run = self._pending
        if run is None:
            raise RuntimeError("no chunk to emit")
        if not self._video:
            self._begin(run)
        capture = self._video_ms + self._ms(run.first - self._origin, run.format)
        chunk = FrameChunk(
            camera_id=self._camera, video_id=self._video, chunk_seq=self._seq, first_frame=self._frames,
            capture_ms=capture, format=run.format, codec=run.codec, units=run.units, end_pts=run.end, end=end,
            gaps=run.lost, live=self._live, stills=self._stills,
        )
        self._seq, self._frames = self._seq + 1, self._frames + len(run.units)
        self._busy_until = self._video_ms + self._ms(run.end - self._origin, run.format)
        self._pending, self._last = None, (run.format, run.last)
        if end:
            self._video = ""
        return chunk

    def _begin(self, run: Run) -> None:
        """Start a video: at the given start or the arrival of its first frame, never before the end of the last."""
        start = run.arrived_ms if self._start_ms is None else self._start_ms
        self._video_ms, self._start_ms = max(start, self._busy_until), (None if self._start_ms is None else 0)
        self._video = f"{self._camera}-{self._video_ms}-{secrets.token_hex(4)}"
        self._origin, self._seq, self._frames = run.first, 0, 0
