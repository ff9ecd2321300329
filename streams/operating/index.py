"""Reading the store: videos, records, media and frames, from the index and the files. Any number of readers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from infra.files import read_range, stream_range
from operators.codec import decode_units
from operators.fragment import parse_fragment
from operators.sign import check_media
from schemas.codec import decode, unpack_as
from schemas.errors import MissingChunk
from schemas.frames import Planes, VideoFormat
from schemas.records import OperatorBody, OperatorRecord, VideoStart
from streams.operating.store import Connections, media_path, records_of

DECODERS = 2
_VIDEO = (
    "SELECT id, video_id, camera_id, capture_ms, received_ms, init_bytes, bytes, chunks, frames, missing, lost,"
    " end_record IS NOT NULL, fault, record,"
    " (SELECT end_pts FROM chunks WHERE video = videos.id ORDER BY seq DESC LIMIT 1),"
    " (SELECT count(*) FROM conflicts WHERE video = videos.id) FROM videos"
)


@dataclass(frozen=True, slots=True)
class Video:
    """A video as the index knows it: `missing` chunks, `lost` frames of signed gaps.

    `bytes` count from the file's begin; `end_pts` as the source counts.
    """

    id: int
    video_id: str
    camera_id: str
    capture_ms: int
    received_ms: int
    init_bytes: int
    bytes: int
    chunks: int
    frames: int
    missing: int
    lost: int
    ended: bool
    fault: str
    start: VideoStart
    end_pts: int
    conflicts: int

    @property
    def format(self) -> VideoFormat:
        """What stays the same through the video."""
        return self.start.format

    @property
    def seconds(self) -> float:
        """Length of what is stored."""
        return float((self.end_pts - self.start.origin_pts) * self.format.time_base)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a chunk lies: bytes in the file, frames and times in the video."""

    seq: int
    first_frame: int
    frames: int
    at: int
    bytes: int
    capture_ms: int
    seconds: float


class Index:
    """Answers of the operating platform. Names that it doesn't know raise MissingChunk."""

    def __init__(self, database: Connections, folder: Path) -> None:
        self._database, self._folder = database, folder
        self._decoders = threading.BoundedSemaphore(DECODERS)
        self._decoded: dict[tuple[int, int], list[Planes]] = {}

    def cameras(self) -> list[tuple[str, int, bool]]:
        """Cameras, each with its number of videos, and whether one still grows."""
        with self._database.connection() as connection:
            rows = connection.execute(
                "SELECT camera_id, count(*), bool_or(end_record IS NULL) FROM videos GROUP BY camera_id ORDER BY 1"
            ).fetchall()
        return [(str(name), int(count), bool(live)) for name, count, live in rows]

    def videos(
        self, camera_id: str = "", limit: int = 200, before_ms: int | None = None, since_ms: int = 0
    ) -> list[Video]:
        """Videos, newest first; captured before `before_ms`, and not before `since_ms`."""
        with self._database.connection() as connection:
            rows = connection.execute(
                f"{_VIDEO} WHERE (%(c)s = '' OR camera_id = %(c)s) AND (%(b)s::bigint IS NULL OR capture_ms < %(b)s)"
                " AND capture_ms >= %(s)s"
                " ORDER BY capture_ms DESC, id DESC LIMIT %(n)s",
                {"c": camera_id, "b": before_ms, "s": since_ms, "n": limit},
            ).fetchall()
        return [_video(row) for row in rows]

    def video(self, video_id: str) -> Video:
        """One video."""
        with self._database.connection() as connection:
            row = connection.execute(f"{_VIDEO} WHERE video_id = %s", (video_id,)).fetchone()
        if row is None:
            raise MissingChunk("no such video")
        return _video(row)

    def places(self, video: Video, newest: int | None = None) -> list[Place]:
        """Where the chunks of a video lie, in order; all, or so many of the newest."""
        with self._database.connection() as connection:
            rows = connection.execute(
                "SELECT seq, first_frame, frames, at, bytes, capture_ms, end_pts - first_pts FROM chunks"
                " WHERE video = %s ORDER BY seq DESC LIMIT %s",
                (video.id, newest),
            ).fetchall()
        base: Fraction = video.format.time_base
        return [Place(*(*row[:6], float(row[6] * base))) for row in reversed(rows)]

    def records(self, video: Video, first: int = 0, last: int | None = None) -> list[bytes]:
        """Signed records, without media: start, chunks in the range, their heads; the end if `last` is None."""
        with self._database.connection() as connection:
            return records_of(connection, video.id, first, last)

    def start(self, video: Video) -> OperatorRecord:
        """The start with its init segment."""
        with self._database.connection() as connection:
            (data,) = connection.execute("SELECT record FROM videos WHERE id = %s", (video.id,)).fetchone()
        media = read_range(media_path(self._folder, video.video_id), 0, video.init_bytes)
        record: OperatorRecord = unpack_as("operator", data)
        return replace(record, media=check_media(media, video.start.media_digest, "init segment"))

    def chunk(self, video: Video, seq: int) -> OperatorRecord:
        """A chunk's record with its media.

        Raises:
            MissingChunk: it isn't stored.
            DigestMismatch: the file doesn't hold what was stored.

        """
        with self._database.connection() as connection:
            row = connection.execute(
                "SELECT record, at, bytes FROM chunks WHERE video = %s AND seq = %s", (video.id, seq)
            ).fetchone()
        if row is None:
            raise MissingChunk(f"{video.video_id}: no chunk {seq}")
        record: OperatorRecord = unpack_as("operator", row[0])
        body = decode(OperatorBody, record.signed.body).chunk
        if body is None:
            raise MissingChunk(f"{video.video_id}: no chunk {seq}")
        media = read_range(media_path(self._folder, video.video_id), row[1], row[2])
        return replace(record, media=check_media(media, body.media_digest, f"{video.video_id} chunk {seq}"))

    def frame(self, video: Video, frame_no: int) -> Planes:
        """A desensitised picture by its number.

        Raises:
            MissingChunk: no stored chunk holds it.
            DigestMismatch: the file doesn't hold what was stored.

        """
        with self._database.connection() as connection:
            row = connection.execute(
                "SELECT seq, first_frame FROM chunks WHERE video = %s AND first_frame <= %s"
                " AND %s < first_frame + frames ORDER BY first_frame DESC LIMIT 1",
                (video.id, frame_no, frame_no),
            ).fetchone()
        if row is None:
            raise MissingChunk(f"{video.video_id}: no frame {frame_no}")
        seq, first_frame = (int(number) for number in row)
        return self._pictures(video, seq)[frame_no - first_frame]

    def media(self, video: Video, at: int, length: int) -> Iterator[bytes]:
        """Bytes of the file, which the caller keeps within `video.bytes`."""
        return stream_range(media_path(self._folder, video.video_id), at, length)

    def _pictures(self, video: Video, seq: int) -> list[Planes]:
        """The pictures of a chunk; the last one decoded is kept, for frames are asked for in order."""
        key = (video.id, seq)
        with self._decoders:
            pictures = self._decoded.get(key)
            if pictures is None:
                units, _ = parse_fragment(self.chunk(video, seq).media, video.format, video.start.origin_pts)
                pictures = decode_units(units, "h264", video.format.width, video.format.height)
                self._decoded = {key: pictures}
        return pictures


def _video(row: tuple[Any, ...]) -> Video:
    record, end_pts, conflicts = row[-3:]
    start = decode(OperatorBody, unpack_as("operator", record).signed.body).start
    if start is None:
        raise MissingChunk("a video without a start")
    return Video(*(*row[:-3], start, start.origin_pts if end_pts is None else end_pts, conflicts))
