"""The operating platform's store, written by one process: a growing file per video and its index in Postgres.

A `batch` is all or nothing: records are appended to files, the files are synced, then the index is committed. Bytes
that a kill left behind the index are cut off when their file is opened next. The first version of a record wins.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from infra.files import NEWEST, AppendFile, FolderLock, check_mounted
from operators.sign import digest
from schemas.codec import decode, pack, unpack_as
from schemas.errors import ChainBroken, DigestMismatch, IntegrityError, MalformedRecord, MissingChunk
from schemas.records import OperatorBody, OperatorChunk, OperatorRecord, VideoEnd, VideoHead, VideoStart
from streams.verify import Checked, check_chain

VIDEO_ID = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
MAX_OPEN = 64
MAX_NUMBER = 2**62
Outcome = Literal["stored", "repeated", "conflict"]


class Connections(Protocol):
    """A pool of database connections; leaving the block commits, an error rolls back."""

    def connection(self) -> AbstractContextManager[Any]:
        """One connection in a transaction of its own."""
        ...


def media_path(folder: Path, video_id: str) -> Path:
    """File of a video.

    Raises:
        MalformedRecord: the id isn't one that `push` makes.

    """
    if not re.fullmatch(VIDEO_ID, video_id):
        raise MalformedRecord("a video id holds other characters than letters, digits, '.', '_', '-'")
    return folder / f"{video_id}.mp4"


def bare(record: OperatorRecord) -> bytes:
    """A record as the index keeps it: without media."""
    return pack("operator", OperatorRecord(record.signed))


def unchecked(data: bytes) -> Checked:
    """A record from the index, whose signature was checked when it was stored."""
    record: OperatorRecord = unpack_as("operator", data)
    return Checked(record, decode(OperatorBody, record.signed.body), digest(record.signed.body))


@dataclass(slots=True)
class _Video:
    """Where a video stands; `file` is None where acknowledged bytes of it are gone."""

    id: int
    video_id: str
    camera_id: str
    digest: bytes
    size: int
    chunks: int
    frames: int
    next_seq: int
    next_frame: int
    tail: bytes
    end_digest: bytes | None
    fault: str
    missing: int = 0
    lost: int = 0
    file: AppendFile | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a person must look at: an alarm's kind, camera and text."""

    kind: str
    camera_id: str
    text: str


class Store:
    """Files and index; holds the folder's lock until `close`."""

    def __init__(self, database: Connections, folder: Path) -> None:
        """Take the folder.

        Raises:
            ConfigError: another process writes into it.

        """
        self._lock = FolderLock(folder)
        self.folder = folder
        self._database = database
        self._videos: OrderedDict[str, _Video] = OrderedDict()

    def check_folder(self) -> None:
        """As `check_mounted`."""
        with self._database.connection() as connection:
            rows = connection.execute(
                "SELECT video_id FROM videos ORDER BY capture_ms DESC LIMIT %s", (NEWEST,)
            ).fetchall()
        check_mounted(self.folder, [media_path(self.folder, video_id) for (video_id,) in rows])

    def recover(self) -> list[Finding]:
        """Cut files of unfinished videos back to the index; name the files that are shorter than it."""
        findings = []
        with self._database.connection() as connection:
            rows = connection.execute("SELECT video_id, camera_id, bytes, end_digest FROM videos").fetchall()
        for video_id, camera_id, size, ended in rows:
            path = media_path(self.folder, video_id)
            found = path.stat().st_size if path.exists() else -1
            if found < size:
                text = f"{video_id}: the file holds {max(found, 0)} of {size} stored bytes; restore it from a copy"
                findings.append(Finding("store-damaged", camera_id, text))
            elif found > size and ended is None:
                AppendFile(path, size).close()
        return findings

    @contextmanager
    def batch(self) -> Iterator[Batch]:
        """Records that are stored together, or not at all.

        Raises:
            ServiceUnavailable: disk or database refuse; nothing was stored, try the same records again.

        """
        touched: dict[str, _Video] = {}
        committed = False
        try:
            with self._database.connection() as connection:
                batch = Batch(self, connection, touched)
                yield batch
                batch.finish()
            committed = True
        finally:
            for video_id in () if committed else touched:
                self._forget(video_id)
        while len(self._videos) > MAX_OPEN:
            self._forget(next(iter(self._videos)))
        for video_id in [v.video_id for v in self._videos.values() if v.end_digest is not None]:
            self._forget(video_id)

    def drop(self, connection: Any, video_id: str) -> None:
        """Take a video out of the index in the caller's transaction; its file goes once that holds. Fine to repeat."""
        self._forget(video_id)
        connection.execute("DELETE FROM videos WHERE video_id = %s", (video_id,))

    def close(self) -> None:
        """Close all files and let another process write."""
        for video_id in list(self._videos):
            self._forget(video_id)
        self._lock.release()

    def _forget(self, video_id: str) -> None:
        video = self._videos.pop(video_id, None)
        if video is not None and video.file is not None:
            video.file.close()

    def find(self, connection: Any, video_id: str) -> _Video | None:
        """A video that is in the index, with its file open at the indexed size."""
        if video_id in self._videos:
            self._videos.move_to_end(video_id)
            return self._videos[video_id]
        row = connection.execute(
            "SELECT id, video_id, camera_id, digest, bytes, chunks, frames, next_seq, next_frame, tail, end_digest,"
            " fault, missing, lost FROM videos WHERE video_id = %s",
            (video_id,),
        ).fetchone()
        if row is None:
            return None
        video = _Video(*row)
        try:
            video.file = AppendFile(media_path(self.folder, video_id), video.size)
        except DigestMismatch:
            video.file = None
        self._videos[video_id] = video
        return video

    def add(self, video: _Video) -> None:
        """Keep a video that a batch has put into the index."""
        self._videos[video.video_id] = video


