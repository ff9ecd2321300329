"""`index.faces = on_case`: faces are indexed where an approved case looks, and only for as long.

Evidence comes in unindexed. `keep` reads the stored chunks of the cameras and times of open cases, in memory, by their
track keys, and drops the vectors of every video that holds a chunk which no open case covers any more; what of it is
still covered is read again. So after a case is closed or has run out no vector of its cameras and hours is left, nor
any that was made without a case before this was the setting.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from infra.postgres import Database
from schemas.errors import NotForMe, SealframeError
from streams.authority import store
from streams.authority.index import FaceIndex
from streams.authority.reading import EvidenceReader

SECONDS = 10.0
"""How often open cases are looked at."""
log = logging.getLogger(__name__)


class Covering(Protocol):
    """Cameras, times and kinds of an open case; see `streams.forensic.terms.Scope`."""

    @property
    def from_ms(self) -> int:
        """First moment."""
        ...

    @property
    def to_ms(self) -> int:
        """Last moment."""
        ...

    @property
    def kinds(self) -> Sequence[str]:
        """Kinds of objects."""
        ...

    def has_camera(self, camera: str) -> bool:
        """The camera is in it."""
        ...


@dataclass(frozen=True, slots=True)
class Kept:
    """What a round changed: chunks that were read, and videos whose vectors were dropped."""

    read: int
    dropped: int


class OnCase:
    """Keeps the index of faces to what open cases cover. `scopes`: of all open cases, as they are now."""

    def __init__(
        self, database: Database, reader: EvidenceReader, index: FaceIndex, scopes: Callable[[], Sequence[Covering]]
    ) -> None:
        self._database, self._reader, self._index, self._scopes = database, reader, index, scopes

    def keep(self) -> Kept:
        """Bring the index up to date with the open cases.

        Raises:
            ServiceUnavailable: the database is out of reach; run again.
            IntegrityError: stored evidence isn't what was taken in.
            ConfigError: a template key is missing, or the index is of another embedder.

        """
        scopes = [scope for scope in self._scopes() if "face" in scope.kinds]
        dropped = self._drop(scopes)
        read = 0
        for video_id, camera_id, seq, first, last in self._unread():
            if _covered(scopes, camera_id, first, last):
                self._read(video_id, seq)
                read += 1
        return Kept(read, dropped)

    def run(self, stop: threading.Event) -> None:
        """Keep it so until told to stop; what fails is tried again with the next round."""
        while not stop.is_set():
            try:
                self.keep()
            except SealframeError as error:
                log.error("faces can't be indexed for open cases, trying again: %s", error)
            stop.wait(SECONDS)

    def _drop(self, scopes: Sequence[Covering]) -> int:
        """Drop, by whole videos, what no case covers any more, and what was indexed under another setting."""
        with self._database.connection() as db:
            rows = db.execute(
                "SELECT v.video_id, v.camera_id, coalesce(e.capture_ms, v.start_ms), coalesce(e.end_ms, v.end_ms,"
                " v.start_ms) FROM case_indexed c JOIN evidence e USING (video_id, chunk_seq) JOIN videos v"
                " USING (video_id)"
            ).fetchall()
            others = db.execute(
                "SELECT DISTINCT video_id FROM track_features f"
                " WHERE NOT EXISTS (SELECT 1 FROM case_indexed c WHERE c.video_id = f.video_id)"
            ).fetchall()
        gone = {video for video, camera, first, last in rows if not _covered(scopes, camera, first, last)}
        gone |= {video for (video,) in others}
        for video_id in sorted(gone):
            with self._database.connection() as db:
                camera_id = _hold(db, video_id)
                db.execute("DELETE FROM track_features WHERE video_id = %s", (video_id,))
                db.execute("DELETE FROM subject_features WHERE video_id = %s", (video_id,))
                db.execute("DELETE FROM case_indexed WHERE video_id = %s", (video_id,))
                self._index.merge(db, video_id, camera_id, frozenset(store.track_spans(db, video_id)))
        return len(gone)

    def _unread(self) -> list[tuple[Any, ...]]:
        """Chunks that aren't indexed: video, camera, number, first and last moment."""
        with self._database.connection() as db:
            return db.execute(
                "SELECT e.video_id, v.camera_id, e.chunk_seq, coalesce(e.capture_ms, v.start_ms), coalesce(e.end_ms,"
                " v.end_ms, v.start_ms) FROM evidence e JOIN videos v USING (video_id) LEFT JOIN case_indexed c"
                " USING (video_id, chunk_seq) WHERE c.video_id IS NULL ORDER BY e.video_id, e.chunk_seq"
            ).fetchall()

    def _read(self, video_id: str, seq: int) -> None:
        with self._database.connection() as db:
            stored = self._reader.stored(db, video_id, seq)
        if stored is None:
            return  # retired meanwhile
        evidence, parts = stored
        looked = self._index.read(parts, evidence.format)
        with self._database.connection() as db:
            _hold(db, video_id)
            db.execute("INSERT INTO case_indexed VALUES (%s, %s) ON CONFLICT DO NOTHING", (video_id, seq))
            self._index.write(db, evidence, looked)


def _hold(db: Any, video_id: str) -> str:
    """Keep the sink from a video until the transaction ends; its camera."""
    camera_id = store.hold(db, video_id)
    if camera_id is None:
        raise NotForMe(f"{video_id} is no longer kept")
    return camera_id


def _covered(scopes: Sequence[Covering], camera_id: str, first: int, last: int) -> bool:
    """Some case looks at this camera at a moment of this stretch."""
    return any(scope.has_camera(camera_id) and scope.from_ms <= last and scope.to_ms >= first for scope in scopes)
