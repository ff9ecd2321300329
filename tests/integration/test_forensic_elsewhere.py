"""What other sites' pages can't do in a person's name, and what clocks and names that can't be do to no page."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from infra.postgres import Database
from streams.clock import now_ms
from streams.forensic.terms import MAX_MS
from tests.integration.test_forensic_refusals import opened
from tests.support.desk_service import DeskService
from tests.support.gates import VIDEO, with_gates

PAGE = {"Accept": "text/html"}
LINK = {**PAGE, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
IMAGE = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
LATE = f"late-1-{now_ms()}-0000000c"


@pytest.fixture(scope="module")
def desk(forensic_desk: DeskService) -> DeskService:
    """The service, with what is seen at two gates."""
    return with_gates(forensic_desk)


@pytest.fixture
def late(desk: DeskService) -> Iterator[DeskService]:
    """A plate of a camera whose clock was wrong by a million years."""
    times = (MAX_MS - 10, 2**60)
    with Database(desk.database) as database:
        with database.connection() as db:
            db.execute("INSERT INTO videos VALUES (%s, 'late-1', %s, 0, %s)", (LATE, *times))
            db.execute("INSERT INTO subjects VALUES (%s, %s, 'late-1', 'plate', '{1}', 1, %s, %s)",
                       (f"{LATE}/p1", LATE, *times))
            db.execute("INSERT INTO spans VALUES (%s, 1, 0, 'plate', 0, 5, 6)", (LATE,))
            db.execute("INSERT INTO plates VALUES (%s, %s, 'late-1', %s, %s, 'AB12CDE', '{}', %s, 1, 1, 0)",
                       (f"{LATE}/p1", LATE, *times, [0.9] * 7))
        yield desk
        with database.connection() as db:
            for table in ("subjects", "spans"):
                db.execute(f"DELETE FROM {table} WHERE video_id = %s", (LATE,))  # noqa: S608
            db.execute("DELETE FROM videos WHERE video_id = %s", (LATE,))


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_page_elsewhere_looks_at_nothing_in_a_persons_name(desk: DeskService, site: str) -> None:
    case = opened(desk)["case_id"]
    before, asked = desk.log()[0], {"case": case, "subject": f"{VIDEO}/s1", "purpose": "spying on my ex"}
    with desk.raw("investigator-anna") as http, Database(desk.database) as database:
        with database.connection() as db:
            calls = db.execute("SELECT * FROM calls ORDER BY 1, 2, 3").fetchall()
        for path, headers in (("/desk/picture", IMAGE), ("/desk/picture", LINK), ("/anything", IMAGE),
                              ("/log", IMAGE), (f"/cases/{case}", LINK | {"Sec-Fetch-Dest": "iframe"})):
            answer = http.get(path, params=asked, headers={**headers, "Sec-Fetch-Site": site})
            assert answer.status_code == 403 and "another site" in answer.text, path
        assert http.post("/search/plate", data={"text": 5}, headers=LINK | {"Sec-Fetch-Site": site}).status_code == 403
        assert desk.log()[0] == before
        with database.connection() as db:
            assert db.execute("SELECT * FROM calls ORDER BY 1, 2, 3").fetchall() == calls
        assert http.get("/desk/picture", params=asked).status_code == 404  # a program; there is no evidence
        assert http.get("/desk/picture", params=asked, headers={**IMAGE, "Sec-Fetch-Site": "same-origin"}
                        ).status_code == 404
        assert http.get(f"/cases/{case}", headers={**LINK, "Sec-Fetch-Site": site}).status_code == 200


def test_page_elsewhere_does_not_get_anybody_refused_for_a_minute(desk: DeskService) -> None:
    rules = desk.server.forensics.gate.rules
    with desk.raw("auditor-dan") as http:
        tried = [http.get("/anything", headers=IMAGE).status_code for _ in range(3)]
        assert tried == [403] * 3 and rules.refusals > 3
        assert desk.log()[0]["action"] != "no-such-call-refused"
        assert http.get("/anything").status_code == 404 and desk.log()[0]["action"] == "no-such-call-refused"


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_sign_in_comes_back_from_an_issuer_elsewhere(desk: DeskService, site: str) -> None:
    browser = desk.browser()
    back = browser.answer(browser.to_issuer(), "investigator-anna").headers["location"]
    found = browser.http.get(back, headers={**LINK, "Sec-Fetch-Site": site})
    assert found.status_code == 200 and "You are signed in" in found.text
    before = desk.log()[0]
    assert browser.get("/cases", **LINK).status_code == 200
    assert browser.get("/desk/picture?case=x&subject=y&purpose=z", **IMAGE).status_code == 403
    assert browser.get("/cases", **IMAGE, cookie="__Host-sealframe-city-faces=stale").status_code == 403
    assert desk.log()[0] == before
    browser.close()


def test_search_page_shows_what_a_camera_with_a_broken_clock_saw(late: DeskService) -> None:
    case = opened(late, kinds=["plate"], cameras=["*"], from_ms=0, to_ms=MAX_MS)["case_id"]
    with late.raw("investigator-anna") as http:
        csrf = re.search(r'name="csrf" value="([^"]+)"', http.get(f"/cases/{case}", headers=PAGE).text)
        assert csrf
        answer = http.post(
            f"/cases/{case}/plate", data={"csrf": csrf[1], "purpose": "test", "text": "AB12CDE", "exact": "yes"},
            headers={**PAGE, "Origin": late.server.server.url},
        )
    assert answer.status_code == 200 and "Seen after the year 9999 to after the year 9999" in answer.text


def test_page_of_holds_shows_one_that_ends_after_any_calendar(desk: DeskService) -> None:
    with desk.client("approver-cora") as cora, desk.raw("auditor-dan") as http:
        number = cora.send("/holds", {"reason": "claim 13", "camera": "gate-1", "to_ms": MAX_MS - 1})["hold"]
        page = http.get("/holds", headers=PAGE)
        cora.send(f"/holds/{number}/release", {})
    assert page.status_code == 200 and "the beginning to after the year 9999" in page.text


@pytest.mark.parametrize("camera", ["a\x00b", "\u202egate", "x" * 201, " "])
def test_camera_that_no_name_can_be_is_wrong_use_and_logged(desk: DeskService, camera: str) -> None:
    case = opened(desk, kinds=["plate"], cameras=["*"])["case_id"]
    asked = {"text": "AB12CDE", "case": case, "purpose": "test", "camera": ["gate-1", camera]}
    with desk.raw("investigator-anna") as http:
        answer = http.post("/search/plate", data=asked)
    assert answer.status_code == 422 and "camera is needed" in answer.json()["text"], answer.text
    entry = desk.log()[0]
    assert entry["action"] == "search-plate-failed" and entry["detail"]["cameras"] == ["gate-1", camera[:200]]
