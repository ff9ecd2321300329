"""What the database holds about restorations that are made as jobs. Functions take an open connection."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from streams.forensic.restore import FrameGap, Made

State = Literal["waiting", "running", "done", "gaps", "failed", "cancelled", "gone"]
UNFINISHED: tuple[State, ...] = ("waiting", "running")
_COLUMNS = ("restoration_id, action, subject_id, video_id, tracks, person, case_id, purpose, everyone, with_gaps,"
            " lossless, burnt, entry, created_ms, until_ms, state, frames, error, gaps, manifest")


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for: whom to show (the subject, or everybody), whether gaps are allowed, how it is coded."""

    everyone: bool = False
    with_gaps: bool = False
    lossless: bool = True
    burnt: bool = False


@dataclass(frozen=True, slots=True)
class Restoration:
    """A restoration as it stands. `entry`: of the log, that it was asked for; `done`: frames made, of `frames`."""

    restoration_id: str
    action: Literal["restore", "export"]
    subject_id: str
    video_id: str
    tracks: tuple[int, ...]
    person: str
    case_id: str
    purpose: str
    wish: Wish
    entry: int
    created_ms: int
    until_ms: int
    state: State = "waiting"
    frames: int = 0
    error: str = ""
    gaps: tuple[FrameGap, ...] = ()
    manifest: Mapping[str, Any] | None = None
    done: int = 0


@dataclass(frozen=True, slots=True)
class KeptChunk:
    """A fragment that was made, as the database knows it."""

    seq: int
    operator_digest: bytes
    digest: bytes
    bytes: int
    frames: int
    made: Mapping[str, Any]


def add(db: Any, job: Restoration) -> None:
    """Note a new one."""
    wish = job.wish
    db.execute(
        "INSERT INTO restorations VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (job.restoration_id, job.action, job.subject_id, job.video_id, list(job.tracks), job.person, job.case_id,
         job.purpose, wish.everyone, wish.with_gaps, wish.lossless, wish.burnt, job.entry, job.created_ms,
         job.until_ms),
    )


def find(db: Any, restoration_id: str) -> Restoration | None:
    """One of them."""
    row = db.execute(f"{_SELECT} WHERE restoration_id = %s", (restoration_id,)).fetchone()
    return None if row is None else _read(row)


def of_person(db: Any, person: str, count: int) -> list[Restoration]:
    """Those that somebody asked for, newest first."""
    rows = db.execute(f"{_SELECT} WHERE person = %s ORDER BY created_ms DESC LIMIT %s", (person, count)).fetchall()
    return [_read(row) for row in rows]


def unfinished(db: Any) -> list[Restoration]:
    """Those to work on, oldest first."""
    rows = db.execute(f"{_SELECT} WHERE state IN ('waiting', 'running') ORDER BY created_ms").fetchall()
    return [_read(row) for row in rows]


def over(db: Any, now_ms: int, restoration_id: str | None = None) -> list[Restoration]:
    """Those whose time is over, or that may show somebody whose keys were destroyed since: nothing of them may stay.

    Of all of them, or of one.
    """
    erased = ("EXISTS (SELECT 1 FROM erasures e WHERE e.video_id = restorations.video_id"
              " AND e.erased_ms >= created_ms AND (everyone OR e.track = ANY(tracks)))")
    query = (f"{_SELECT} WHERE state <> 'gone' AND (until_ms <= %s OR {erased})"
             " AND restoration_id = coalesce(%s, restoration_id)")
    rows = db.execute(query, (now_ms, restoration_id)).fetchall()
    return [_read(row) for row in rows]


def put_state(
    db: Any, restoration_id: str, state: State, *, frames: int | None = None, error: str = "",
    gaps: Sequence[FrameGap] = (), manifest: Mapping[str, Any] | None = None, until_ms: int | None = None,
) -> bool:
    """Change how it stands; False where it was cancelled meanwhile, which stays."""
    return bool(db.execute(
        "UPDATE restorations SET state = %s, frames = coalesce(%s, frames), error = %s, gaps = %s, manifest = %s,"
        " until_ms = coalesce(%s, until_ms) WHERE restoration_id = %s AND (state <> 'cancelled' OR %s = 'gone')",
        (state, frames, error, json.dumps([asdict(gap) for gap in gaps]),
         None if manifest is None else json.dumps(manifest), until_ms, restoration_id, state),
    ).rowcount)


def cancel(db: Any, restoration_id: str) -> bool:
    """Cancel it; False where it was over already."""
    return bool(db.execute(
        "UPDATE restorations SET state = 'cancelled' WHERE restoration_id = %s AND state IN ('waiting', 'running')",
        (restoration_id,),
    ).rowcount)


def add_chunk(db: Any, restoration_id: str, operator_digest: bytes, digest: bytes, made: Made) -> None:
    """Note a fragment that lies in its file; another one of the same number is replaced."""
    said = {"how": made.how, "replaced": made.replaced, "withheld": made.withheld,
            "gaps": [asdict(gap) for gap in made.gaps],
            "pieces": [{"tracks": list(piece.tracks), "frames": piece.frames, "digest": piece.digest.hex()}
                       for piece in made.pieces]}
    db.execute(
        "INSERT INTO restoration_chunks VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (restoration_id, chunk_seq)"
        " DO UPDATE SET operator_digest = excluded.operator_digest, digest = excluded.digest, bytes = excluded.bytes,"
        " frames = excluded.frames, made = excluded.made",
        (restoration_id, made.seq, operator_digest, digest, len(made.media), made.frames, json.dumps(said)),
    )


def chunks(db: Any, restoration_id: str) -> list[KeptChunk]:
    """The fragments that were made, in order."""
    rows = db.execute(
        "SELECT chunk_seq, operator_digest, digest, bytes, frames, made FROM restoration_chunks"
        " WHERE restoration_id = %s ORDER BY chunk_seq", (restoration_id,),
    ).fetchall()
    return [KeptChunk(row[0], bytes(row[1]), bytes(row[2]), *row[3:]) for row in rows]


def drop_chunks(db: Any, restoration_id: str, seqs: Sequence[int] | None = None) -> None:
    """Forget fragments; None: all."""
    db.execute(
        "DELETE FROM restoration_chunks WHERE restoration_id = %s AND (%s OR chunk_seq = ANY(%s))",
        (restoration_id, seqs is None, list(seqs or ())),
    )


_DONE = ("(SELECT coalesce(sum(c.frames), 0) FROM restoration_chunks c"
         " WHERE c.restoration_id = restorations.restoration_id)")
_SELECT = f"SELECT {_COLUMNS}, {_DONE} FROM restorations"  # noqa: S608  # constants only


def _read(row: Sequence[Any]) -> Restoration:
    gaps = tuple(FrameGap(**gap) for gap in row[18])
    return Restoration(
        row[0], row[1], row[2], row[3], tuple(row[4]), row[5], row[6], row[7], Wish(*row[8:12]), row[12], row[13],
        row[14], row[15], row[16], row[17], gaps, row[19], int(row[20]),
    )
