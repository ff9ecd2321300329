"""Cases that are closed and subjects that are erased while an answer is made: it doesn't leave, and the log says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from infra.postgres import Database
from operators.seal import Identity
from schemas.errors import AccessDenied, UsageError
from streams.authority.erase import erase_subject
from streams.authority.faces import Faces
from streams.authority.reading import EvidenceReader
from streams.forensic.gate import Gate, Ground
from streams.forensic.log import AccessLog
from streams.forensic.service import Forensics
from streams.forensic.subjects import SubjectDesk
from tests.integration.test_persons import see
from tests.support.authority import KEY, NAME, NOW_MS, Desk, add_subject, clock, recorded
from tests.support.cases import EVER, gate, open_case
from tests.support.locks import waiting
from tests.support.plates import saying, seen
from tests.support.services import Postgres, unique

PLATES = f"yard-{NOW_MS}-0000000d"
Act = Callable[["Asked"], object]


class Meanwhile(EvidenceReader):
    """Reads; once, after the first chunk, something happens."""

    act: Callable[[], object] | None = None

    def chunk(self, *args: Any, **options: Any) -> Any:
        """As it is, then what happens."""
        opened = super().chunk(*args, **options)
        act, self.act = self.act, None
        if act:
            act()
        return opened


class Asked:
    """Somebody's open case about a subject, whose video shows another one too."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.gate = desk, gate(desk.database)
        self.ground = open_case(desk.database, Ground("inspector", unique("case"), "test"))
        self.subject, self.other = add_subject(desk, 1), add_subject(desk, 2)
        reader = Meanwhile(NAME, desk.keys, desk.home / "evidence")
        self.reader = reader
        self.subjects = SubjectDesk(desk.database, self.gate, desk.keys, reader, lambda: KEY)

    def close(self) -> None:
        """Its own person closes the case."""
        close(self.gate, self.ground)

    def erase(self, subject: str) -> None:
        """Erase one of them, under another case."""
        desk = self.desk
        erase_subject(desk.database, desk.keys, desk.log, clock, subject, actor="x", case="c", purpose="p")


def close(of: Gate, ground: Ground) -> None:
    person = of.people.get(ground.actor)
    assert person
    of.cases.close(person, ground.case)


def newest(log: AccessLog) -> str:
    return str(log.last(1)[0].content["action"])


@pytest.fixture
def asked(empty_desk: Desk) -> Asked:
    empty_desk.take(recorded(empty_desk.epoch, 2))
    return Asked(empty_desk)


@pytest.mark.parametrize(("act", "error", "ending"), [
    (Asked.close, AccessDenied, "refused"), (lambda asked: asked.erase(asked.subject), UsageError, "failed"),
])
@pytest.mark.parametrize("what", ["package", "restored-video"])
def test_nothing_leaves_of_a_case_closed_or_a_subject_erased_meanwhile(
    asked: Asked, what: str, act: Act, error: type[Exception], ending: str
) -> None:
    asked.reader.act = lambda: act(asked)
    with pytest.raises(error):
        if what == "package":
            asked.subjects.package(asked.subject, asked.ground, Identity.create().public)
        else:
            asked.subjects.restored_video(asked.subject, asked.ground)
    assert newest(asked.gate.log) == f"{what}-{ending}"


def test_video_of_everyone_does_not_leave_with_somebody_erased_meanwhile(asked: Asked) -> None:
    asked.reader.act = lambda: asked.erase(asked.other)
    with pytest.raises(UsageError, match="erased meanwhile"):
        asked.subjects.restored_video(asked.subject, asked.ground, everyone=True)
    assert newest(asked.gate.log) == "restored-video-failed"
    again = asked.subjects.restored_video(asked.subject, asked.ground, everyone=True)
    assert again.video and {one.track for one in again.video.pictures} == {1}


@pytest.fixture(scope="module")
def library(postgres_authority: Postgres) -> Iterator[Database]:
    """One plate, and two faces alike."""
    with postgres_authority.database() as database:
        with database.connection() as db:
            seen(db, PLATES, 0, [(1, saying("AB12CDE"))], "yard")
        yield database


def test_search_for_a_plate_gives_no_answer_once_its_case_is_closed(library: Database) -> None:
    """The search waits for the table, so that the case is closed in the middle of it."""
    made = gate(library)
    ground = open_case(library, Ground("inspector", unique("case"), "test"))
    service = Forensics(library, made.log, None)
    with ThreadPoolExecutor(1) as pool:
        with library.connection() as db:
            db.execute("LOCK TABLE plates IN ACCESS EXCLUSIVE MODE")
            answer = pool.submit(service.search_plate, "AB12CDE", ground)
            waiting(library, "plates")
            close(made, ground)
        with pytest.raises(AccessDenied, match="closed"):
            answer.result(60)
    assert newest(made.log) == "search-plate-refused"


@pytest.mark.parametrize(("closes", "error"), [(True, AccessDenied), (False, UsageError)])
def test_search_for_a_subject_gives_no_answer_once_it_may_not_be_searched(
    library: Database, closes: bool, error: type[Exception]
) -> None:
    """Models are asked for twice, before the subject's looks are read and before the search, and not used."""
    made, ground = gate(library), Ground("inspector", unique("case"), "test")
    with library.connection() as db:
        sought, other = (see(db, f"cam-{NOW_MS}-0000000{n}", 1, n) for n in range(2))
    open_case(library, ground, EVER)
    acts: list[Callable[[], object]] = []

    def faces() -> Faces:
        if acts:
            acts.pop(0)()
        return Faces(None, None)  # type: ignore[arg-type]

    def gone() -> None:
        with library.connection() as db:
            db.execute("DELETE FROM subjects WHERE subject_id = %s", (sought,))

    service = Forensics(library, made.log, faces)
    assert [match.subject_id for match in service.search_subject(sought, ground).matches] == [other]
    acts += [lambda: None, (lambda: close(made, ground)) if closes else gone]
    with pytest.raises(error):
        service.search_subject(sought, ground)
    assert newest(made.log) == f"search-face-{'refused' if closes else 'failed'}"


def test_log_of_a_plate_search_names_subjects_and_keeps_no_plate(library: Database) -> None:
    gate(library)
    ground = open_case(library, Ground("inspector", unique("case"), "test"))
    service = Forensics(library, AccessLog(library, clock), None)
    answer = service.search_plate("AB1*", ground)
    assert [match.text for match in answer.matches] == ["AB12CDE"]
    entry = service.log.get(answer.entry).content
    assert entry["detail"]["matches"] == [f"{PLATES}/p1"] and "AB12CDE" not in str(entry)
