"""Plates on arrival: filmed, masked, sealed, opened in memory, read along the track, searched and restored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.postgres import Database
from operators.desensitise.policy import Policy
from operators.plates import WEIGHTS, PlateReader
from streams.authority.index import FaceIndex
from streams.authority.plate_index import PlateIndex
from streams.authority.sink import AllIndexes
from streams.cli.authority import indexing
from streams.forensic.service import Forensics
from tests.support.authority import NAME, VIDEO, Desk, Recording, open_desk, record
from tests.support.cases import GROUND, open_case
from tests.support.plates import FRAMES, filmed
from tests.support.restoring import restored
from tests.support.services import Postgres

POLICY = Policy({NAME: frozenset({"plate"})})


@pytest.fixture(scope="module")
def reader() -> PlateReader:
    return PlateReader(WEIGHTS)


@pytest.fixture
def desk(postgres_authority: Postgres, tmp_path: Path, reader: PlateReader) -> Iterator[Desk]:
    with postgres_authority.database() as database:
        faces = FaceIndex(None)  # type: ignore[arg-type]  # there is no face to look at
        desk = open_desk(tmp_path, database, AllIndexes(faces, PlateIndex(reader)))
        yield desk
        desk.close()


def sent(desk: Desk, *chunks: tuple) -> Recording:
    made = record([chunk for chunk, _ in chunks], [found for _, found in chunks], desk.epoch, policy=POLICY)
    assert all(taken.unopened == 0 for taken in desk.take(made))
    return made


def library(database: Database) -> list[tuple]:
    with database.connection() as db:
        return db.execute(
            "SELECT p.subject_id, p.text, s.tracks, p.to_ms - p.from_ms"
            " FROM plates p JOIN subjects s USING (subject_id) ORDER BY 1"
        ).fetchall()


def test_plates_of_a_chunk_are_read_searched_and_restored(desk: Desk, tmp_path: Path) -> None:
    """Two leaning plates: each alone is found by its text, named by its best frame, and restored from the answer."""
    recording = sent(desk, filmed(["AB12CDE", "KL44MMN"], VIDEO))
    assert library(desk.database) == [
        (f"{VIDEO}/p1", "AB12CDE", [1], 40 * FRAMES), (f"{VIDEO}/p2", "KL44MMN", [2], 40 * FRAMES),
    ]
    open_case(desk.database)
    service = Forensics(desk.database, desk.log, None)
    [match] = service.search_plate("kl 44?MN", GROUND).matches
    assert match.subject_id == f"{VIDEO}/p2" and min(match.characters) > 0.8
    assert match.image_id in {f"{VIDEO}/{frame}" for frame in range(FRAMES)}
    done = restored(desk, recording, match.subject_id, tmp_path / "restored.mp4")
    assert done.state == "done" and done.manifest and not done.gaps
    assert (done.frames, done.manifest["body"]["replaced"]) == (FRAMES, FRAMES)
    with desk.database.connection() as db:
        rows = db.execute(
            "SELECT state, vector_norm(embedding), jsonb_array_length(glimpses) FROM track_plates"
        ).fetchall()
    assert [(state, round(norm, 3), count) for state, norm, count in rows] == [("read", 1.0, FRAMES)] * 2


def test_plate_without_corners_is_read_by_its_box(desk: Desk) -> None:
    sent(desk, filmed(["AB12CDE"], VIDEO, corners=False))
    with desk.database.connection() as db:
        assert db.execute("SELECT jsonb_array_length(glimpses) FROM track_plates").fetchone() == (FRAMES,)


def test_glimpses_of_later_chunks_are_pooled_and_bounded(desk: Desk) -> None:
    """A plate far away, then near: the near glimpses stay, and the subject's times grow."""
    far = filmed(["AB12CDE"], VIDEO, scale=0.5, end=False)
    sent(desk, far, filmed(["AB12CDE"], VIDEO, 1, end=False), filmed(["AB12CDE"], VIDEO, 2))
    assert library(desk.database) == [(f"{VIDEO}/p1", "AB12CDE", [1], 3 * 40 * FRAMES)]
    with desk.database.connection() as db:
        frame, chunk, kept, weight = db.execute(
            "SELECT frame_no, chunk_seq, jsonb_array_length(glimpses), weight FROM track_plates"
        ).fetchone()  # type: ignore[misc]
    assert frame >= FRAMES and chunk == frame // FRAMES and kept == 16 and weight > 3


def test_tracks_of_one_text_are_one_subject_unless_seen_together(desk: Desk) -> None:
    other = VIDEO[:-1] + "b"
    sent(desk, filmed(["KL44MMN"], VIDEO, end=False), filmed(["KL44MMN"], VIDEO, 1, tracks=[9]))
    sent(desk, filmed(["AB12CDE", "AB12CDE"], other, tracks=[5, 6]))
    assert [(text, tracks) for _, text, tracks, _ in library(desk.database)] == [
        ("KL44MMN", [1, 9]), ("AB12CDE", [5]), ("AB12CDE", [6]),
    ]


def test_plates_too_small_and_unreadable_are_counted_not_listed(desk: Desk) -> None:
    sent(desk, filmed(["AB12CDE"], VIDEO, scale=0.1))
    sent(desk, filmed(["."], VIDEO[:-1] + "b"))
    open_case(desk.database)
    service = Forensics(desk.database, desk.log, None)
    covered = service.search_plate("AB12CDE", GROUND).coverage
    assert (covered.subjects, covered.too_small, covered.unclear, covered.unindexed) == (0, 1, 1, 0)
    with desk.database.connection() as db:
        assert db.execute("SELECT count(*) FROM subjects WHERE kind = 'plate'").fetchone() == (2,)


def test_plate_index_keeps_no_pixels_and_no_boxes(desk: Desk) -> None:
    sent(desk, filmed(["AB12CDE"], VIDEO))
    with desk.database.connection() as db:
        size, kept = db.execute("SELECT pg_column_size(glimpses), glimpses FROM track_plates").fetchone()  # type: ignore
    assert size < 2_000 * FRAMES and all({*one} == {"frame", "readings", "quality", "steps"} for one in kept)


def test_authority_of_plates_needs_no_face_models(tmp_path: Path, desk: Desk) -> None:
    index = indexing(("plate",), tmp_path / "no models", "always")
    made = record(*zip(filmed(["AB12CDE"], VIDEO), strict=True), desk.epoch, policy=POLICY)
    desk.sink._indexing = index
    desk.take(made)
    assert [text for _, text, _, _ in library(desk.database)] == ["AB12CDE"]