class Batch:
    """One transaction over files and index. A record that is refused leaves no trace in it."""

    def __init__(self, store: Store, connection: Any, touched: dict[str, _Video]) -> None:
        self._store, self._connection, self._touched = store, connection, touched
        self.findings: list[Finding] = []

    def put(self, checked: Checked, received_ms: int) -> Outcome:
        """Store a record that was checked by itself.

        Raises:
            ChainBroken: it doesn't continue its video.
            MalformedRecord: a video id that can't name a file, or numbers that the index can't hold.
            DigestMismatch: earlier bytes of its video are gone.
            ServiceUnavailable: the disk refuses.

        """
        item = checked.item
        media_path(self._store.folder, item.video_id)
        _check_storable(item)
        video = self._store.find(self._connection, item.video_id)
        if video is None and self._retired(item.video_id):
            return "repeated"
        if isinstance(item, VideoStart):
            return self._start(video, item, checked, received_ms)
        if video is None:
            raise ChainBroken(f"{checked.where}: its video has no start")
        if item.camera_id != video.camera_id:
            raise ChainBroken(f"{checked.where}: its video is of another camera")
        if isinstance(item, OperatorChunk):
            return self._chunk(video, item, checked, received_ms)
        if isinstance(item, VideoHead):
            return self._head(video, item, checked, received_ms)
        return self._end(video, item, checked, received_ms)

    def refuse(self, partition: int, offset: int, received_ms: int, error: Exception) -> None:
        """Count a record that wasn't taken."""
        self._connection.execute(
            "INSERT INTO refusals VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (partition, offset, received_ms, type(error).__name__),
        )

    def finish(self) -> None:
        """Sync files, then write where the videos stand."""
        for video in self._touched.values():
            if video.file is not None:
                video.file.sync()
            self._connection.execute(
                "UPDATE videos SET bytes = %s, chunks = %s, frames = %s, next_seq = %s, next_frame = %s, tail = %s,"
                " fault = %s, missing = %s, lost = %s WHERE id = %s",
                (video.size, video.chunks, video.frames, video.next_seq, video.next_frame, video.tail, video.fault,
                 video.missing, video.lost, video.id),
            )

    def _retired(self, video_id: str) -> bool:
        row = self._connection.execute("SELECT 1 FROM retired WHERE video_id = %s", (video_id,)).fetchone()
        return row is not None

    def _start(self, known: _Video | None, start: VideoStart, checked: Checked, received_ms: int) -> Outcome:
        if known is not None:
            return self._again(known, known.digest, checked, -1, received_ms)
        media = checked.record.media
        row = self._connection.execute(
            "INSERT INTO videos (video_id, camera_id, capture_ms, received_ms, record, digest, init_bytes, bytes,"
            " tail) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id",
            (start.video_id, start.camera_id, start.capture_ms, received_ms, bare(checked.record), checked.digest,
             len(media), len(media), checked.digest),
        ).fetchone()
        file = AppendFile(media_path(self._store.folder, start.video_id))
        video = _Video(row[0], start.video_id, start.camera_id, checked.digest, len(media), 0, 0, 0, 0, checked.digest,
                       None, "", file=file)
        self._store.add(video)
        self._touched[video.video_id] = video
        file.append(media)
        return "stored"

    def _chunk(self, video: _Video, chunk: OperatorChunk, checked: Checked, received_ms: int) -> Outcome:
        seq, where = chunk.chunk_seq, checked.where
        if seq < video.next_seq:
            row = self._connection.execute(
                "SELECT digest FROM chunks WHERE video = %s AND seq = %s", (video.id, seq)
            ).fetchone()
            if row is None:
                raise ChainBroken(f"{where} comes after chunk {video.next_seq - 1}")
            return self._again(video, row[0], checked, seq, received_ms)
        if video.end_digest is not None:
            raise ChainBroken(f"{where} after the end of its video")
        if seq == video.next_seq and chunk.previous_digest != video.tail:
            raise ChainBroken(f"{where} doesn't continue the record before it")
        if not chunk.pts or chunk.first_frame < video.next_frame:
            raise ChainBroken(f"{where} begins at frame {chunk.first_frame}, or holds none")
        if video.file is None:
            raise DigestMismatch(f"{where}: earlier bytes of its file are gone")
        if seq > video.next_seq and not (chunk.gaps and chunk.previous_digest == video.tail):
            video.missing += seq - video.next_seq
            self._fault(video, MissingChunk(f"{video.video_id}: chunks {video.next_seq} to {seq - 1} are missing"))
        self._touched[video.video_id] = video
        media = checked.record.media
        at = video.file.append(media)
        self._connection.execute(
            "INSERT INTO chunks (video, seq, first_frame, frames, capture_ms, first_pts, end_pts, at, bytes, digest,"
            " received_ms, record) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (video.id, seq, chunk.first_frame, len(chunk.pts), chunk.capture_ms, chunk.pts[0], chunk.end_pts, at,
             len(media), checked.digest, received_ms, bare(checked.record)),
        )
        video.size, video.chunks, video.frames = video.file.size, video.chunks + 1, video.frames + len(chunk.pts)
        video.lost += chunk.gaps
        video.next_seq, video.next_frame, video.tail = seq + 1, chunk.first_frame + len(chunk.pts), checked.digest
        return "stored"

    def _head(self, video: _Video, head: VideoHead, checked: Checked, received_ms: int) -> Outcome:
        if head.chunk_seq >= video.next_seq:
            text = f"{video.video_id}: a head vouches for chunk {head.chunk_seq}, which is missing"
            self._fault(video, MissingChunk(text))
        else:
            row = self._connection.execute(
                "SELECT digest FROM chunks WHERE video = %s AND seq = %s", (video.id, head.chunk_seq)
            ).fetchone()
            if row is not None and row[0] != head.digest:
                return self._conflict(video, checked, head.chunk_seq, received_ms)
        done = self._connection.execute(
            "INSERT INTO heads VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (video.id, head.chunk_seq, received_ms, bare(checked.record)),
        )
        return "stored" if done.rowcount else "repeated"

    def _end(self, video: _Video, end: VideoEnd, checked: Checked, received_ms: int) -> Outcome:
        if video.end_digest is not None:
            return self._again(video, video.end_digest, checked, -1, received_ms)
        self._touched[video.video_id] = video
        video.end_digest, video.lost = checked.digest, video.lost + end.gaps
        self._connection.execute(
            "UPDATE videos SET end_record = %s, end_digest = %s, end_ms = %s WHERE id = %s",
            (bare(checked.record), checked.digest, received_ms, video.id),
        )
        try:
            check_chain([unchecked(row) for row in records_of(self._connection, video.id)])
        except IntegrityError as error:
            self._fault(video, error)
        return "stored"

    def _again(self, video: _Video, known: bytes, checked: Checked, seq: int, received_ms: int) -> Outcome:
        return "repeated" if known == checked.digest else self._conflict(video, checked, seq, received_ms)

    def _conflict(self, video: _Video, checked: Checked, seq: int, received_ms: int) -> Outcome:
        done = self._connection.execute(
            "INSERT INTO conflicts (video, kind, seq, digest, received_ms, record) VALUES (%s, %s, %s, %s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            (video.id, type(checked.item).__name__, seq, checked.digest, received_ms, bare(checked.record)),
        )
        if done.rowcount:
            text = f"{checked.where}: a second version was signed; the first is shown, both are kept"
            self.findings.append(Finding("replayed-version", video.camera_id, text))
        return "conflict"

    def _fault(self, video: _Video, error: IntegrityError) -> None:
        self._touched[video.video_id] = video
        if video.fault != type(error).__name__:
            video.fault = type(error).__name__
            self.findings.append(Finding("tampered-stream", video.camera_id, f"{video.fault}: {error}"))


