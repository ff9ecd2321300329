"""Erase one subject: its tracks' keys first, for ever; then what the index holds about it.

The log says before and after what is destroyed, by numbers and digests that show nobody: `schemas/FORMATS.md`, section
8. Who keeps a copy of the evidence can compute the digest again and knows which parts are closed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from infra.keys import KeyStore
from infra.postgres import Database
from schemas.errors import UsageError
from streams.authority import store
from streams.authority.epochs import living
from streams.authority.persons import sweep
from streams.authority.plate_index import cover_again
from streams.forensic.log import AccessLog
from streams.holds import MATCHES, no_hold_comes


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure destroyed; `entry` is the log's, of its end, `digest` that of the parts that are closed now.

    `days`: whose keys, until they are destroyed too, would open a copy of some of these parts.
    """

    subject_id: str
    video_id: str
    tracks: tuple[int, ...]
    keys: int
    parts: int = 0
    digest: str = ""
    entry: int = -1
    days: tuple[str, ...] = ()


def erase_subject(
    database: Database, keys: KeyStore, log: AccessLog, clock: Callable[[], int], subject_id: str, *,
    actor: str, case: str, purpose: str,
) -> Erased:
    """Destroy the keys of a subject's tracks and its rows; every copy of its evidence is then closed for ever.

    A day's own key opens what came under it until that key is destroyed, too (`epochs.py`); the log names such days.

    Blocks that it shares with others go too: they show it. Run again after a failure, it goes on. A hold that comes
    while it runs is seen before anything is destroyed, or comes after all of it.

    Raises:
        UsageError: no such subject, or its video is under a legal hold; the log says that it was asked for.

    """
    with database.connection() as db:
        row = db.execute("SELECT video_id, tracks FROM subjects WHERE subject_id = %s", (subject_id,)).fetchone()
        if row is None:
            raise UsageError(f"there is no subject {subject_id}")
        video_id, tracks = row[0], tuple(row[1])
        hold = hold_on(db, video_id)
        parts, digest = closing(db, video_id, tracks)
        days = _days(db, keys, video_id, tracks)
    said: dict[str, Any] = {"subject": subject_id, "tracks": list(tracks), "parts": parts, "digest": digest}
    said |= {"days": days} if days else {}
    if hold is None:
        log.append("erase", actor, case, purpose, said)
        with database.connection() as db:
            no_hold_comes(db)
            hold = hold_on(db, video_id)
            if hold is None:
                said["keys"] = keys.destroy_tracks(video_id, tracks)
                forget_tracks(db, video_id, tracks, clock())
                entry = log.add(db, "erased", actor, case, purpose, said)
                return Erased(subject_id, video_id, tracks, said["keys"], parts, digest, entry.seq, tuple(days))
    log.append("erase-refused", actor, case, purpose, {"subject": subject_id, "hold": hold})
    raise UsageError(f"{subject_id} is under legal hold {hold}: release that first, or erase it afterwards")


def _days(db: Any, keys: KeyStore, video_id: str, tracks: Sequence[int]) -> list[str]:
    """The days whose keys still open parts that these tracks claim."""
    alive = living(keys)
    rows = db.execute(
        "SELECT DISTINCT e.epoch FROM parts p JOIN evidence e USING (video_id, chunk_seq)"
        " WHERE video_id = %s AND p.tracks && %s::bigint[] ORDER BY 1", (video_id, list(tracks)),
    ).fetchall()
    return [epoch for (epoch,) in rows if epoch in alive]


def closing(db: Any, video_id: str, tracks: Sequence[int] | None) -> tuple[int, str]:
    """How many parts these tracks (None: all) claim, and the digest over them, as the log names them."""
    rows = db.execute(
        "SELECT p.chunk_seq, p.part, e.digest FROM parts p JOIN evidence e USING (video_id, chunk_seq)"
        " WHERE video_id = %s AND (%s OR p.tracks && %s::bigint[]) ORDER BY 1, 2",
        (video_id, tracks is None, list(tracks or ())),
    ).fetchall()
    state = hashlib.sha256()
    for seq, part, digest in rows:
        state.update(f"{seq} {part} ".encode() + bytes(digest).hex().encode() + b"\n")
    return len(rows), state.hexdigest()


def hold_on(db: Any, video_id: str) -> int | None:
    """Number of a legal hold on a video; None without one."""
    about = MATCHES.format(video="v.video_id", camera="v.camera_id", start="v.start_ms",
                           end=f"coalesce(v.end_ms, v.start_ms + {store.MAX_VIDEO_MS})")
    row = db.execute(
        f"SELECT h.hold FROM holds h JOIN videos v ON {about} WHERE v.video_id = %s ORDER BY 1 LIMIT 1",  # noqa: S608
        (video_id,),
    ).fetchone()
    return None if row is None else int(row[0])


def forget_tracks(db: Any, video_id: str, tracks: Sequence[int], now_ms: int) -> None:
    """Delete what the database holds about tracks whose keys are gone."""
    store.erased(db, video_id)  # whoever is writing down what a track shows has done so, or sees that it is gone
    named = (video_id, list(tracks))
    db.execute("DELETE FROM subjects WHERE video_id = %s AND tracks && %s::bigint[]", named)
    db.execute("DELETE FROM track_features WHERE video_id = %s AND track = ANY(%s)", named)
    db.execute("DELETE FROM next.track_features WHERE video_id = %s AND track = ANY(%s)", named)
    db.execute("DELETE FROM track_plates WHERE video_id = %s AND track = ANY(%s)", named)
    db.execute("DELETE FROM spans WHERE video_id = %s AND track = ANY(%s)", named)
    db.execute(
        "UPDATE parts SET state = 'erased', nonce = NULL, wrapped = NULL"
        " WHERE video_id = %s AND tracks && %s::bigint[]",
        named,
    )
    for track in tracks:
        db.execute("INSERT INTO erasures VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", (video_id, track, now_ms))
    sweep(db)
    cover_again(db, video_id)


def erased_tracks(db: Any) -> dict[str, tuple[int, ...]]:
    """All erased tracks by video, for a key store that is restored from a backup."""
    found: dict[str, list[int]] = {}
    for video_id, track in db.execute("SELECT video_id, track FROM erasures ORDER BY 1, 2").fetchall():
        found.setdefault(video_id, []).append(track)
    return {video_id: tuple(tracks) for video_id, tracks in found.items()}
