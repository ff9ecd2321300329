"""What an authority keeps in Postgres about its evidence: places, wraps, counters, the first mapping's index.

Functions take an open connection; the caller's transaction makes them one. Times are milliseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.files import NEWEST, check_mounted
from schemas.records import SealedEvidence, TrackMapping, Wrap
from schemas.topics import MINUTE_MS
from schemas.video_id import start_ms
from streams.authority.opening import OpenedPart, PartState

MAX_VIDEO_MS = 30 * MINUTE_MS
"""A live recording is cut after 30 minutes, so what is in it happened at most that long after its start."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the record of a chunk lies in its video's file, and what was signed for."""

    chunk_seq: int
    digest: bytes
    operator_digest: bytes
    parts: int
    at: int
    length: int


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part as the database knows it; `wrap` is None where it can't be opened (`state` says why)."""

    part: int
    type: str
    tracks: tuple[int, ...]
    state: PartState
    wrap: Wrap | None


@dataclass(frozen=True, slots=True)
class Gap:
    """Evidence that a signed counter promises and that isn't here: of the chunk before `before_seq`, at least."""

    video_id: str
    before_seq: int
    missing_seq: int


def captured_ms(evidence: SealedEvidence) -> tuple[int, int] | tuple[None, None]:
    """When a chunk was captured (from, to); nothing where the record doesn't say."""
    if 0 < evidence.capture_ms <= evidence.end_ms:
        return evidence.capture_ms, evidence.end_ms
    return None, None


def evidence_path(folder: Path, video_id: str) -> Path:
    """The evidence file of a video."""
    start_ms(video_id)
    return folder / f"{video_id}.evidence"


def check_folder(db: Any, folder: Path) -> None:
    """As `check_mounted`, for evidence."""
    newest = db.execute("SELECT video_id FROM videos WHERE bytes > 0 ORDER BY start_ms DESC LIMIT %s", (NEWEST,))
    check_mounted(folder, [evidence_path(folder, video_id) for (video_id,) in newest.fetchall()])


def known_version(db: Any, video_id: str, chunk_seq: int) -> tuple[bytes, int] | None:
    """Of which operator chunk (digest) evidence was taken in, and in how many parts."""
    row = db.execute(
        "SELECT operator_digest, parts FROM evidence WHERE video_id = %s AND chunk_seq = %s", (video_id, chunk_seq)
    ).fetchone()
    return None if row is None else (bytes(row[0]), int(row[1]))


def file_bytes(db: Any, video_id: str) -> int:
    """How many bytes of the video's file count; 0 when it isn't known."""
    row = db.execute("SELECT bytes FROM videos WHERE video_id = %s FOR UPDATE", (video_id,)).fetchone()
    return 0 if row is None else int(row[0])


def add_conflict(db: Any, evidence: SealedEvidence, digest: bytes, received_ms: int) -> bool:
    """Count another version of a chunk's evidence; False when it was counted before."""
    return bool(db.execute(
        "INSERT INTO conflicts VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (evidence.video_id, evidence.chunk_seq, digest, received_ms),
    ).rowcount)


def add_evidence(
    db: Any, evidence: SealedEvidence, digest: bytes, place: tuple[int, int], end: int, received_ms: int
) -> None:
    """Note a record at `place` (at, length) of its video's file, which now counts to `end`."""
    captured = captured_ms(evidence)
    db.execute(
        "INSERT INTO videos VALUES (%s, %s, %s, %s, %s) ON CONFLICT (video_id) DO UPDATE"
        " SET bytes = excluded.bytes, end_ms = greatest(videos.end_ms, excluded.end_ms)",
        (evidence.video_id, evidence.camera_id, start_ms(evidence.video_id), end, captured[1]),
    )
    db.execute(
        "INSERT INTO evidence VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (evidence.video_id, evidence.chunk_seq, digest, evidence.operator_digest, evidence.previous,
         len(evidence.parts), evidence.epoch, evidence.quality, *place, received_ms, *captured),
    )


def add_parts(db: Any, evidence: SealedEvidence, parts: Sequence[OpenedPart]) -> None:
    """Note the wraps of a chunk's parts, and in which frames its tracks are."""
    for part in parts:
        nonce, wrapped = (part.wrap.encapsulated, part.wrap.wrapped_key) if part.wrap else (None, None)
        db.execute(
            "INSERT INTO parts VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            (evidence.video_id, evidence.chunk_seq, part.part, part.type, list(part.tracks), nonce, wrapped,
             part.state),
        )
        if isinstance(part.content, TrackMapping) and part.content.regions:
            frames = sorted({region.frame_no for region in part.content.regions})
            db.execute(
                "INSERT INTO spans VALUES (%s, %s, %s, %s, %s, %s, %s, %s::int8range) ON CONFLICT DO NOTHING",
                (evidence.video_id, part.content.track, evidence.chunk_seq, part.content.kind, frames[0], frames[-1],
                 len(frames), _detected(part.content)),
            )


def _detected(mapping: TrackMapping) -> str:
    """From the first to the last frame in which it was detected, as Postgres reads a range."""
    frames = [region.frame_no for region in mapping.regions if region.source == "detected"]
    return f"[{min(frames)},{max(frames)}]" if frames else "empty"


def places(db: Any, video_id: str, first: int = 0, last: int = 2**62) -> dict[int, Place]:
    """Where the evidence of these chunks lies, by chunk."""
    rows = db.execute(
        "SELECT chunk_seq, digest, operator_digest, parts, at, length FROM evidence"
        " WHERE video_id = %s AND chunk_seq BETWEEN %s AND %s ORDER BY chunk_seq", (video_id, first, last),
    ).fetchall()
    return {row[0]: Place(row[0], bytes(row[1]), bytes(row[2]), *row[3:]) for row in rows}