def _check_storable(item: VideoStart | OperatorChunk | VideoHead | VideoEnd) -> None:
    numbers = [0]
    if isinstance(item, OperatorChunk):
        numbers += [item.chunk_seq, item.first_frame, item.capture_ms, item.end_pts, *item.pts[:1]]
    elif isinstance(item, VideoHead):
        numbers.append(item.chunk_seq)
    elif isinstance(item, VideoStart):
        numbers.append(item.capture_ms)
    if not item.camera_id.isprintable() or max(map(abs, numbers)) >= MAX_NUMBER:
        raise MalformedRecord("a camera id that isn't printable, or a number over 62 bits")


def records_of(connection: Any, video: int, first: int = 0, last: int | None = None) -> list[bytes]:
    """Records of a video in order, without media: its start, chunks `first` to `last`, their heads, its end.

    The end comes only where `last` isn't given.
    """
    top = MAX_NUMBER if last is None else last
    start, end = connection.execute("SELECT record, end_record FROM videos WHERE id = %s", (video,)).fetchone()
    rows = connection.execute(
        "SELECT record FROM (SELECT seq, 0 AS kind, record FROM chunks WHERE video = %(v)s"
        " UNION ALL SELECT seq, 1, record FROM heads WHERE video = %(v)s) AS r"
        " WHERE seq BETWEEN %(a)s AND %(b)s ORDER BY seq, kind",
        {"v": video, "a": first, "b": top},
    ).fetchall()
    return [start, *(row[0] for row in rows), *([end] if end is not None and last is None else [])]
