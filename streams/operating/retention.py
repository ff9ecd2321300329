"""Drop the public videos that were kept long enough: rows first, then the file; what was dropped stands in `retired`.

Whole videos go, so what is kept is a whole chain from its first chunk on. Runs in the thread that stores records.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from infra.files import disk_bytes, remove_file
from streams.holds import MATCHES, no_hold_comes
from streams.operating.store import Connections, Finding, Store, media_path
from streams.retention import ALARM_SHARE, PUBLIC, Disk, Due, Kept, Rule, due

LONGEST_MS = 20_000
"""Of a chunk, from the capture of its first frame on: a GOP of ten seconds whose last frame is shown for ten."""


class Retention:
    """Keeps the operating platform's store within its rules. `disk` measures the disk under the store's folder."""

    def __init__(
        self, database: Connections, store: Store, rules: Sequence[Rule],
        disk: Callable[[Path], Disk] = lambda folder: Disk(*disk_bytes(folder)),
    ) -> None:
        self._database, self._store, self._rules, self._disk = database, store, tuple(rules), disk

    def run(self, now_ms: int) -> list[Finding]:
        """Finish what was begun, drop what is due; what a person should know of it.

        Raises:
            TransientError: database or disk refuse; it is tried again.

        """
        with self._database.connection() as db:
            begun = [row[0] for row in db.execute("SELECT video_id FROM retired WHERE done_ms IS NULL").fetchall()]
            wanted = due(kept(db), self._rules, now_ms, self._disk(self._store.folder))
        wanted = [one for one in wanted if self._begin(one, now_ms)]
        for video_id in [*begun, *(one.video.video_id for one in wanted)]:
            self._finish(video_id, now_ms)
        found = [Finding("retired", one.video.camera_id, f"{one.video.video_id} was dropped: {one.reason}")
                 for one in wanted if one.reason != "age"]
        if self._disk(self._store.folder).share > ALARM_SHARE:
            text = f"over {ALARM_SHARE:.0%} of the disk under the video store is taken; free some"
            found.append(Finding("disk-nearly-full", "", text))
        return found

    def _begin(self, one: Due, now_ms: int) -> bool:
        """Note what will be dropped; False where a hold came meanwhile."""
        video = one.video
        with self._database.connection() as db:
            no_hold_comes(db)
            if _held(db, video.video_id):
                return False
            db.execute(
                "INSERT INTO retired VALUES (%s, %s, %s, %s, %s, %s, %s, NULL) ON CONFLICT DO NOTHING",
                (video.video_id, video.camera_id, one.reason, video.start_ms, video.end_ms, video.bytes, now_ms),
            )
        return True

    def _finish(self, video_id: str, now_ms: int) -> None:
        """Drop it; where a hold came after a kill in between, it stays until that is over."""
        with self._database.connection() as db:
            no_hold_comes(db)
            if _held(db, video_id):
                return
            self._store.drop(db, video_id)
        remove_file(media_path(self._store.folder, video_id))
        with self._database.connection() as db:
            db.execute("UPDATE retired SET done_ms = %s WHERE video_id = %s", (now_ms, video_id))


def kept(db: Any, video_id: str | None = None) -> list[Kept]:
    """The videos that are kept; of all, or this one. A hold is on whatever of the last chunk it may touch."""
    about = MATCHES.format(
        video="v.video_id", camera="v.camera_id", start="v.capture_ms", end=f"v.last_ms + {LONGEST_MS}"
    )
    rows = db.execute(
        "SELECT video_id, camera_id, capture_ms, last_ms, bytes, added_ms,"  # noqa: S608
        f" EXISTS (SELECT 1 FROM holds h WHERE {about}) FROM (SELECT w.*, coalesce(c.capture_ms, w.capture_ms)"
        " AS last_ms, greatest(w.received_ms, c.received_ms, w.end_ms) AS added_ms FROM videos w LEFT JOIN LATERAL"
        " (SELECT capture_ms, received_ms FROM chunks WHERE video = w.id ORDER BY seq DESC LIMIT 1) AS c ON true"
        " WHERE w.video_id = coalesce(%s, w.video_id)) AS v", (video_id,),
    ).fetchall()
    return [
        Kept(video, camera, (PUBLIC,), start, end, size, added, held)
        for video, camera, start, end, size, added, held in rows
    ]


def _held(db: Any, video_id: str) -> bool:
    return any(one.held for one in kept(db, video_id))
