"""Subjects and persons of a video, brought up to date chunk by chunk, on a real Postgres."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from schemas.records import SealedEvidence
from streams.authority.index import FaceIndex
from streams.authority.looks import Looked, vector_text
from tests.support.authority import NOW_MS
from tests.support.city import faces
from tests.support.services import Postgres

VIDEO, BEFORE = f"cam-{NOW_MS}-00000001", f"cam-{NOW_MS - 1_800_000}-00000002"
CHUNKS, PEOPLE = 30, 6


@pytest.fixture
def db(postgres_authority: Postgres) -> Iterator[Any]:
    with postgres_authority.database() as database, database.connection() as connection:
        yield connection


def look(db: Any, video: str, track: int, values: np.ndarray, number: int = 0) -> None:
    """A track looks so, from now on."""
    text = vector_text((values / np.linalg.norm(values)).astype(np.float32))
    db.execute(
        "INSERT INTO track_features (video_id, track, state, chunk_seq, frame_no, quality, embedding, look, width)"
        " VALUES (%s, %s, 'indexed', 0, 0, %s, %s::vector, %s, 90) ON CONFLICT (video_id, track, look) DO UPDATE"
        " SET embedding = excluded.embedding", (video, track, 0.3 + track % 7 / 10, text, number),
    )


def show(db: Any, video: str, chunk: int, tracks: list[int]) -> None:
    """A chunk in which these tracks are seen, each for some frames."""
    db.execute("INSERT INTO videos (video_id, camera_id, start_ms, bytes) VALUES (%s, 'cam', %s, 0)"
               " ON CONFLICT DO NOTHING", (video, NOW_MS))
    db.execute(
        "INSERT INTO evidence (video_id, chunk_seq, digest, operator_digest, previous, parts, epoch, quality, at,"
        " length, received_ms, capture_ms, end_ms) VALUES (%s, %s, '', '', 0, 1, '', 'high', 0, 0, 0, %s, %s)",
        (video, chunk, NOW_MS + 1000 * chunk, NOW_MS + 1000 * chunk + 999),
    )
    for track in tracks:
        first = 25 * chunk + track % 20
        db.execute("INSERT INTO spans VALUES (%s, %s, %s, 'face', %s, %s, 3)", (video, track, chunk, first, first + 2))


def kept(db: Any) -> tuple[list[Any], ...]:
    """Subjects, what they are searched by, and persons."""
    return tuple(db.execute(query).fetchall() for query in (
        "SELECT subject_id, tracks, best_track, from_ms, to_ms FROM subjects ORDER BY 1",
        "SELECT subject_id, track, look, quality, from_ms, to_ms, embedding::text FROM subject_features ORDER BY 1, 3",
        "SELECT person_id, array_agg(subject_id ORDER BY subject_id) FROM person_subjects GROUP BY 1 ORDER BY 1",
    ))


@pytest.mark.parametrize("seed", range(4))
def test_merging_chunk_by_chunk_is_merging_all(db: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    people = rng.normal(size=(PEOPLE, 128)) * 0.4 + np.eye(1, 128) * 3
    index = FaceIndex(None)  # type: ignore[arg-type]  # there is no face to look at

    def chunk(video: str, number: int, first: int) -> None:
        tracks = sorted({int(one) for one in rng.integers(max(0, number - 4), number + 3, 4)})
        tracks = [first + track for track in tracks]
        changed = {track for track in tracks if rng.random() < 0.7}
        show(db, video, number, tracks)
        for track in changed:
            look(db, video, track, people[track % PEOPLE] + rng.normal(size=128) * 0.08, int(rng.random() < 0.1))
        index.merge(db, video, "cam", changed, number)

    for number in range(8):
        chunk(BEFORE, number, 0)
    for number in range(CHUNKS):
        chunk(VIDEO, number, 100)
    by_chunks = kept(db)
    for video in (BEFORE, VIDEO):
        index.merge(db, video, "cam")
    assert by_chunks == kept(db)
    sizes = {len(tracks) for _, tracks, *_ in by_chunks[0]}
    assert len(sizes) > 2 and any(len(subjects) > 1 for _, subjects in by_chunks[2])
    db.execute("DELETE FROM subjects")
    for video in (BEFORE, VIDEO):
        index.merge(db, video, "cam")
    assert by_chunks[:2] == kept(db)[:2]


def test_a_track_that_shows_somebody_else_is_read_in_full_again(db: Any) -> None:
    index, made = FaceIndex(faces()), np.eye(2, 128, dtype=np.float32)
    show(db, VIDEO, 0, [1])

    def note(who: int, chunk: int, quality: float = 0.6) -> frozenset[int]:
        evidence = SealedEvidence("city", "cam", VIDEO, chunk, b"", 0, "epoch", "high", ())
        index.note(db, evidence, [Looked(1, "indexed", 25 * chunk, quality, made[who], 1.0, 90)])
        return index.known(VIDEO)

    assert [note(0, chunk) for chunk in range(4)] == [frozenset(), frozenset(), {1}, {1}]
    assert index.known(BEFORE) == frozenset()
    assert note(1, 4, 0.3) == {1}  # too poor to be a look of its own
    assert note(1, 5) == frozenset()
