"""The plate library and its search, against the real database: what is found, how it is ranked, what is logged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.postgres import Database
from operators.plate_text import Difference
from schemas.errors import UsageError
from streams.authority.erase import erase_subject
from streams.forensic.search import Period
from streams.forensic.service import Forensics, Ground
from tests.support.authority import NOW_MS, Desk, clock, open_desk
from tests.support.cases import GROUND, open_case
from tests.support.plates import saying, seen
from tests.support.services import Postgres

DAY = 24 * 3600 * 1000
ONE, TWO = f"cam-{NOW_MS}-0000000a", f"gate-{NOW_MS + DAY}-0000000b"
LIBRARY = {1: "AB12CDE", 2: "A812CDE", 3: "AB12CD", 4: "AB72CDE", 5: "XY98ZTU", 6: "京A12345", 7: "ABC1234"}


@pytest.fixture(scope="module")
def database(postgres_authority: Postgres) -> Iterator[Database]:
    with postgres_authority.database() as opened:
        yield opened


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, database: Database) -> Iterator[Desk]:
    """One video with the library, all sure but AB72CDE's third sign; a day later one with AB12CDE and a small plate."""
    desk = open_desk(tmp_path_factory.mktemp("desk"), database)
    doubtful = saying(LIBRARY[4], [0.95, 0.95, 0.3, 0.95, 0.95, 0.95, 0.95])
    with database.connection() as db:
        glimpses = [(track, doubtful if track == 4 else saying(text)) for track, text in LIBRARY.items()]
        seen(db, ONE, 0, glimpses)
        seen(db, TWO, 0, [(1, saying("AB12CDE", 0.9)), (2, None)], "gate", start_ms=NOW_MS + DAY)
    yield desk
    desk.close()


@pytest.fixture
def service(desk: Desk) -> Forensics:
    open_case(desk.database)
    return Forensics(desk.database, desk.log, None)


def texts(service: Forensics, text: str, **options: object) -> list[str]:
    return [match.text for match in service.search_plate(text, GROUND, **options).matches]  # type: ignore[arg-type]


def test_search_exact_gives_this_text_alone(service: Forensics) -> None:
    answer = service.search_plate("ab-12 cde", GROUND, exact=True)
    assert (answer.text, answer.mode, answer.more) == ("AB12CDE", "exact", False)
    assert [(m.text, m.camera_id, m.exact, m.differences) for m in answer.matches] == [
        ("AB12CDE", "cam", True, ()), ("AB12CDE", "gate", True, ()),
    ]
    assert answer.matches[0].image_id == f"{ONE}/0" and answer.matches[0].subject_id == f"{ONE}/p1"
    assert answer.matches[0].characters == pytest.approx([0.95] * 7)


def test_search_tolerant_ranks_exact_then_by_probability(service: Forensics) -> None:
    """Where the reader doubts, another sign is more probable than where it is sure; a twin more than a lost sign."""
    answer = service.search_plate("AB12CDE", GROUND)
    assert [m.text for m in answer.matches] == ["AB12CDE", "AB12CDE", "A812CDE", "AB72CDE", "AB12CD"]
    assert [m.exact for m in answer.matches] == [True, True, False, False, False]
    assert [m.edits for m in answer.matches] == [0, 0, 0, 1, 1]
    assert answer.matches[2].differences == (Difference(2, "B", "8", True),)
    assert answer.matches[3].differences == (Difference(3, "1", "7"),)
    assert answer.said.startswith("2 plates of this text and 3 like it among 8 plates that were read in 2 videos")


@pytest.mark.parametrize(("asked", "found"), [
    ("AB?2*", {"AB12CDE", "AB12CD", "AB72CDE"}), ("*CDE", {"AB12CDE", "A812CDE", "AB72CDE"}),
    ("?B12CD?", {"AB12CDE"}), ("*12C*", {"AB12CDE", "A812CDE", "AB12CD"}), ("京a*", {"京A12345"}),
    ("XY98ZTU*", {"XY98ZTU"}), ("ZZ*", set()), ("A?12*5", set()),
])
def test_search_with_wildcards_finds_what_fits(service: Forensics, asked: str, found: set[str]) -> None:
    answer = service.search_plate(asked, GROUND)
    assert answer.mode == "wildcard" and {match.text for match in answer.matches} == found
    assert all(match.differences == () and not match.exact for match in answer.matches)


@pytest.mark.parametrize("asked", ["X798ZTU", "XY9BZTU", "Y98ZTU", "XY98ZTUA", "YX98ZTU", "XY98Z7"])
def test_search_tolerant_finds_up_to_two_edits(service: Forensics, asked: str) -> None:
    assert "XY98ZTU" in texts(service, asked)


@pytest.mark.parametrize("asked", ["XY98811", "XABCZTU", "9XY8ZUT1"])
def test_search_tolerant_leaves_out_what_is_further_off(service: Forensics, asked: str) -> None:
    assert "XY98ZTU" not in texts(service, asked)


