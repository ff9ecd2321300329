"""`sealframe bench index`: what a chunk of a crowded video costs the index of faces, beside many tracks before it.

A real database gets a video in which people come back: three tracks each, five chunks long, with vectors alike.
Then chunks with four tracks are merged as evidence comes in, beside few tracks and beside many; the floor merges all
tracks of the video anew.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from infra.postgres import Connection, Database
from operators.embed import FEATURES
from schemas.errors import UsageError
from schemas.topics import MINUTE_MS
from streams.authority.index import FaceIndex
from streams.authority.looks import vector_text
from streams.evaluate.report import Figure
from streams.evaluate.stage import fresh_database, timed_ms

START_MS = 1_700_000_000_000
CAMERA = "camera"
VIDEO = f"{CAMERA}-{START_MS}-00000000"
EACH, CHUNKS, AT_ONCE, FRAMES = 3, 5, 4, 25
"""Tracks of a person, chunks of a track, tracks of a timed chunk, frames of a chunk."""
FEW, CALLS = 100, 30
Tell = Callable[[str], None]


def evaluate(count: int, tell: Tell) -> list[Figure]:
    """Figures beside so many tracks.

    Raises:
        UsageError: too few to tell many from few.

    """
    if count < 3 * FEW:
        raise UsageError(f"at least {3 * FEW} tracks are needed to compare with {FEW}")
    rng = np.random.default_rng(0)
    index = FaceIndex(None)  # type: ignore[arg-type]  # vectors are here already, there is no face to look at
    with fresh_database() as server, Database(server.app(), vectors=True) as database, database.connection() as db:
        db.execute("INSERT INTO videos (video_id, camera_id, start_ms, bytes, end_ms) VALUES (%s, %s, %s, 0, %s)",
                   (VIDEO, CAMERA, START_MS, START_MS + 30 * MINUTE_MS))
        tell(f"{FEW} tracks")
        _fill(db, 0, FEW, rng)
        index.merge(db, VIDEO, CAMERA)
        few = _chunks(db, index, FEW, rng)
        tell(f"{count:,} tracks")
        _fill(db, FEW + CALLS, count, rng)
        anew = [timed_ms(partial(index.merge, db, VIDEO, CAMERA)) for _ in range(3)][1:]
        many = _chunks(db, index, count, rng)
        row = db.execute("SELECT count(*) FROM subjects").fetchone()
    note = f"beside {count:,} tracks of {row[0] if row else 0:,} subjects; {AT_ONCE} tracks a chunk"
    return [
        Figure("index_chunk_ms", many[len(many) // 2], "ms", "<=", n=CALLS, note=f"{note}; median"),
        Figure("index_chunk_p95_ms", many[int(0.95 * CALLS)], "ms", "<=", n=CALLS),
        Figure("index_chunk_few_ms", few[len(few) // 2], "ms", "<=", n=CALLS, note=f"beside {FEW} tracks; median"),
        Figure("index_all_ms", min(anew), "ms", "<=", n=len(anew), note="all tracks of the video merged anew"),
    ]


def _fill(db: Connection, first: int, last: int, rng: np.random.Generator) -> None:
    """Tracks from `first` up to `last`, in the order of time; the same people again and again."""
    people = -(-(last - first) // EACH)
    faces = _unit(_unit(rng.normal(size=FEATURES)) + 0.5 * _unit(rng.normal(size=(people, FEATURES))))
    tracks = range(first, last)
    known = {row[0] for row in db.execute("SELECT chunk_seq FROM evidence").fetchall()}
    _evidence(db, {track + chunk for track in tracks for chunk in range(CHUNKS)} - known)
    with db.cursor() as cursor:
        with cursor.copy("COPY track_features (video_id, track, state, chunk_seq, frame_no, quality, embedding, width)"
                         " FROM STDIN") as copy:
            for track in tracks:
                look = _unit(faces[(track - first) % people] + 0.05 * _unit(rng.normal(size=FEATURES)))
                copy.write_row((VIDEO, track, "indexed", track, track * FRAMES, 0.5, vector_text(look), 96.0))
        with cursor.copy("COPY spans (video_id, track, chunk_seq, kind, first_frame, last_frame, frames)"
                         " FROM STDIN") as copy:
            for track in tracks:
                for seq in range(track, track + CHUNKS):
                    copy.write_row((VIDEO, track, seq, "face", seq * FRAMES, (seq + 1) * FRAMES - 1, FRAMES))
    db.execute("ANALYZE")


def _evidence(db: Connection, chunks: set[int]) -> None:
    with db.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO evidence (video_id, chunk_seq, digest, operator_digest, previous, parts, epoch, quality, at,"
            " length, received_ms, capture_ms, end_ms) VALUES (%s, %s, '', '', 0, 1, '', 'high', 0, 0, 0, %s, %s)",
            [(VIDEO, seq, START_MS + 1000 * seq, START_MS + 1000 * (seq + 1)) for seq in sorted(chunks)],
        )


def _chunks(db: Connection, index: FaceIndex, count: int, rng: np.random.Generator) -> list[float]:
    """Chunks in which one track is new and others go on, merged one after the other; ms of each, sorted."""
    times = []
    for number in range(count, count + CALLS):
        _fill(db, number, number + 1, rng)
        changed = frozenset(range(number - AT_ONCE + 1, number + 1))
        times.append(timed_ms(partial(index.merge, db, VIDEO, CAMERA, changed, number)))
    return sorted(times)


def _unit(vectors: Any) -> Any:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
