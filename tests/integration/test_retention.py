"""Retention, legal holds and full disks on the real databases: what goes is gone, what is held stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.postgres import Database
from schemas.codec import pack, unpack_as
from schemas.errors import MissingEvidence, UsageError
from schemas.topics import DAY_MS
from streams.authority import store
from streams.authority.erase import erase_subject
from streams.authority.retention import Retention, kept
from streams.forensic import plate_search, search
from streams.holds import holds, put_hold, release_hold
from streams.operating import retention as public
from streams.operating.index import Index
from streams.operating.store import Store, media_path
from streams.retention import Disk, Rule, due
from streams.verify import check_record
from tests.support.authority import NOW_MS, VIDEO, Desk, add_subject, clock, identify, open_desk, recorded
from tests.support.services import Postgres

LATER = NOW_MS + 40 * DAY_MS
OLD = VIDEO[:-1] + "0"
MONTH = Rule(("*",), ("face",), days=30)
ROOMY = Disk(10**9, 0)


@pytest.fixture
def desk(tmp_path: Path, postgres_authority: Postgres) -> Iterator[Desk]:
    with postgres_authority.database() as database:
        desk = open_desk(tmp_path / "desk", database)
        for video in (OLD, VIDEO):
            desk.take(recorded(desk.epoch, 1, video=video))
        yield desk
        desk.close()


def retention(desk: Desk, *rules: Rule, disk: Disk = ROOMY) -> Retention:
    return Retention(desk.database, desk.keys, desk.log, desk.home / "evidence", rules, "authority-city-faces",
                     lambda folder: disk)


def rows(database: Database, video: str) -> int:
    tables = ("videos", "evidence", "parts", "spans", "subjects", "track_features")
    with database.connection() as db:
        return sum(db.execute(f"SELECT count(*) FROM {t} WHERE video_id = %s", (video,)).fetchone()[0] for t in tables)


def test_old_evidence_is_destroyed_key_row_and_file(desk: Desk, tmp_path: Path) -> None:
    add_subject(desk, 1, video=OLD)
    path = store.evidence_path(desk.home / "evidence", OLD)
    copy = path.read_bytes()
    done = retention(desk, MONTH).run(LATER)
    assert [(one.video_id, one.kinds, one.reason, one.keys) for one in done] == [
        (OLD, (), "age", 2), (VIDEO, (), "age", 2)
    ]
    assert rows(desk.database, OLD) == 0 and not path.exists() and desk.keys.count_tracks() == 0
    entry = desk.log.last()[-1]
    assert entry.content["action"] == "retire" and entry.content["detail"]["video"] == OLD
    assert retention(desk, MONTH).run(LATER) == []
    # a copy of the file doesn't bring it back, nor does its record when it comes again
    path.write_bytes(copy)
    late = recorded(desk.epoch, 1, video=OLD)
    assert [taken.outcome for taken in desk.take(late)] == ["repeated"]
    with desk.database.connection() as db, pytest.raises(MissingEvidence):
        desk.reader.chunk(db, OLD, 0)
    # a search says that there was something which nobody can search any more
    with desk.database.connection() as db:
        covered = search.coverage(db, search.filters(["cam"]))
        assert (covered.videos, covered.retired, covered.complete) == (0, 2, False)
        assert "2 videos are no longer kept" in search.said([], covered)
        assert search.coverage(db, search.filters(["yard"])).retired == 0
        assert plate_search.coverage(db, search.filters(["cam"])).retired == 2


def test_one_kind_goes_and_the_file_stays(desk: Desk) -> None:
    with desk.database.connection() as db:
        db.execute("UPDATE spans SET kind = 'plate' WHERE video_id = %s AND track = 2", (OLD,))
    done = retention(desk, Rule(("*",), ("plate",), days=30)).run(LATER)
    assert [(one.video_id, one.kinds, one.keys) for one in done] == [(OLD, ("plate",), 1)]
    with desk.database.connection() as db:
        opened = desk.reader.chunk(db, OLD, 0)
    assert {piece.tracks for piece in opened.pieces} == {(1,)}
    assert {reason for reason, _ in opened.closed} == {"erased"}


def test_a_hold_keeps_what_age_size_and_a_full_disk_would_take(desk: Desk) -> None:
    with desk.database.connection() as db:
        hold = put_hold(db, "claim 12", "clerk", NOW_MS, video_id=OLD)
    strict = retention(desk, Rule(("*",), ("face",), days=1, max_bytes=1), disk=Disk(1000, 1000))
    assert [one.video_id for one in strict.run(LATER)] == [VIDEO]
    subject = add_subject(desk, 1, video=OLD)
    with pytest.raises(UsageError, match=f"legal hold {hold}"):
        erase_subject(desk.database, desk.keys, desk.log, clock, subject, actor="a", case="c", purpose="p")
    assert desk.log.last(1)[0].content["action"] == "erase-refused"
    with desk.database.connection() as db:
        assert release_hold(db, hold, "clerk", NOW_MS).reason == "claim 12"
        assert holds(db) == [] and [one.hold for one in holds(db, over=True)] == [hold]
        with pytest.raises(UsageError):
            release_hold(db, hold, "clerk", NOW_MS)
    assert [one.video_id for one in strict.run(LATER)] == [OLD]


def test_a_full_disk_takes_the_oldest_and_what_was_begun_is_finished(desk: Desk) -> None:
    with desk.database.connection() as db:
        db.execute("UPDATE videos SET end_ms = 0 WHERE video_id = %s", (OLD,))
        size = store.file_bytes(db, OLD)
    full = retention(desk, disk=Disk(100 * size, 95 * size))
    assert full.nearly_full()
    with desk.database.connection() as db:
        [one] = due(kept(db), (), LATER, Disk(100 * size, 95 * size))
    full._begin(one, LATER)  # killed here
    assert store.evidence_path(desk.home / "evidence", OLD).exists()
    done = retention(desk).run(LATER)
    assert [(one.video_id, one.reason) for one in done] == [(OLD, "full-disk")]
    assert rows(desk.database, OLD) == 0 and rows(desk.database, VIDEO) > 0
    assert not store.evidence_path(desk.home / "evidence", OLD).exists()


@pytest.mark.parametrize("bad", [
    {"reason": " "}, {"reason": "r" * 201, "camera_id": "c"}, {"reason": "everything"},
    {"reason": "r", "from_ms": 9, "to_ms": 8},
])
def test_hold_that_says_too_little_is_refused(desk: Desk, bad: dict[str, object]) -> None:
    with desk.database.connection() as db, pytest.raises(UsageError):
        put_hold(db, set_by="clerk", now_ms=NOW_MS, **bad)  # type: ignore[arg-type]


def test_public_videos_are_dropped_whole_and_stay_dropped(tmp_path: Path, operator_database: Database) -> None:
    database, store_ = operator_database, Store(operator_database, tmp_path)
    with database.connection() as db:
        db.execute("DELETE FROM retired")
        db.execute("DELETE FROM holds")
    recordings = {video: recorded(b"k" * 32, 2, video=video).operator for video in (OLD, VIDEO)}
    checked = {video: [check_record(record, identify) for record in made] for video, made in recordings.items()}
    with store_.batch() as batch:
        for one in (*checked[OLD], *checked[VIDEO]):
            assert batch.put(one, NOW_MS) == "stored"
    with database.connection() as db:
        put_hold(db, "claim 12", "clerk", NOW_MS, video_id=VIDEO)
    rules = [Rule(("*",), ("public",), days=30)]
    keeper = public.Retention(database, store_, rules, lambda folder: Disk(100, 96))
    assert [finding.kind for finding in keeper.run(LATER)] == ["disk-nearly-full"]
    assert not media_path(tmp_path, OLD).exists() and media_path(tmp_path, VIDEO).exists()
    index = Index(database, tmp_path)
    assert [video.video_id for video in index.videos()] == [VIDEO]
    with store_.batch() as batch:
        assert {batch.put(one, NOW_MS) for one in checked[OLD]} == {"repeated"}
        other = unpack_as("operator", pack("operator", recordings[VIDEO][1]))
        assert batch.put(check_record(other, identify), NOW_MS) == "repeated"
    assert store_.recover() == []
    store_.close()


@pytest.mark.parametrize(("begin_ms", "held"), [(300, True), (60_000, False)])
def test_hold_that_begins_inside_the_last_chunk_of_a_public_video_keeps_it(
    tmp_path: Path, operator_database: Database, begin_ms: int, held: bool
) -> None:
    store_ = Store(operator_database, tmp_path)
    with operator_database.connection() as db:
        for table in ("retired", "holds", "videos"):
            db.execute(f"DELETE FROM {table}")  # noqa: S608
    checked = [check_record(record, identify) for record in recorded(b"k" * 32, 1, video=VIDEO).operator]
    with store_.batch() as batch:
        assert {batch.put(one, NOW_MS) for one in checked} == {"stored"}
    with operator_database.connection() as db:
        (began,) = db.execute("SELECT capture_ms FROM videos").fetchone()
        put_hold(db, "claim 12", "clerk", NOW_MS, camera_id=checked[0].item.camera_id, from_ms=began + begin_ms)
        assert [one.held for one in public.kept(db)] == [held]
    public.Retention(operator_database, store_, [Rule(("*",), ("public",), days=30)]).run(LATER)
    assert media_path(tmp_path, VIDEO).exists() == held
    store_.close()