def stored_parts(db: Any, video_id: str, chunk_seq: int) -> tuple[StoredPart, ...]:
    """The parts of a chunk."""
    rows = db.execute(
        "SELECT part, type, tracks, state, nonce, wrapped FROM parts"
        " WHERE video_id = %s AND chunk_seq = %s ORDER BY part",
        (video_id, chunk_seq),
    ).fetchall()
    return tuple(
        StoredPart(number, kind, tuple(tracks), state, Wrap(b"tracks", bytes(nonce), bytes(wrapped)) if nonce else None)
        for number, kind, tracks, state, nonce, wrapped in rows
    )


def chunk_spans(db: Any, video_id: str, tracks: Sequence[int]) -> dict[int, dict[int, tuple[int, int]]]:
    """First and last frame of each of these tracks, by chunk."""
    found: dict[int, dict[int, tuple[int, int]]] = {}
    rows = db.execute(
        "SELECT chunk_seq, track, first_frame, last_frame FROM spans"
        " WHERE video_id = %s AND track = ANY(%s) ORDER BY 1, 2",
        (video_id, list(tracks)),
    ).fetchall()
    for seq, track, first, last in rows:
        found.setdefault(seq, {})[track] = (first, last)
    return found


def chunks_with(db: Any, video_id: str, tracks: Sequence[int]) -> frozenset[int]:
    """Chunks of which one of these tracks claims a part."""
    rows = db.execute(
        "SELECT DISTINCT chunk_seq FROM parts WHERE video_id = %s AND tracks && %s::bigint[]", (video_id, list(tracks))
    ).fetchall()
    return frozenset(row[0] for row in rows)


def taken_in(db: Any, video_id: str) -> tuple[int, int] | None:
    """When the first and the last evidence of a video was taken in; None where there is none."""
    row = db.execute("SELECT min(received_ms), max(received_ms) FROM evidence WHERE video_id = %s", (video_id,))
    first, last = row.fetchone() or (None, None)
    return None if first is None or last is None else (first, last)


def tracks_in(db: Any, video_id: str, seq: int) -> frozenset[int]:
    """The tracks that a chunk's evidence shows, of all kinds."""
    rows = db.execute("SELECT track FROM spans WHERE video_id = %s AND chunk_seq = %s", (video_id, seq)).fetchall()
    return frozenset(row[0] for row in rows)


def track_times(db: Any, video_id: str, some: Collection[int] | None = None) -> dict[int, tuple[int, int]]:
    """From when to when each track, or some, is in the evidence: by its chunks, else as long as a video may last."""
    start = start_ms(video_id)
    rows = db.execute(
        "SELECT s.track, min(e.capture_ms), max(e.end_ms), count(*) > count(e.end_ms) FROM spans s"
        " JOIN evidence e USING (video_id, chunk_seq) WHERE video_id = %(video)s"
        " AND (%(some)s::bigint[] IS NULL OR track = ANY(%(some)s)) GROUP BY s.track",
        {"video": video_id, "some": None if some is None else list(some)},
    ).fetchall()
    return {
        track: (start, start + MAX_VIDEO_MS) if unknown else (first, last) for track, first, last, unknown in rows
    }


def track_spans(
    db: Any, video_id: str, some: Collection[int] | None = None
) -> dict[int, tuple[str, list[tuple[int, int]]]]:
    """Kind of every track of a video, or of some, and the frame ranges in which it was detected.

    Where that isn't known, those in which it is.
    """
    found: dict[int, tuple[str, list[tuple[int, int]]]] = {}
    rows = db.execute(
        "SELECT track, kind, lower(seen), upper(seen) - 1 FROM (SELECT track, kind, first_frame,"
        " coalesce(detected, int8range(first_frame, last_frame, '[]')) AS seen FROM spans"
        " WHERE video_id = %(video)s AND (%(some)s::bigint[] IS NULL OR track = ANY(%(some)s))) s"
        " ORDER BY track, first_frame",
        {"video": video_id, "some": None if some is None else list(some)},
    ).fetchall()
    for track, kind, first, last in rows:
        ranges = found.setdefault(track, (kind, []))[1]
        if first is not None:
            ranges.append((first, last))
    return found


def hold(db: Any, video_id: str) -> str | None:
    """The camera of a video, None where it is kept no longer; nobody else changes it until the transaction ends."""
    row = db.execute("SELECT camera_id FROM videos WHERE video_id = %s FOR UPDATE", (video_id,)).fetchone()
    return None if row is None else str(row[0])


def erased(db: Any, video_id: str) -> frozenset[int]:
    """The erased tracks of a video; no other one is erased until the transaction ends."""
    hold(db, video_id)
    rows = db.execute("SELECT track FROM erasures WHERE video_id = %s", (video_id,)).fetchall()
    return frozenset(row[0] for row in rows)


def gaps(db: Any, video_ids: Sequence[str] | None = None) -> list[Gap]:
    """Evidence that is missing before evidence that is here, by the signed counters.

    A cut tail doesn't show here: `streams.verify` compares with the operator's signed counters at a restoration.
    """
    rows = db.execute(
        "SELECT video_id, chunk_seq, previous FROM (SELECT video_id, chunk_seq, previous, coalesce(1 + lag(chunk_seq)"
        " OVER (PARTITION BY video_id ORDER BY chunk_seq), 0) AS before FROM evidence"
        " WHERE %(all)s OR video_id = ANY(%(ids)s)) AS e WHERE previous <> before ORDER BY 1, 2",
        {"all": video_ids is None, "ids": list(video_ids or ())},
    ).fetchall()
    return [Gap(video_id, seq, previous - 1) for video_id, seq, previous in rows]


