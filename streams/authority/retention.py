"""Destroy what an authority has kept long enough: keys first, then rows, then the video's file; and say so in the log.

Called by the one process that writes the evidence folder. Each step may be killed: what was begun stands in `retired`
and is taken up again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.files import disk_bytes, remove_file
from infra.keys import KeyStore
from infra.postgres import Database
from streams.authority import store
from streams.authority.erase import closing, forget_tracks, hold_on
from streams.forensic.log import AccessLog
from streams.holds import MATCHES, no_hold_comes
from streams.retention import ALARM_SHARE, Disk, Due, Kept, Reason, Rule, due

CASE = "retention"
_TABLES = ("plate_videos", "track_plates", "track_features", "subjects", "spans", "parts", "evidence", "conflicts",
           "videos")


@dataclass(frozen=True, slots=True)
class Retired:
    """What was destroyed of a video: these kinds, or with none named all of it; how many keys; bytes of its file."""

    video_id: str
    camera_id: str
    kinds: tuple[str, ...]
    reason: Reason
    keys: int
    bytes: int


class Retention:
    """Keeps an authority's stores within its rules. `disk` measures the disk under the folder."""

    def __init__(
        self, database: Database, keys: KeyStore, log: AccessLog, folder: Path, rules: Sequence[Rule], actor: str,
        disk: Callable[[Path], Disk] | None = None,
    ) -> None:
        self._database, self._keys, self._log, self._folder = database, keys, log, folder
        self._rules, self._actor, self._disk = tuple(rules), actor, disk or disk_of

    def run(self, now_ms: int) -> list[Retired]:
        """Finish what was begun, then destroy what is due.

        Raises:
            TransientError: database or disk refuse; it is tried again.

        """
        with self._database.connection() as db:
            begun = _unfinished(db)
        done = [self._finish(one, now_ms) for one in begun]
        with self._database.connection() as db:
            wanted = due(kept(db), self._rules, now_ms, self._disk(self._folder))
        done += [self._finish(one, now_ms) for one in wanted if self._begin(one, now_ms)]
        return [one for one in done if one]

    def nearly_full(self) -> bool:
        """Somebody should look after the disk."""
        return self._disk(self._folder).share > ALARM_SHARE

    def _begin(self, one: Due, now_ms: int) -> bool:
        """Note and log what will be destroyed; False where a hold came meanwhile."""
        video = one.video
        with self._database.connection() as db:
            no_hold_comes(db)
            if hold_on(db, video.video_id) is not None:
                return False
            tracks = _tracks(db, one)
            parts, digest = closing(db, video.video_id, None if not one.kinds else tracks)
            db.execute(
                "INSERT INTO retired VALUES (%s, %s, %s, %s, %s, %s, %s, %s, NULL) ON CONFLICT DO NOTHING",
                (video.video_id, video.camera_id, list(one.kinds), one.reason, video.start_ms, video.end_ms,
                 video.bytes, now_ms),
            )
            self._log.add(db, "retire", self._actor, CASE, one.reason, {
                "video": video.video_id, "kinds": list(one.kinds), "tracks": len(tracks), "parts": parts,
                "digest": digest,
            })
        return True

    def _finish(self, one: Due, now_ms: int) -> Retired | None:
        """Destroy it; None where a hold came after a kill in between: what is left of it stays until that is over."""
        video = one.video
        with self._database.connection() as db:
            no_hold_comes(db)
            if hold_on(db, video.video_id) is not None:
                return None
            tracks = _tracks(db, one)
            destroyed = self._keys.destroy_tracks(video.video_id, tracks)
            forget_tracks(db, video.video_id, tracks, now_ms)
            if not one.kinds:
                remove_file(store.evidence_path(self._folder, video.video_id))
            for table in () if one.kinds else _TABLES:
                db.execute(f"DELETE FROM {table} WHERE video_id = %s", (video.video_id,))  # noqa: S608
            db.execute("UPDATE retired SET done_ms = %s WHERE video_id = %s AND kinds = %s",
                       (now_ms, video.video_id, list(one.kinds)))
        return Retired(video.video_id, video.camera_id, one.kinds, one.reason, destroyed, video.bytes)


def kept(db: Any) -> list[Kept]:
    """The videos of which evidence is kept; kinds are those that some track still has."""
    about = MATCHES.format(video="v.video_id", camera="v.camera_id", start="v.start_ms", end="v.last_ms")
    rows = db.execute(
        "SELECT v.video_id, v.camera_id, (SELECT array_agg(DISTINCT kind ORDER BY kind) FROM spans s"  # noqa: S608
        " WHERE s.video_id = v.video_id), v.start_ms, v.last_ms, v.bytes,"
        " (SELECT max(received_ms) FROM evidence e WHERE e.video_id = v.video_id),"
        f" EXISTS (SELECT 1 FROM holds h WHERE {about})"
        " FROM (SELECT *, coalesce(end_ms, start_ms + %s) AS last_ms FROM videos) AS v", (store.MAX_VIDEO_MS,),
    ).fetchall()
    return [
        Kept(video, camera, tuple(kinds or ()), start, end, size, added or 0, held)
        for video, camera, kinds, start, end, size, added, held in rows
    ]


def is_retired(db: Any, video_id: str) -> bool:
    """The whole video was destroyed, or is being so: what comes late isn't taken in."""
    return db.execute(
        "SELECT 1 FROM retired WHERE video_id = %s AND kinds = '{}'", (video_id,)
    ).fetchone() is not None


def disk_of(folder: Path) -> Disk:
    """The disk under a folder."""
    return Disk(*disk_bytes(folder))


def _unfinished(db: Any) -> list[Due]:
    rows = db.execute(
        "SELECT video_id, camera_id, kinds, start_ms, end_ms, bytes, reason FROM retired WHERE done_ms IS NULL"
    ).fetchall()
    return [
        Due(Kept(video, camera, tuple(kinds), start, end, size, 0), reason, tuple(kinds))
        for video, camera, kinds, start, end, size, reason in rows
    ]


def _tracks(db: Any, one: Due) -> tuple[int, ...]:
    """The tracks whose keys go: those of the kinds, or all that the video has."""
    rows = db.execute(
        "SELECT DISTINCT track FROM spans WHERE video_id = %(video)s AND (%(all)s OR kind = ANY(%(kinds)s))"
        " UNION SELECT DISTINCT unnest(tracks) FROM parts WHERE video_id = %(video)s AND %(all)s ORDER BY 1",
        {"video": one.video.video_id, "all": not one.kinds, "kinds": list(one.kinds)},
    ).fetchall()
    return tuple(row[0] for row in rows)
