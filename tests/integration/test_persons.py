"""Persons across the videos of a camera, on a real Postgres: merged by looks, parted where a chunk contradicts."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from infra.postgres import Database
from streams.authority.erase import forget_tracks
from streams.authority.looks import vector_text
from streams.authority.persons import bring_persons_up_to_date, same_person
from tests.support.authority import NOW_MS
from tests.support.services import Postgres

ONE, TWO, THREE = (f"cam-{NOW_MS + n}-0000000{n}" for n in range(3))


@pytest.fixture
def db(postgres_authority: Postgres) -> Iterator[Any]:
    with postgres_authority.database() as database:
        opened: Database = database
        with opened.connection() as connection:
            yield connection


def see(db: Any, video: str, track: int, degrees: float, span: tuple[int, int] = (0, 9), looks: int = 1,
        camera: str = "cam") -> str:
    """A subject of one track that looks so; seen again it is made anew, as the index does."""
    name, chunk = f"{video}/s{track}", span[0] // 10
    db.execute("INSERT INTO videos VALUES (%s, %s, %s, 0) ON CONFLICT DO NOTHING", (video, camera, NOW_MS))
    db.execute("DELETE FROM subjects WHERE subject_id = %s", (name,))
    db.execute("INSERT INTO subjects VALUES (%s, %s, %s, 'face', %s, %s, %s, %s)",
               (name, video, camera, [track], track, int(video.split("-")[1]), NOW_MS))
    db.execute("INSERT INTO spans VALUES (%s, %s, %s, 'face', %s, %s, 1) ON CONFLICT DO NOTHING",
               (video, track, chunk, *span))
    values = np.zeros(128, np.float32)
    values[:2] = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    for look in range(looks):
        db.execute(
            "INSERT INTO subject_features (subject_id, video_id, camera_id, from_ms, to_ms, quality, embedding, track,"
            " look) VALUES (%s, %s, %s, 0, 0, 1, %s::vector, %s, %s)",
            (name, video, camera, vector_text(values), track, look),
        )
    bring_persons_up_to_date(db, camera, video)
    return name


# cos 20 deg = 0.940, cos 25 deg = 0.906: the threshold, 0.928, lies between
def test_persons_are_merged_across_videos_of_one_camera(db: Any) -> None:
    a, b, c = see(db, ONE, 1, 0), see(db, TWO, 1, 12), see(db, THREE, 4, 20)
    other, elsewhere = see(db, ONE, 2, 60), see(db, "yard" + THREE[3:], 1, 0, camera="yard")
    assert {same_person(db, one) for one in (a, b, c)} == {(a, b, c)}
    assert same_person(db, other) == (other,) and same_person(db, elsewhere) == (elsewhere,)
    assert db.execute("SELECT count(*), min(threshold)::numeric(4,3) FROM persons_seen").fetchone()[0] == 3


def test_persons_order_of_arrival_does_not_matter_for_pairs(db: Any) -> None:
    """1 and 2 are alike, 2 and 3 too, 1 and 3 aren't: 2 goes with whom it is more like."""
    three, one = see(db, THREE, 1, 35), see(db, ONE, 1, 0)
    two = see(db, TWO, 1, 15)
    assert same_person(db, two) == (one, two) and same_person(db, three) == (three,)


def test_persons_are_parted_when_a_subject_looks_otherwise(db: Any) -> None:
    first, second = see(db, ONE, 1, 0), see(db, TWO, 1, 10)
    assert same_person(db, first) == (first, second)
    see(db, ONE, 1, 40)
    assert same_person(db, first) == (first,) and same_person(db, second) == (second,)
    see(db, ONE, 1, 0, looks=2)  # it may be two persons: never merged
    assert same_person(db, first) == (first,)


def test_persons_are_parted_when_two_are_seen_in_one_frame(db: Any) -> None:
    first, second, other = see(db, ONE, 1, 0), see(db, ONE, 2, 5, (20, 29)), see(db, TWO, 7, 2)
    assert same_person(db, first) == (first, second, other)
    db.execute("INSERT INTO spans VALUES (%s, 1, 2, 'face', 25, 30, 1)", (ONE,))
    bring_persons_up_to_date(db, "cam", ONE)
    assert same_person(db, other) == (first, other) and same_person(db, second) == (second,)


def test_persons_are_not_parted_where_one_is_only_guessed_to_be(db: Any) -> None:
    """A track that lost its face coasts on beside the next one of the same person."""
    first, second = see(db, ONE, 1, 0, (0, 9)), see(db, ONE, 2, 5, (20, 29))
    db.execute("INSERT INTO spans VALUES (%s, 1, 2, 'face', 20, 30, 11, 'empty')", (ONE,))
    bring_persons_up_to_date(db, "cam", ONE)
    assert same_person(db, first) == (first, second)
    db.execute("UPDATE spans SET detected = '[20,22]' WHERE video_id = %s AND track = 1 AND chunk_seq = 2", (ONE,))
    bring_persons_up_to_date(db, "cam", ONE)
    assert same_person(db, first) == (first,)


def test_persons_forget_who_is_erased(db: Any) -> None:
    first, second = see(db, ONE, 1, 0), see(db, TWO, 1, 10)
    forget_tracks(db, ONE, (1,), NOW_MS)
    assert same_person(db, second) == (second,)
    forget_tracks(db, TWO, (1,), NOW_MS)
    assert db.execute("SELECT count(*) FROM persons_seen").fetchone() == (0,)
    assert same_person(db, first) == (first,)


def test_two_who_place_subjects_of_one_camera_at_once_make_one_person(postgres_authority: Postgres) -> None:
    with postgres_authority.database() as database:
        with database.connection() as db:
            names = see(db, ONE, 1, 0), see(db, TWO, 1, 12)
            db.execute("DELETE FROM persons_seen")

        def place() -> None:
            with database.connection() as other:
                bring_persons_up_to_date(other, "cam", TWO)

        thread = threading.Thread(target=place)
        with database.connection() as db:
            bring_persons_up_to_date(db, "cam", ONE)
            thread.start()
            wait_until_somebody_waits(database)
        thread.join()
        with database.connection() as db:
            assert same_person(db, names[0]) == names
            assert db.execute("SELECT count(*) FROM persons_seen").fetchone() == (1,)


def wait_until_somebody_waits(database: Database) -> None:
    """For a lock that another transaction has."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with database.connection() as db:
            if db.execute(
                "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            ).fetchone():
                return
    raise TimeoutError
