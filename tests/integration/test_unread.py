"""Evidence that comes late is stored at once, and indexed when nothing else waits: as if it had come in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra import tls
from infra.kafka import Message
from infra.keys import KeyStore, create_secret
from infra.postgres import Database
from operators.desensitise.policy import Policy
from operators.plates import WEIGHTS, PlateReader
from schemas.errors import DamagedEnvelope, DigestMismatch
from schemas.topics import evidence_topic
from streams.authority import store
from streams.authority.erase import forget_tracks
from streams.authority.index import FaceIndex
from streams.authority.on_case import OnCase
from streams.authority.plate_index import PlateIndex
from streams.authority.reindex import Reindex
from streams.authority.service import LATE_MS, AuthorityService, AuthoritySetup
from streams.authority.sink import EvidenceSink
from streams.authority.unread import waiting, waits
from streams.evaluate.stores import read_twice
from streams.forensic.plate_search import coverage as plate_coverage
from streams.forensic.search import coverage, filters
from streams.forensic.terms import Scope
from tests.integration.test_reindex import filmed
from tests.support.authority import NAME, NOW_MS, PLACES, VIDEO, Desk, identify, open_desk, record
from tests.support.faces import by_colour
from tests.support.operating import certified_key
from tests.support.plates import filmed as drive
from tests.support.scenes import chunk, regions
from tests.support.services import Broker, Postgres

OTHER = VIDEO[:-1] + "b"


def index(name: str = "faces") -> FaceIndex:
    return FaceIndex(by_colour(name))


@pytest.fixture
def desk(tmp_path: Path, postgres_authority: Postgres) -> Iterator[Desk]:
    with postgres_authority.database() as database:
        desk = open_desk(tmp_path / "desk", database, index())
        yield desk
        desk.close()


def take(desk: Desk, video: str, seqs: range, *, late: bool) -> None:
    evidence = filmed(desk, video, seqs.stop).evidence
    for seq in seqs:
        assert desk.sink.take(evidence[seq], NOW_MS, late=late).outcome == "stored"


def left(desk: Desk) -> int:
    with desk.database.connection() as db:
        return waiting(db)


def known(database: Database) -> list[tuple[object, ...]]:
    """All that a search of faces goes by, but for when it was noted."""
    with database.connection() as db:
        features = db.execute("SELECT subject_id, track, quality, width, embedding::text, look, from_ms, to_ms"
                              " FROM subject_features ORDER BY 1").fetchall()
        looks = db.execute("SELECT video_id, track, look, chunk_seq, quality, weight, chunks, embedding::text"
                           " FROM track_features ORDER BY 1, 2, 3").fetchall()
        return [*features, *looks, *db.execute("SELECT subject_id, tracks FROM subjects ORDER BY 1").fetchall()]


def test_what_comes_late_is_stored_at_once_and_indexed_later_alike(
    desk: Desk, tmp_path: Path, postgres_authority: Postgres
) -> None:
    for video in (VIDEO, OTHER):
        take(desk, video, range(3), late=True)
    assert left(desk) == 6
    with desk.database.connection() as db:
        assert db.execute("SELECT count(*) FROM track_features").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM subject_features").fetchone() == (0,)
        assert set(store.track_spans(db, VIDEO)) == {1, 2}
        assert len(desk.reader.chunk(db, VIDEO, 2).pieces) == 3  # it can be restored already
    assert [desk.sink.read_next() for _ in range(7)] == [True] * 6 + [False]
    assert left(desk) == 0
    with postgres_authority.database() as database:
        prompt = open_desk(tmp_path / "prompt", database, index())
        for video in (VIDEO, OTHER):
            take(prompt, video, range(3), late=False)
        assert known(desk.database) == known(database) != []
        prompt.close()


def test_when_somebody_is_seen_is_known_at_once_so_that_cases_end_where_they_should(desk: Desk) -> None:
    take(desk, VIDEO, range(1), late=False)
    evidence = filmed(desk, VIDEO, 3).evidence
    for seq in (1, 2):
        desk.sink.take(evidence[seq], NOW_MS, late=True)
    with desk.database.connection() as db:
        times = {f"{VIDEO}/s{track}": span for track, span in store.track_times(db, VIDEO).items()}
        assert {first: (second, third) for first, second, third in db.execute(
            "SELECT subject_id, from_ms, to_ms FROM subjects"
        ).fetchall()} == times
        assert {row[0]: row[1] for row in db.execute(
            "SELECT subject_id, to_ms FROM subject_features"
        ).fetchall()} == {name: to for name, (_, to) in times.items()}


def test_search_says_who_is_in_what_waits(desk: Desk) -> None:
    take(desk, VIDEO, range(1), late=False)
    with desk.database.connection() as db:
        assert coverage(db, filters()).complete
    evidence = filmed(desk, VIDEO, 3).evidence
    for seq in (1, 2):
        desk.sink.take(evidence[seq], NOW_MS, late=True)
    for waits_still in (True, True, False):
        with desk.database.connection() as db:
            covered = coverage(db, filters())
        assert (covered.chunks, covered.unindexed, covered.complete) == (3, 2 if waits_still else 0, not waits_still)
        desk.sink.read_next()


@pytest.fixture
def plates(tmp_path: Path, postgres_authority: Postgres) -> Iterator[Desk]:
    with postgres_authority.database() as database:
        desk = open_desk(tmp_path / "desk", database, PlateIndex(PlateReader(WEIGHTS)))
        yield desk
        desk.close()


def a_plate(desk: Desk) -> list[bytes]:
    """Two chunks of evidence of one plate."""
    chunks = [drive(["AB12CDE"], VIDEO, seq, end=seq == 1) for seq in range(2)]
    policy = Policy({NAME: frozenset({"plate"})})
    return record([one for one, _ in chunks], [found for _, found in chunks], desk.epoch, policy=policy).evidence


def test_search_of_plates_says_what_waits(plates: Desk) -> None:
    first, second = a_plate(plates)

    def said() -> tuple[int, int, bool]:
        with plates.database.connection() as db:
            covered = plate_coverage(db, filters())
        return covered.chunks, covered.unindexed, covered.complete

    plates.sink.take(first, NOW_MS)
    assert said() == (1, 0, True)
    plates.sink.take(second, NOW_MS, late=True)
    assert said() == (2, 1, False)
    assert plates.sink.read_next()
    assert said() == (2, 0, True)


def test_of_a_plate_that_is_erased_while_it_is_read_nothing_is_kept(plates: Desk) -> None:
    first, _ = a_plate(plates)
    plates.sink.take(first, NOW_MS, late=True)
    with plates.database.connection() as db:
        stored = plates.reader.stored(db, VIDEO, 0)
    assert stored is not None
    write = PlateIndex(PlateReader(WEIGHTS)).look(*stored)
    with plates.database.connection() as db:
        forget_tracks(db, VIDEO, (1,), NOW_MS)
    with plates.database.connection() as db:
        write(db)
        assert db.execute("SELECT count(*) FROM track_plates").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM plates").fetchone() == (0,)


def test_chunks_of_a_video_are_read_in_order(desk: Desk) -> None:
    evidence = filmed(desk, VIDEO, 4).evidence
    desk.sink.take(evidence[0], NOW_MS, late=True)
    desk.sink.take(evidence[1], NOW_MS)  # in time, but the one before it waits
    take(desk, OTHER, range(1), late=False)  # of another video nothing waits
    with desk.database.connection() as db:
        assert waits(db, VIDEO) and not waits(db, OTHER)
        order = db.execute("SELECT chunk_seq FROM unread ORDER BY noted_at").fetchall()
    assert order == [(0,), (1,)]
    assert desk.sink.read_next() and desk.sink.read_next() and not desk.sink.read_next()
    desk.sink.take(evidence[2], NOW_MS)
    assert left(desk) == 0
    with desk.database.connection() as db:
        assert db.execute("SELECT DISTINCT chunks FROM track_features WHERE video_id = %s", (VIDEO,)).fetchall() == [
            (3,)
        ]


def test_what_waits_is_read_after_a_kill_and_once(desk: Desk) -> None:
    take(desk, VIDEO, range(2), late=True)
    assert desk.sink.read_next()
    desk.sink.close()
    desk.sink = EvidenceSink(NAME, desk.database, desk.keys, desk.home / "evidence", identify, index())
    assert desk.sink.take(filmed(desk, VIDEO, 2).evidence[1], NOW_MS, late=True).outcome == "repeated"
    assert desk.sink.read_next() and not desk.sink.read_next()
    with desk.database.connection() as db:
        assert db.execute("SELECT DISTINCT chunks FROM track_features").fetchall() == [(2,)]
        assert read_twice(db) == (2, 0)
        db.execute("UPDATE track_features SET chunks = 3 WHERE track = 1")
        assert read_twice(db) == (2, 1)


def test_of_whom_is_erased_or_retired_meanwhile_nothing_is_indexed(desk: Desk) -> None:
    take(desk, VIDEO, range(1), late=True)
    take(desk, OTHER, range(1), late=True)
    with desk.database.connection() as db:
        forget_tracks(db, VIDEO, (2,), NOW_MS)
        for table in ("subjects", "spans", "parts", "evidence", "videos"):
            db.execute(f"DELETE FROM {table} WHERE video_id = %s", (OTHER,))
    assert left(desk) == 1
    assert desk.sink.read_next() and not desk.sink.read_next()
    with desk.database.connection() as db:
        assert db.execute("SELECT video_id, track FROM track_features").fetchall() == [(VIDEO, 1)]


def change(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-len(data) // 9] ^= 1  # in the last record
    path.write_bytes(bytes(data))


def no_file(path: Path) -> None:
    path.unlink()
    path.mkdir()


def no_record(path: Path) -> None:
    path.write_bytes(bytes(len(path.read_bytes())))


@pytest.mark.parametrize("damage", [change, no_record, no_file])
def test_evidence_that_cant_be_read_any_more_holds_up_nothing_and_counts_as_not_indexed(
    desk: Desk, damage: Callable[[Path], None]
) -> None:
    take(desk, VIDEO, range(1), late=True)
    take(desk, OTHER, range(1), late=True)
    damage(store.evidence_path(desk.home / "evidence", VIDEO))
    for _ in range(2):  # until it is given up
        with pytest.raises(DigestMismatch, match=f"{VIDEO}.* chunk 0"):
            desk.sink.read_next()
    desk.sink.give_up()
    assert desk.sink.read_next() and not desk.sink.read_next()
    with desk.database.connection() as db:
        assert db.execute("SELECT DISTINCT video_id FROM track_features").fetchall() == [(OTHER,)]
        assert waiting(db) == 0 and not waits(db, VIDEO)
        assert coverage(db, filters()).unindexed == 2


def test_of_a_chunk_with_a_part_that_doesnt_open_any_more_the_others_are_read(desk: Desk) -> None:
    take(desk, VIDEO, range(1), late=True)
    with desk.database.connection() as db:
        db.execute("UPDATE parts SET wrapped = set_byte(wrapped, 0, get_byte(wrapped, 0) # 1)"
                   " WHERE type = 'mapping' AND tracks = '{1}'")
    with pytest.raises(DamagedEnvelope, match=f"{VIDEO}: 1 parts of chunk 0"):
        desk.sink.read_next()
    assert not desk.sink.read_next()
    with desk.database.connection() as db:
        assert db.execute("SELECT track FROM track_features").fetchall() == [(2,)]
        assert coverage(db, filters()).unindexed == 1


def test_what_waits_is_left_to_the_service_with_the_new_embedder(desk: Desk) -> None:
    evidence = filmed(desk, VIDEO, 3).evidence
    for seq in range(3):
        desk.sink.take(evidence[seq], NOW_MS, late=seq == 2)
    take(desk, OTHER, range(1), late=True)
    work = Reindex(desk.database, desk.reader, index("new"))
    assert work.read() == 2
    assert work.switch().tracks == 2 and left(desk) == 2
    desk.sink.close()
    desk.sink = EvidenceSink(NAME, desk.database, desk.keys, desk.home / "evidence", identify, index("new"))
    assert desk.sink.read_next() and desk.sink.read_next() and not desk.sink.read_next()
    with desk.database.connection() as db:
        assert db.execute("SELECT DISTINCT video_id, embedder, chunks FROM track_features ORDER BY 1").fetchall() == [
            (VIDEO, "new", 3), (OTHER, "new", 1)]


def test_what_a_case_has_read_meanwhile_isnt_read_again(tmp_path: Path, postgres_authority: Postgres) -> None:
    with postgres_authority.database() as database:
        desk = open_desk(tmp_path / "desk", database, FaceIndex(by_colour("faces"), "on_case"))
        take(desk, VIDEO, range(2), late=True)
        scope = Scope(("cam",), 0, 2**53, ("face",))
        OnCase(database, desk.reader, FaceIndex(by_colour("faces"), "on_case"), lambda: [scope]).keep()
        desk.sink.close()
        desk.sink = EvidenceSink(NAME, database, desk.keys, desk.home / "evidence", identify, index())
        take(desk, OTHER, range(1), late=True)
        assert [desk.sink.read_next() for _ in range(4)] == [True] * 3 + [False]
        with database.connection() as db:
            assert db.execute("SELECT DISTINCT video_id, chunks FROM track_features ORDER BY 1").fetchall() == [
                (VIDEO, 2), (OTHER, 1)]
        desk.close()


def test_service_reads_at_once_what_is_fresh_and_later_what_is_old(
    broker: Broker, ca: Path, postgres_authority: Postgres, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    principal = f"authority-{NAME}"
    database, _ = postgres_authority.fresh()
    setup = AuthoritySetup(
        NAME, ["face"], broker.access(principal), tls.issue_signer(ca, principal), database, tmp_path / "evidence",
        tmp_path / "keys", create_secret(tmp_path / "secret"),
    )
    with KeyStore(setup.keys, setup.secret, create=True) as keys:
        day = keys.create_identity("day").public
    chunks = [chunk(PLACES, seq, end=seq == 3, video=VIDEO) for seq in range(4)]
    made = record(chunks, [regions(PLACES, seq) for seq in range(4)], day, signer=certified_key(ca))
    with AuthorityService(setup, index()) as service, Database(database) as pool:

        def took(seq: int, age_ms: int) -> int:
            now = time.time_ns() // 1_000_000
            service.take(Message(evidence_topic(NAME), 0, seq, b"cam", made.evidence[seq], now - age_ms))
            with pool.connection() as db:
                assert store.known_version(db, VIDEO, seq) is not None
                return waiting(db)

        assert took(0, 2 * LATE_MS) == 1
        assert service.read_next() and not service.read_next()
        assert took(1, 0) == 0
        assert took(2, 2 * LATE_MS) == 1
        change(store.evidence_path(setup.folder, VIDEO))
        assert not caplog.messages
        assert service.read_next() and not service.read_next()
        assert [line.partition(": ")[0] for line in caplog.messages] == ["evidence-unread"]
        assert f"can't be indexed: {VIDEO}" in caplog.messages[0]

        def told(behind: float) -> list[str]:
            caplog.clear()
            monkeypatch.setattr("streams.authority.service.BEHIND_SECONDS", behind)
            service._upkeep_at = 0.0
            service.upkeep()
            return [line for line in caplog.messages if line.startswith("index-behind")]

        assert took(3, 2 * LATE_MS) == 1
        assert told(60.0) == []
        assert len(told(0.0)) == 1 and told(0.0) == []
        assert service.read_next() and told(0.0) == []
