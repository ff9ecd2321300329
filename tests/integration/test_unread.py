"""Evidence that comes late is stored at once, and indexed when nothing else waits: as if it had come in time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import tls
from infra.kafka import Message
from infra.keys import KeyStore, create_secret
from infra.postgres import Database
from schemas.errors import DigestMismatch, UsageError
from schemas.topics import evidence_topic
from streams.authority import store
from streams.authority.erase import forget_tracks
from streams.authority.faces import Faces
from streams.authority.index import FaceIndex
from streams.authority.reindex import Reindex
from streams.authority.service import LATE_MS, AuthorityService, AuthoritySetup
from streams.authority.sink import EvidenceSink
from streams.authority.unread import waiting, waits
from streams.evaluate.stores import read_twice
from tests.integration.test_reindex import filmed
from tests.support.authority import NAME, NOW_MS, PLACES, VIDEO, Desk, identify, open_desk, record
from tests.support.faces import ByColour, NoDetector
from tests.support.operating import certified_key
from tests.support.scenes import chunk, regions
from tests.support.services import Broker, Postgres

OTHER = VIDEO[:-1] + "b"


def index(name: str = "faces") -> FaceIndex:
    return FaceIndex(Faces(NoDetector(), ByColour(0), name))  # type: ignore[arg-type]


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
    assert known(desk.database) == [] and left(desk) == 6
    with desk.database.connection() as db:
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
        db.execute("DELETE FROM spans WHERE video_id = %s", (OTHER,))
        db.execute("DELETE FROM parts WHERE video_id = %s", (OTHER,))
        db.execute("DELETE FROM evidence WHERE video_id = %s", (OTHER,))
        db.execute("DELETE FROM videos WHERE video_id = %s", (OTHER,))
    assert left(desk) == 1
    assert desk.sink.read_next() and not desk.sink.read_next()
    with desk.database.connection() as db:
        assert db.execute("SELECT video_id, track FROM track_features").fetchall() == [(VIDEO, 1)]


def test_evidence_that_was_changed_on_disk_is_told_once_and_the_rest_read(desk: Desk) -> None:
    take(desk, VIDEO, range(1), late=True)
    take(desk, OTHER, range(1), late=True)
    path = store.evidence_path(desk.home / "evidence", VIDEO)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(DigestMismatch):
        desk.sink.read_next()
    assert desk.sink.read_next() and not desk.sink.read_next()
    with desk.database.connection() as db:
        assert db.execute("SELECT DISTINCT video_id FROM track_features").fetchall() == [(OTHER,)]


def test_another_embedder_waits_for_what_is_still_to_be_read(desk: Desk) -> None:
    take(desk, VIDEO, range(2), late=False)
    take(desk, OTHER, range(1), late=True)
    work = Reindex(desk.database, desk.reader, index("new"))
    work.read()
    with pytest.raises(UsageError, match="1 chunks of evidence wait"):
        work.switch()
    assert desk.sink.read_next()
    work.read()
    assert work.switch().tracks == 4


def test_service_reads_at_once_what_is_fresh_and_later_what_is_old(
    broker: Broker, ca: Path, postgres_authority: Postgres, tmp_path: Path
) -> None:
    principal = f"authority-{NAME}"
    database, _ = postgres_authority.fresh()
    setup = AuthoritySetup(
        NAME, ["face"], broker.access(principal), tls.issue_signer(ca, principal), database, tmp_path / "evidence",
        tmp_path / "keys", create_secret(tmp_path / "secret"),
    )
    with KeyStore(setup.keys, setup.secret, create=True) as keys:
        day = keys.create_identity("day").public
    chunks = [chunk(PLACES, seq, end=seq == 1, video=VIDEO) for seq in range(2)]
    made = record(chunks, [regions(PLACES, seq) for seq in range(2)], day, signer=certified_key(ca))
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
