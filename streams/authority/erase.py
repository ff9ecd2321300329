"""Erase one subject: its tracks' keys first, for ever; then what the index holds about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infra.keys import KeyStore
from infra.postgres import Database
from schemas.errors import UsageError
from streams.authority.plate_index import cover_again
from streams.forensic.log import AccessLog


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure destroyed."""

    subject_id: str
    video_id: str
    tracks: tuple[int, ...]
    keys: int


def erase_subject(
    database: Database, keys: KeyStore, log: AccessLog, clock: Callable[[], int], subject_id: str, *,
    actor: str, case: str, purpose: str,
) -> Erased:
    """Destroy the keys of a subject's tracks and its rows; every copy of its evidence is then closed for ever.

    Blocks that it shares with others go too: they show it. Run again after a failure, it goes on.

    Raises:
        UsageError: no such subject.

    """
    with database.connection() as db:
        row = db.execute("SELECT video_id, tracks FROM subjects WHERE subject_id = %s", (subject_id,)).fetchone()
    if row is None:
        raise UsageError(f"there is no subject {subject_id}")
    video_id, tracks = row[0], tuple(row[1])
    log.append("erase", actor, case, purpose, {"subject": subject_id, "tracks": list(tracks)})
    destroyed = keys.destroy_tracks(video_id, tracks)
    with database.connection() as db:
        forget_tracks(db, video_id, tracks, clock())
    return Erased(subject_id, video_id, tracks, destroyed)


def forget_tracks(db: Any, video_id: str, tracks: tuple[int, ...], now_ms: int) -> None:
    """Delete what the database holds about tracks whose keys are gone."""
    named = (video_id, list(tracks))
    db.execute("DELETE FROM subjects WHERE video_id = %s AND tracks && %s::bigint[]", named)
    db.execute("DELETE FROM track_features WHERE video_id = %s AND track = ANY(%s)", named)
    db.execute("DELETE FROM track_plates WHERE video_id = %s AND track = ANY(%s)", named)
    db.execute("DELETE FROM spans WHERE video_id = %s AND track = ANY(%s)", named)
    db.execute(
        "UPDATE parts SET state = 'erased', nonce = NULL, wrapped = NULL"
        " WHERE video_id = %s AND tracks && %s::bigint[]",
        named,
    )
    for track in tracks:
        db.execute("INSERT INTO erasures VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", (video_id, track, now_ms))
    cover_again(db, video_id)


def erased_tracks(db: Any) -> dict[str, tuple[int, ...]]:
    """All erased tracks by video, for a key store that is restored from a backup."""
    found: dict[str, list[int]] = {}
    for video_id, track in db.execute("SELECT video_id, track FROM erasures ORDER BY 1, 2").fetchall():
        found.setdefault(video_id, []).append(track)
    return {video_id: tuple(tracks) for video_id, tracks in found.items()}
