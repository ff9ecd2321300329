"""Legal holds with their entries in the access log: what is set or released and its entry are one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from infra.postgres import Database
from streams.forensic.log import AccessLog
from streams.holds import EVER, Hold, put_hold, release_hold

CASE = "hold"
"""What stands in the entries where others name a case."""


@dataclass(frozen=True, slots=True)
class HoldDraft:
    """What somebody asks to be held, and why; None: every camera, every video. Times in ms since 1970, both inside."""

    reason: str
    camera_id: str | None = None
    video_id: str | None = None
    from_ms: int = 0
    to_ms: int = EVER


def set_hold(database: Database, log: AccessLog | None, actor: str, draft: HoldDraft, now_ms: int) -> int:
    """Set a hold; its number. `log`: None on a platform that has none.

    Raises:
        UsageError: see `put_hold`.

    """
    with database.connection() as db:
        number = put_hold(
            db, draft.reason, actor, now_ms, camera_id=draft.camera_id, video_id=draft.video_id,
            from_ms=draft.from_ms, to_ms=draft.to_ms,
        )
        if log:
            log.add(db, "hold", actor, CASE, draft.reason, {
                "hold": number, "camera": draft.camera_id, "video": draft.video_id, "from": draft.from_ms,
                "to": draft.to_ms,
            })
    return number


def end_hold(database: Database, log: AccessLog | None, actor: str, number: int, now_ms: int) -> Hold:
    """Release a hold; what it was.

    Raises:
        UsageError: no such hold, or it is over already.

    """
    with database.connection() as db:
        was = release_hold(db, number, actor, now_ms)
        if log:
            log.add(db, "hold-released", actor, CASE, was.reason, {"hold": number})
    return was
