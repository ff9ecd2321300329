"""What the pages ask beyond single videos: all cameras at a glance, the recordings of a day, alarms, the disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from infra.files import disk_bytes
from schemas.frames import MAX_TIME_MS
from schemas.topics import DAY_MS, MINUTE_MS
from streams.operating.alarms import Kept, newest
from streams.operating.index import Index, Video
from streams.operating.movement import STEP_MS, InView, in_view
from streams.operating.store import Connections

LIVE_MS = 30_000
LONGEST_MS = 60 * MINUTE_MS
"""Videos are cut after half an hour; twice that is looked back for one that reaches into a day."""
MAX_VIDEOS = 10_000
"""Of a day: one of a camera that breaks off every nine seconds, all day."""
HOUR_MS = 60 * MINUTE_MS
COLUMNS = 240
KEPT_TIMES = 10
"""So many times as long as it took to sum up all videos, what came out is shown: many viewers take no more than one."""
UNITS_MS = (4 * MINUTE_MS, 20 * MINUTE_MS, HOUR_MS)


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera and its newest video. `captured_ms`: begin of its newest chunk, `received_ms`: when that was sent here.

    `missing` chunks, `conflicts` (other versions) and `faults` (videos that don't hold) are over all its videos.
    """

    camera_id: str
    video_id: str
    ended: bool
    frames: int
    last_frame: int
    captured_ms: int
    received_ms: int
    videos: int
    missing: int
    conflicts: int
    faults: int

    def live(self, now_ms: int) -> bool:
        """It records now: the newest video is open, and something of it came a moment ago."""
        return not self.ended and now_ms - self.received_ms < LIVE_MS

    @property
    def behind_s(self) -> float:
        """From the capture of its newest chunk's first frame to its arrival, the chunk's own length included."""
        return max(0, self.received_ms - self.captured_ms) / 1000


@dataclass(frozen=True, slots=True)
class Day:
    """A camera's recordings that touch a day, oldest first, and the nearest days before and after with any.

    `from_ms` to `to_ms`: the time to draw, in whole units around what was recorded.
    """

    camera_id: str
    day: date
    videos: tuple[Video, ...]
    from_ms: int
    to_ms: int
    earlier: date | None
    later: date | None


class Overview:
    """Asks the index; `folder` is where videos lie, `clock` counts seconds."""

    def __init__(
        self, index: Index, database: Connections, folder: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._index, self._database, self._folder, self._clock = index, database, folder, clock
        self._seen: tuple[float, list[Camera]] = (clock(), [])

    def cameras(self) -> list[Camera]:
        """All cameras, by name, as they are or were a moment ago (`KEPT_TIMES`)."""
        until, found = self._seen
        began = self._clock()
        if began >= until:
            found = self._summed()
            now = self._clock()
            self._seen = now + KEPT_TIMES * (now - began), found
        return found

    def _summed(self) -> list[Camera]:
        with self._database.connection() as db:
            rows = db.execute(
                "SELECT c.camera_id, v.video_id, v.end_record IS NOT NULL, v.frames,"
                " coalesce(k.first_frame + k.frames - 1, 0), coalesce(k.capture_ms, v.capture_ms),"
                " coalesce(k.received_ms, v.received_ms), c.videos, c.missing, c.conflicts, c.faults"
                " FROM (SELECT camera_id, count(*) AS videos, sum(missing)::bigint AS missing,"
                "  (array_agg(id ORDER BY capture_ms DESC, id DESC))[1] AS newest,"
                "  count(*) FILTER (WHERE fault <> '') AS faults,"
                "  sum((SELECT count(*) FROM conflicts WHERE video = videos.id))::bigint AS conflicts"
                "  FROM videos GROUP BY camera_id) c JOIN videos v ON v.id = c.newest"
                " LEFT JOIN LATERAL (SELECT * FROM chunks WHERE video = v.id ORDER BY seq DESC LIMIT 1) k ON true"
                " ORDER BY c.camera_id"
            ).fetchall()
        return [Camera(*row) for row in rows]

    def day(self, camera_id: str, day: date | None = None) -> Day | None:
        """A day of a camera, the newest with recordings if none is named; None for a camera without any."""
        newest = self._index.videos(camera_id, 1)
        if not newest:
            return None
        day = day or _date(newest[0].capture_ms)
        begin = _ms(day)
        end = begin + DAY_MS
        found = [video for video in self._index.videos(camera_id, MAX_VIDEOS, end, begin - LONGEST_MS)
                 if _end_ms(video) > begin]
        with self._database.connection() as db:
            (before, after) = db.execute(
                "SELECT max(capture_ms) FILTER (WHERE capture_ms < %s), min(capture_ms) FILTER (WHERE capture_ms >= %s)"
                " FROM videos WHERE camera_id = %s", (begin, end, camera_id)
            ).fetchone()
        drawn = _drawn(begin, [(max(begin, video.capture_ms), min(end, _end_ms(video))) for video in found])
        earlier, later = (None if ms is None else _date(ms) for ms in (before, after))
        return Day(camera_id, day, tuple(reversed(found)), *drawn, earlier, later)

    def in_view(self, camera_id: str, from_ms: int, to_ms: int, steps: int = COLUMNS) -> Sequence[InView]:
        """How many were in view of a camera from a time to another, in so many steps at most."""
        step = -(-(to_ms - from_ms) // (steps * STEP_MS)) * STEP_MS
        return in_view(self._database, camera_id, from_ms, to_ms, step)

    def alarms(self) -> Sequence[Kept]:
        """The newest alarms."""
        return newest(self._database)

    def refusals(self) -> int:
        """How many records were refused, ever."""
        with self._database.connection() as db:
            return int(db.execute("SELECT count(*) FROM refusals").fetchone()[0])

    def retired(self) -> int:
        """How many videos are gone because their time was over or the disk was full."""
        with self._database.connection() as db:
            return int(db.execute("SELECT count(*) FROM retired").fetchone()[0])

    def disk(self) -> float:
        """How much of the disk under the videos is taken, 0 to 1."""
        size, used = disk_bytes(self._folder)
        return used / max(1, size)


def _drawn(begin: int, spans: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The time to draw of a day: the smallest whole units that hold all spans."""
    first, last = min((span[0] for span in spans), default=begin), max((span[1] for span in spans), default=begin)
    unit = next((unit for unit in UNITS_MS if last - first <= unit), HOUR_MS)
    return first // unit * unit, max(first // unit + 1, -(-last // unit)) * unit


def _end_ms(video: Video) -> int:
    return video.capture_ms + round(video.seconds * 1000)


def _date(ms: int) -> date:
    return datetime.fromtimestamp(min(ms, MAX_TIME_MS) / 1000, UTC).date()


def _ms(day: date) -> int:
    return round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
