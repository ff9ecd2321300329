"""Faces indexed on a case only: by its cameras and times, and dropped when no open case covers them any more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.postgres import Database
from streams.authority.erase import erase_subject
from streams.authority.index import FaceIndex
from streams.authority.looks import Looked
from streams.authority.on_case import Kept, OnCase
from streams.authority.templates import Templates
from streams.forensic import search
from streams.forensic.gate import Ground
from streams.forensic.terms import Scope
from tests.integration.test_reindex import OTHER, filmed
from tests.support.authority import NOW_MS, VIDEO, Desk, open_desk
from tests.support.cases import EVER, gate, open_case
from tests.support.faces import by_colour
from tests.support.services import Postgres

THIRD = VIDEO[:-1] + "c"
SECOND = Scope(("cam",), NOW_MS + 10**9, NOW_MS + 2 * 10**9, ("face",))


def on_case(desk: Desk) -> FaceIndex:
    faces = by_colour()
    return FaceIndex(faces, "on_case", templates=Templates(desk.keys))


@pytest.fixture
def desk(tmp_path: Path, postgres_authority: Postgres) -> Iterator[Desk]:
    with postgres_authority.database() as database:
        desk = open_desk(tmp_path / "desk", database)
        desk.sink._indexing = on_case(desk)
        for video in (VIDEO, OTHER):
            desk.take(filmed(desk, video))
        yield desk
        desk.close()


def indexed(database: Database) -> list[tuple[str, int]]:
    """Videos with vectors, and how many."""
    with database.connection() as db:
        return db.execute(
            "SELECT video_id, count(*) FROM subject_features GROUP BY 1 ORDER BY 1"
        ).fetchall()


def test_on_case_indexes_what_open_cases_cover_and_drops_it_with_them(desk: Desk) -> None:
    ground = Ground("inspector", "on-case", "test")
    work = OnCase(desk.database, desk.reader, on_case(desk), gate(desk.database).cases.approved_scopes)
    assert work.keep() == Kept(0, 0) and indexed(desk.database) == []
    with desk.database.connection() as db:
        before = search.coverage(db, search.filters())
        assert before.unindexed == 4 and not before.complete and before.vectors == 0
    open_case(desk.database, ground, replace(EVER, kinds=("plate",)))
    assert work.keep() == Kept(0, 0)
    other = Ground("inspector", "on-case-2", "test")
    open_case(desk.database, other, replace(EVER, kinds=("face",)))
    assert work.keep() == Kept(4, 0) and indexed(desk.database) == [(VIDEO, 2), (OTHER, 2)]
    assert work.keep() == Kept(0, 0)
    with desk.database.connection() as db:
        assert search.coverage(db, search.filters()).unindexed == 0
    made = gate(desk.database)
    person = made.people.get("inspector")
    assert person
    made.cases.close(person, "on-case-2")
    assert work.keep() == Kept(0, 2) and indexed(desk.database) == []
    with desk.database.connection() as db:
        assert db.execute("SELECT count(*) FROM track_features").fetchone() == (0,)
        after = search.coverage(db, search.filters())
    assert after.unindexed == 4 and search.said((), after).startswith("Nothing could be searched")


class Erasing(FaceIndex):
    """An index during whose reading a subject is erased."""

    def read(self, *args: Any) -> tuple[Looked, ...]:
        looked = super().read(*args)
        with self.desk.database.connection() as db:
            there = db.execute("SELECT 1 FROM subjects WHERE subject_id = %s", (f"{VIDEO}/s1",)).fetchone()
        if there:
            erase_subject(self.desk.database, self.desk.keys, self.desk.log, lambda: NOW_MS, f"{VIDEO}/s1",
                          actor="inspector", case="erased", purpose="asked for")
        return looked

    desk: Desk


def test_nothing_is_indexed_of_who_is_erased_while_being_looked_at(desk: Desk) -> None:
    index = Erasing(by_colour(), "on_case", templates=Templates(desk.keys))
    index.desk = desk
    work = OnCase(desk.database, desk.reader, index, lambda: [replace(EVER, kinds=("face",))])
    work.keep()
    with desk.database.connection() as db:
        assert db.execute("SELECT DISTINCT video_id, track FROM track_features ORDER BY 1, 2").fetchall() == [
            (VIDEO, 2), (OTHER, 1), (OTHER, 2)]


def test_what_was_indexed_without_a_case_before_goes_and_comes_back_with_one(desk: Desk) -> None:
    faces = by_colour()
    desk.sink._indexing = FaceIndex(faces, templates=Templates(desk.keys))
    desk.take(filmed(desk, THIRD))
    assert indexed(desk.database) == [(THIRD, 2)]
    scopes: list[Scope] = []
    work = OnCase(desk.database, desk.reader, on_case(desk), lambda: scopes)
    assert work.keep() == Kept(0, 1) and indexed(desk.database) == []
    scopes.append(replace(EVER, kinds=("face",)))
    assert work.keep() == Kept(6, 0) and work.keep() == Kept(0, 0)
    assert indexed(desk.database) == [(VIDEO, 2), (OTHER, 2), (THIRD, 2)]


def test_on_case_keeps_to_cameras_and_times(desk: Desk) -> None:
    scopes: list[Scope] = [SECOND]
    work = OnCase(desk.database, desk.reader, on_case(desk), lambda: scopes)
    assert work.keep() == Kept(0, 0)
    scopes[:] = [replace(SECOND, from_ms=NOW_MS, cameras=("elsewhere",))]
    assert work.keep() == Kept(0, 0)
    with desk.database.connection() as db:
        (first,) = db.execute("SELECT min(capture_ms) FROM evidence").fetchone() or (0,)
    scopes[:] = [Scope(("cam",), first, first, ("face",))]
    assert work.keep() == Kept(2, 0)  # the first chunk of either video
    scopes[:] = [SECOND]
    assert work.keep() == Kept(0, 2) and indexed(desk.database) == []
