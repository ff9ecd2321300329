"""Legal holds: what neither retention, a full disk nor an erasure may destroy. One table in each platform's database.

A hold names cameras, videos or times, never persons: the operating platform keeps them too. Times are milliseconds
since 1970, both ends count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from schemas.errors import UsageError

MAX_WORDS = 200
EVER = 2**53
_COLUMNS = "hold, camera_id, video_id, from_ms, to_ms, reason, set_by, set_ms, released_by, released_ms"
MATCHES = (
    "h.released_ms IS NULL AND (h.video_id IS NULL OR h.video_id = {video}) AND (h.camera_id IS NULL OR"
    " h.camera_id = {camera}) AND h.from_ms <= {end} AND h.to_ms >= {start}"
)
"""Whether hold h is about a video; give the SQL of its id, camera, start and end."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold; None: every camera, every video. `released_ms` is set once it is over."""

    hold: int
    camera_id: str | None
    video_id: str | None
    from_ms: int
    to_ms: int
    reason: str
    set_by: str
    set_ms: int
    released_by: str | None = None
    released_ms: int | None = None


def no_hold_comes(db: Any) -> None:
    """Let nobody set a hold until the transaction ends: a destroyer looks for holds after this, and destroys in it.

    Destroyers don't wait for one another. A hold that comes meanwhile waits, so none is in force over what goes after.
    """
    db.execute("LOCK TABLE holds IN SHARE MODE")


def put_hold(
    db: Any, reason: str, set_by: str, now_ms: int, *, camera_id: str | None = None, video_id: str | None = None,
    from_ms: int = 0, to_ms: int = EVER,
) -> int:
    """Set a hold; its number.

    Raises:
        UsageError: no reason, nothing that limits it, or an end before its begin.

    """
    if not reason.strip() or not set_by.strip() or max(len(reason), len(set_by)) > MAX_WORDS:
        raise UsageError(f"a hold needs a reason and who sets it, up to {MAX_WORDS} characters each")
    if camera_id is None and video_id is None and (from_ms, to_ms) == (0, EVER):
        raise UsageError("name a camera, a video or a time: a hold on everything keeps it all for ever")
    if to_ms < from_ms:
        raise UsageError("the hold ends before it begins")
    (number,) = db.execute(
        "INSERT INTO holds (camera_id, video_id, from_ms, to_ms, reason, set_by, set_ms)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING hold",
        (camera_id, video_id, from_ms, to_ms, reason, set_by, now_ms),
    ).fetchone()
    return int(number)


def release_hold(db: Any, hold: int, released_by: str, now_ms: int) -> Hold:
    """End a hold; what it was.

    Raises:
        UsageError: no such hold, or it is over already.

    """
    row = db.execute(
        "UPDATE holds SET released_by = %s, released_ms = %s WHERE hold = %s AND released_ms IS NULL"  # noqa: S608
        f" RETURNING {_COLUMNS}", (released_by, now_ms, hold),
    ).fetchone()
    if row is None:
        raise UsageError(f"there is no hold {hold} in force")
    return Hold(*row)


def holds(db: Any, *, over: bool = False) -> list[Hold]:
    """The holds in force, with `over` also those that were released."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM holds WHERE %s OR released_ms IS NULL ORDER BY hold", (over,),  # noqa: S608
    ).fetchall()
    return [Hold(*row) for row in rows]
