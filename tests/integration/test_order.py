"""What may cross in time, in either order, forced by locks: holds and destruction, changes and their log entries."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infra.postgres import Database
from schemas.errors import ServiceUnavailable, UsageError
from schemas.topics import DAY_MS
from streams.authority.erase import Erased, erase_subject
from streams.authority.retention import Retention, kept
from streams.forensic.hold_desk import HoldDraft, end_hold, set_hold
from streams.holds import put_hold
from streams.operating import retention as public
from streams.operating.store import Store, media_path
from streams.retention import Disk, Due, Rule, due
from streams.verify import check_record
from tests.support.authority import NOW_MS, VIDEO, Desk, add_subject, clock, identify, recorded
from tests.support.cases import gate
from tests.support.locks import keeping, waiting, waiting_advisory

LATER = NOW_MS + 40 * DAY_MS
HOLD = HoldDraft("claim 12", video_id=VIDEO)
ROOMY = Disk(10**9, 0)


@pytest.fixture
def desk(empty_desk: Desk) -> Desk:
    empty_desk.take(recorded(empty_desk.epoch, 1))
    add_subject(empty_desk, 1)
    return empty_desk


@pytest.fixture
def aside() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def erase(desk: Desk) -> Erased:
    return erase_subject(desk.database, desk.keys, desk.log, clock, f"{VIDEO}/s1", actor="a", case="c", purpose="p")


def retention(desk: Desk) -> Retention:
    return Retention(desk.database, desk.keys, desk.log, desk.home / "evidence", [Rule(("*",), ("face",), days=30)],
                     "authority-city-faces", lambda folder: ROOMY)


def actions(desk: Desk, count: int) -> list[str]:
    """The newest entries' actions, in order."""
    return [str(entry.content["action"]) for entry in reversed(desk.log.last(count))]


def test_a_hold_that_comes_during_an_erasure_is_set_after_all_of_it(desk: Desk, aside: ThreadPoolExecutor) -> None:
    with desk.database.connection() as db:
        db.execute("SELECT 1 FROM videos WHERE video_id = %s FOR UPDATE", (VIDEO,))  # keeps the erasure from its end
        erasing = aside.submit(erase, desk)
        keeping(desk.database, "holds", "ShareLock")  # it has looked for holds, or is about to
        holding = aside.submit(set_hold, desk.database, desk.log, "clerk", HOLD, NOW_MS)
        waiting(desk.database, "holds")
        assert not holding.done()
    assert erasing.result().keys == 1 and holding.result() > 0
    assert actions(desk, 3) == ["erase", "erased", "hold"]


def test_an_erasure_that_looked_before_a_hold_was_set_destroys_nothing(desk: Desk, aside: ThreadPoolExecutor) -> None:
    keys = desk.keys.count_tracks()
    with desk.database.connection() as db:
        hold = put_hold(db, "claim 12", "clerk", NOW_MS, video_id=VIDEO)
        erasing = aside.submit(erase, desk)
        waiting(desk.database, "holds")
        assert actions(desk, 1) == ["erase"]  # it saw no hold, and has begun
    with pytest.raises(UsageError, match=f"legal hold {hold}"):
        erasing.result()
    assert actions(desk, 2) == ["erase", "erase-refused"] and desk.keys.count_tracks() == keys
    with desk.database.connection() as db:
        assert db.execute("SELECT count(*) FROM erasures").fetchone() == (0,)


def test_retention_that_found_a_video_due_before_a_hold_was_set_leaves_it(
    desk: Desk, aside: ThreadPoolExecutor
) -> None:
    keys = desk.keys.count_tracks()
    with desk.database.connection() as db:
        put_hold(db, "claim 12", "clerk", NOW_MS, video_id=VIDEO)
        running = aside.submit(retention(desk).run, LATER)
        waiting(desk.database, "holds")
    assert running.result() == [] and desk.keys.count_tracks() == keys
    assert "retire" not in actions(desk, 50)
    with desk.database.connection() as db:
        assert db.execute("SELECT count(*) FROM retired").fetchone() == (0,)


def test_a_retirement_that_was_begun_stops_at_a_hold_until_that_is_released(desk: Desk) -> None:
    """Killed between beginning and end, then a hold: what is left of the video stays; both platforms."""
    keeper, keys = retention(desk), desk.keys.count_tracks()
    assert keeper.run(NOW_MS) == []
    [one] = _due(desk)
    assert keeper._begin(one, LATER)  # killed here
    hold = set_hold(desk.database, desk.log, "clerk", HOLD, LATER)
    assert keeper.run(LATER) == [] and desk.keys.count_tracks() == keys
    end_hold(desk.database, desk.log, "clerk", hold, LATER)
    assert [done.video_id for done in keeper.run(LATER)] == [VIDEO] and desk.keys.count_tracks() == 0
    assert actions(desk, 3) == ["retire", "hold", "hold-released"]


def _due(desk: Desk) -> list[Due]:
    with desk.database.connection() as db:
        return due(kept(db), [Rule(("*",), ("face",), days=30)], LATER, ROOMY)


def test_a_public_video_stays_where_a_hold_came_meanwhile(
    tmp_path: Path, operator_database: Database, aside: ThreadPoolExecutor
) -> None:
    with operator_database.connection() as db:
        db.execute("DELETE FROM retired")
        db.execute("DELETE FROM holds")
    store = Store(operator_database, tmp_path)
    with store.batch() as batch:
        for made in recorded(b"k" * 32, 1).operator:
            batch.put(check_record(made, identify), NOW_MS)
    rules = [Rule(("*",), ("public",), days=30)]
    keeper = public.Retention(operator_database, store, rules, lambda folder: ROOMY)
    with operator_database.connection() as db:
        hold = put_hold(db, "claim 12", "clerk", NOW_MS, video_id=VIDEO)
        running = aside.submit(keeper.run, LATER)
        waiting(operator_database, "holds")
    assert running.result() == [] and media_path(tmp_path, VIDEO).exists()
    with operator_database.connection() as db:
        db.execute("INSERT INTO retired VALUES (%s, 'cam', 'age', 0, 0, 0, 0, NULL)", (VIDEO,))  # begun, then held
    keeper.run(LATER)
    assert media_path(tmp_path, VIDEO).exists()
    end_hold(operator_database, None, "clerk", hold, LATER)
    keeper.run(LATER)
    assert not media_path(tmp_path, VIDEO).exists()
    store.close()


def test_a_change_of_people_is_there_with_its_entry_or_not_at_all(desk: Desk, aside: ThreadPoolExecutor) -> None:
    """The log is kept busy; whoever changes people waits for it, unseen, and loses the database there."""
    made = gate(desk.database)
    admin = made.people.get("admin-eve")
    assert admin

    def change() -> None:
        made.change_people(admin, ("investigator-ben",), {"person": "investigator-ben", "disabled": True},
                           lambda db: made.people.disable(db, "investigator-ben"))

    with desk.database.connection() as db:
        desk.log.add(db, "search-face", "anna", "c", "p", {})
        changing = aside.submit(change)
        waiter = waiting_advisory(desk.database)
        ben = made.people.get("investigator-ben")
        assert ben and not ben.disabled
        db.execute("SELECT pg_terminate_backend(%s)", (waiter,))
    with pytest.raises(ServiceUnavailable):
        changing.result()
    ben = made.people.get("investigator-ben")
    assert ben and not ben.disabled and actions(desk, 2) == ["search-face", "people-change-failed"]
    change()
    ben = made.people.get("investigator-ben")
    assert ben and ben.disabled and actions(desk, 1) == ["people-change"]