def test_search_filters_by_camera_and_period(service: Forensics) -> None:
    answer = service.search_plate("AB12CDE", GROUND, cameras=["gate"])
    assert [m.video_id for m in answer.matches] == [TWO]
    assert (answer.coverage.cameras, answer.coverage.subjects, answer.coverage.too_small) == (("gate",), 1, 1)
    assert not answer.coverage.complete and "1 plate could not be searched" in answer.said
    answer = service.search_plate("AB12*", GROUND, period=Period(NOW_MS - 5, NOW_MS + DAY - 1))
    assert {m.video_id for m in answer.matches} == {ONE} and answer.coverage.videos == 1
    assert answer.coverage.complete and answer.coverage.chunks == 1 and answer.coverage.searched_ms == 60_000
    nothing = service.search_plate("AB12CDE", GROUND, period=Period(0, 5))
    assert not nothing.matches and nothing.said.startswith("Nothing could be searched")


def test_search_is_logged_before_the_answer(service: Forensics) -> None:
    answer = service.search_plate("no1NE", GROUND, cameras=["cam"])
    entry = service.log.get(answer.entry).content
    assert (entry["action"], entry["actor"], entry["case"], entry["purpose"]) == (
        "search-plate", "inspector", "case-7", "test",
    )
    assert entry["detail"] == {"text": "no1NE", "exact": False, "cameras": ["cam"], "period": None, "matches": [],
                               "searched": 7}
    assert "does not say that the car was not there" in answer.said
    service.log.verify()


@pytest.mark.parametrize("text", [
    "", "*", "?????", "A*", "'; DROP TABLE plates; --", "AB%", "A\x00B12", "A" * 10_000, "*A" * 32, "AB12\udcff",
    "' OR '1'='1", "AB_2",
])
def test_search_refuses_hostile_text_and_logs_it(service: Forensics, text: str) -> None:
    with pytest.raises(UsageError):
        service.search_plate(text, GROUND)
    entry = service.log.last(1)[0].content
    assert entry["action"] == "search-plate-failed" and entry["detail"]["error"] == "UsageError"
    assert len(entry["detail"]["text"]) <= 200
    with service._database.connection() as db:
        assert db.execute("SELECT count(*) FROM plates").fetchone() == (8,)


@pytest.mark.parametrize("ground", [("", "case", "why"), ("who", " ", "why"), ("who", "case", "")])
def test_search_without_ground_is_refused(ground: tuple[str, str, str]) -> None:
    with pytest.raises(UsageError):
        Ground(*ground)


def test_search_of_videos_taken_in_before_the_index_counts_them_unindexed(desk: Desk, service: Forensics) -> None:
    video = f"old-{NOW_MS}-0000000c"
    with desk.database.connection() as db:
        db.execute("INSERT INTO videos VALUES (%s, 'old', %s, 0, NULL)", (video, NOW_MS))
        db.execute("INSERT INTO evidence VALUES (%s, 3, '', '', 2, 1, 'day', 'high', 0, 0, 0, NULL, NULL)", (video,))
        db.execute("INSERT INTO spans VALUES (%s, 1, 3, 'plate', 0, 5, 6)", (video,))
    covered = service.search_plate("AB12CDE", GROUND, cameras=["old"]).coverage
    assert (covered.unindexed, covered.chunks, covered.untimed, len(covered.gaps)) == (1, 1, 1, 1)


def test_search_names_a_plate_of_thousands_of_sightings_and_those_like_it(
    postgres_authority: Postgres, tmp_path: Path
) -> None:
    with postgres_authority.database() as database:
        desk = open_desk(tmp_path, database)
        with database.connection() as db:
            for number in range(12):
                video = f"cam-{NOW_MS + number}-0000000d"
                seen(db, video, 0, [(track, saying("AB12CDE")) for track in range(1, 31)])
            seen(db, f"cam-{NOW_MS}-0000000e", 0, [(1, saying("AB12CDF"))])
        open_case(database)
        service = Forensics(database, desk.log, None)
        answer = service.search_plate("AB12CDE", GROUND)
        assert len(answer.matches) == 100 and answer.more and "more that aren't listed" in answer.said
        near = service.search_plate("AB12CDF", GROUND).matches
        assert (near[0].text, near[1].text, len(near)) == ("AB12CDF", "AB12CDE", 100)
        desk.close()


def test_erasure_takes_the_plate_out_of_the_library(desk: Desk, service: Forensics) -> None:
    gone = service.search_plate("ABC1234", GROUND).matches[0]
    desk.keys.ensure_tracks(gone.video_id, [7])
    done = erase_subject(
        desk.database, desk.keys, desk.log, clock, gone.subject_id, actor="a", case="c", purpose="request"
    )
    assert (done.tracks, done.keys) == ((7,), 1)
    answer = service.search_plate("ABC1234", GROUND)
    assert not answer.matches and (answer.coverage.erased, answer.coverage.complete) == (1, False)
    assert texts(service, "XY98ZTU") == ["XY98ZTU"]
    with desk.database.connection() as db:
        assert db.execute("SELECT count(*) FROM track_plates WHERE track = 7").fetchone() == (0,)
