"""Faces indexed on a case only: by its cameras and times, and dropped when no open case covers them any more."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra import tls
from infra.keys import create_secret
from infra.postgres import Database
from schemas.errors import SealframeError
from streams.authority.erase import erase_subject
from streams.authority.index import FaceIndex
from streams.authority.looks import Looked
from streams.authority.on_case import BATCH, Kept, OnCase, index_without_cases
from streams.authority.reindex import Reindex
from streams.authority.service import AuthoritySetup
from streams.authority.templates import Templates
from streams.cli.on_case import on_cases
from streams.forensic import search
from streams.forensic.gate import Ground
from streams.forensic.terms import Scope
from tests.integration.test_reindex import OTHER, filmed, spoil, spoil_part
from tests.support.authority import NAME, NOW_MS, VIDEO, Desk, open_desk
from tests.support.cases import EVER, gate, open_case
from tests.support.faces import by_colour
from tests.support.services import Broker, Postgres

THIRD = VIDEO[:-1] + "c"
SECOND = Scope(("cam",), NOW_MS + 10**9, NOW_MS + 2 * 10**9, ("face",))


def on_case(desk: Desk) -> FaceIndex:
    faces = by_colour()
    return FaceIndex(faces, "on_case", templates=Templates(desk.keys))


@pytest.fixture
def desk(empty_desk: Desk) -> Desk:
    empty_desk.sink._indexing = on_case(empty_desk)
    for video in (VIDEO, OTHER):
        empty_desk.take(filmed(empty_desk, video))
    return empty_desk


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


class Doing(FaceIndex):
    """An index that does something else before it reads the first chunk."""

    def read(self, *args: Any) -> tuple[Looked, ...]:
        self.first, first = lambda: None, self.first
        first()
        return super().read(*args)

    first: Callable[[], object]


def doing(desk: Desk, first: Callable[[], object]) -> Doing:
    index = Doing(by_colour(), "on_case", templates=Templates(desk.keys))
    index.first = first
    return index


def pooled(database: Database) -> list[tuple[object, ...]]:
    """Videos with vectors, by which embedder, and of how many chunks."""
    with database.connection() as db:
        return db.execute("SELECT DISTINCT video_id, embedder, chunks FROM track_features ORDER BY 1").fetchall()


def test_case_closed_meanwhile_is_heeded_within_a_few_chunks(desk: Desk) -> None:
    desk.take(filmed(desk, THIRD, 6))
    scopes = [EVER]
    work = OnCase(desk.database, desk.reader, doing(desk, scopes.clear), lambda: scopes)
    made = work.keep()
    assert made.read == BATCH < 10 and made.dropped > 0 and indexed(desk.database) == []


def test_told_to_stop_it_reads_no_further_chunk(desk: Desk) -> None:
    index = doing(desk, lambda: work._halt.set())
    work = OnCase(desk.database, desk.reader, index, lambda: [EVER])
    assert work.keep() == Kept(1, 0)


def test_what_cant_be_read_any_more_is_told_and_holds_up_nothing(desk: Desk) -> None:
    spoil(desk, VIDEO)  # its second chunk
    spoil_part(desk, OTHER, 0)
    told: list[str] = []
    work = OnCase(desk.database, desk.reader, on_case(desk), lambda: [EVER], told.append)
    assert work.keep() == Kept(3, 0) and work.keep() == Kept(0, 0)
    assert [line.partition(":")[0] for line in told] == [VIDEO, OTHER]
    assert indexed(desk.database) == [(VIDEO, 2), (OTHER, 2)]
    with desk.database.connection() as db:
        assert search.coverage(db, search.filters()).unindexed == 2


def test_without_a_case_no_evidence_is_loaded(desk: Desk) -> None:
    with desk.database.connection() as db:
        db.execute(
            "INSERT INTO evidence SELECT %s, g, decode('00', 'hex'), decode('00', 'hex'), g, 3, 'day', 'high', 0, 1, 0,"
            " 1, 2 FROM generate_series(10, 20000) g", (VIDEO,),
        )
    for scopes in ([], [SECOND]):
        work = OnCase(desk.database, desk.reader, on_case(desk), lambda scopes=scopes: scopes)
        tracemalloc.start()
        assert work.keep() == Kept(0, 0)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < 500_000


def test_what_was_read_while_all_were_indexed_goes_and_comes_back_once(desk: Desk) -> None:
    """Of a video that began under `on_case` and went on under `always`."""
    evidence = filmed(desk, THIRD, 3).evidence
    desk.sink.take(evidence[0], NOW_MS)
    with desk.database.connection() as db:
        (first,) = db.execute("SELECT capture_ms FROM evidence WHERE video_id = %s", (THIRD,)).fetchone() or (0,)
    scopes = [Scope(("cam",), first, first, ("face",))]
    work = OnCase(desk.database, desk.reader, on_case(desk), lambda: scopes)
    work.keep()
    index_without_cases(desk.database)
    desk.sink._indexing = FaceIndex(by_colour(), templates=Templates(desk.keys))
    for one in evidence[1:]:
        desk.sink.take(one, NOW_MS)
    assert (THIRD, "made", 3) in pooled(desk.database)
    assert work.keep() == Kept(3, 3)
    assert pooled(desk.database) == [(one, "made", 1) for one in (VIDEO, OTHER, THIRD)]
    scopes[:] = [EVER]
    work.keep()
    assert (THIRD, "made", 3) in pooled(desk.database)


def test_another_embedder_reads_what_cases_cover_and_no_more(desk: Desk) -> None:
    with desk.database.connection() as db:
        (first,) = db.execute("SELECT min(capture_ms) FROM evidence").fetchone() or (0,)
    scopes = [Scope(("cam",), first, first, ("face",))]
    OnCase(desk.database, desk.reader, on_case(desk), lambda: scopes).keep()
    again = Reindex(desk.database, desk.reader, FaceIndex(by_colour("new"), templates=Templates(desk.keys)))
    assert again.read() == 2
    again.switch()
    assert pooled(desk.database) == [(VIDEO, "new", 1), (OTHER, "new", 1)]
    scopes[:] = [EVER]
    new = FaceIndex(by_colour("new"), "on_case", templates=Templates(desk.keys))
    assert OnCase(desk.database, desk.reader, new, lambda: scopes).keep() == Kept(2, 0)
    assert pooled(desk.database) == [(VIDEO, "new", 2), (OTHER, "new", 2)]


def test_case_closed_while_another_embedder_reads_leaves_nothing_of_that(desk: Desk) -> None:
    scopes = [EVER]
    work = OnCase(desk.database, desk.reader, on_case(desk), lambda: scopes)
    work.keep()

    def close() -> None:
        scopes.clear()
        work.keep()

    index = Doing(by_colour("new"), templates=Templates(desk.keys))
    index.first = close
    again = Reindex(desk.database, desk.reader, index)
    for _ in range(2):  # closed while a chunk is read, and after all were
        again.read()
        close()
        with desk.database.connection() as db:
            assert db.execute("SELECT count(*) FROM next.track_features").fetchone() == (0,)
        scopes[:] = [EVER]
        work.keep()
    close()
    assert again.switch().vectors == 0 and indexed(desk.database) == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_thread_that_ends_by_a_fault_ends_the_service(
    broker: Broker, ca: Path, postgres_authority: Postgres, tmp_path: Path
) -> None:
    def fail() -> None:
        raise RuntimeError("on purpose")

    access, _ = postgres_authority.fresh()
    principal = f"authority-{NAME}"
    setup = AuthoritySetup(
        NAME, ["face"], broker.access(principal), tls.issue_signer(ca, principal), access,
        tmp_path / "evidence", tmp_path / "keys", create_secret(tmp_path / "secret"),
    )
    stop = threading.Event()
    with Database(access, vectors=True) as database:
        desk = open_desk(tmp_path, database, FaceIndex(by_colour(), "on_case"))
        desk.take(filmed(desk, VIDEO))
        open_case(database)
        with pytest.raises(SealframeError, match="ended by a fault"):
            with on_cases(setup, desk.keys, doing(desk, fail), "{}", stop):
                assert stop.wait(30)
        desk.close()
