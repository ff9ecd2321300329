"""What nobody may do, tried over HTTPS on the running service: refused, and in the log before the answer leaves."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx
import pytest

from infra.postgres import Database
from schemas.errors import RateLimited, SealframeError, UsageError
from schemas.topics import DAY_MS
from streams.clock import now_ms
from streams.forensic.cases import Draft
from streams.forensic.gate import Gate, Ground
from streams.forensic.log import AccessLog
from streams.forensic.terms import Rules, Scope
from tests.support.cases import gate
from tests.support.desk_service import DeskService
from tests.support.gates import AT, END, VIDEO, with_gates
from tests.support.services import Postgres

SQL = ("'; DROP TABLE cases; --", "' OR '1'='1", "x' UNION SELECT terms FROM cases --", "\\'; --", "$$;--", "%s", "{0}")
PATHS = ("../../etc/passwd", "..%2f..%2fetc", "....//", "/etc/passwd", "C:\\x", "a\x00b", "%00", "~root", "'; --")


@pytest.fixture(scope="module")
def desk(forensic_desk: DeskService) -> DeskService:
    """The service, with what is seen at two gates."""
    return with_gates(forensic_desk)


def body(**change: Any) -> dict[str, Any]:
    """A case for the faces of gate-1, within a day."""
    now = now_ms()
    return {"title": "missing person", "basis": "court order", "cameras": ["gate-1"], "from_ms": AT, "to_ms": END,
            "kinds": ["face"], "expires_ms": now + DAY_MS, **change}


def opened(desk: DeskService, *, approved: bool = True, **change: Any) -> dict[str, Any]:
    """A case of investigator-anna, approved by approver-cora."""
    with desk.client("investigator-anna") as anna, desk.client("approver-cora") as cora:
        case = anna.send("/cases", body(**change))
        return cora.approve(case["case_id"], case["digest"]) if approved else dict(case)


def restore(desk: DeskService, case: str, subject: str = f"{VIDEO}/s1", who: str = "investigator-anna",
            **fields: Any) -> httpx.Response:
    with desk.raw(who) as http:
        return http.post("/restorations", data={"subject": subject, "case": case, "purpose": "test", **fields})


def refused(desk: DeskService, answer: httpx.Response, words: str, action: str) -> None:
    """It was refused in these words, and the log says so."""
    assert answer.status_code == 403 and words in answer.json()["text"], answer.text
    entry = desk.log()[0]
    assert entry["action"] == f"{action}-refused" and words in entry["detail"]["reason"]


def passed(desk: DeskService, answer: httpx.Response, who: str = "investigator-anna") -> None:
    """It was let through, and failed only because there is no evidence; nothing is logged of it any more."""
    assert answer.status_code == 202, answer.text
    with desk.client(who) as client, pytest.raises(SealframeError, match="no evidence of it"):
        client.wait(answer.json())
    assert desk.log()[0]["action"] == "restore-failed"


def test_case_goes_from_opening_to_closing(desk: DeskService) -> None:
    case = opened(desk, approved=False, team=["investigator-ben"])
    assert (case["state"], case["team"]) == ("waiting", ["investigator-anna", "investigator-ben"])
    refused(desk, restore(desk, case["case_id"]), "approval of a second person", "restore")
    with desk.client("approver-cora") as cora:
        assert cora.approve(case["case_id"], case["digest"])["state"] == "open"
    for who in case["team"]:
        passed(desk, restore(desk, case["case_id"], who=who), who)
    with desk.client("investigator-anna") as anna:
        changed = anna.send(f"/cases/{case['case_id']}", body(cameras=["gate-2"]), "PUT")
        assert (changed["state"], changed["revision"]) == ("waiting", 2)
        refused(desk, restore(desk, case["case_id"]), "approval of a second person", "restore")
        assert anna.send(f"/cases/{case['case_id']}/close", {})["state"] == "closed"
    refused(desk, restore(desk, case["case_id"]), "closed", "restore")


def test_no_link_puts_words_of_its_own_on_a_page(desk: DeskService) -> None:
    case = opened(desk)["case_id"]
    with desk.raw("investigator-anna") as http:
        page = http.get(f"/cases/{case}/restore", params={"subject": f"{VIDEO}/s1", "fault": "Call this number"},
                        headers={"Accept": "text/html"})
    assert page.status_code == 200 and "Call this number" not in page.text


@pytest.mark.parametrize(("change", "subject", "status"), [
    ({"shows": "nobody"}, f"{VIDEO}/s1", 404), ({"from_ms": END, "to_ms": END + 9}, f"{VIDEO}/s1", 404),
    ({}, f"{VIDEO.replace('gate-1', 'gate-2')}/s1", 403), ({}, f"{VIDEO}/p1", 403),
    ({"from_ms": END + 1, "to_ms": END + 9}, f"{VIDEO}/s1", 403), ({"to_ms": AT - 1, "from_ms": 0}, f"{VIDEO}/s1", 403),
    ({}, "nobody", 422),
])
def test_no_picture_of_a_subject_outside_the_case_not_even_a_blurred_one(
    desk: DeskService, change: dict[str, Any], subject: str, status: int
) -> None:
    """404: let through; there is no evidence to draw it from."""
    case = opened(desk, **change)["case_id"]
    with desk.raw("investigator-anna") as http:
        answer = http.get("/desk/picture", params={"case": case, "subject": subject, "purpose": "test"})
    assert answer.status_code == status
    if status == 403:
        refused(desk, answer, "outside the case", "picture")
    if status == 404:  # the page shows what is drawn in place of it
        assert answer.headers["content-type"] == "image/svg+xml" and "Nothing" in answer.text


@pytest.mark.parametrize(("change", "fields", "words"), [
    ({}, {"subject": f"{VIDEO.replace('gate-1', 'gate-2')}/s1"}, "camera is outside"),
    ({}, {"subject": f"{VIDEO}/p1"}, "kind or camera is outside"),
    ({"to_ms": END - 1}, {}, "outside the times"), ({"from_ms": AT + 1}, {}, "outside the times"),
    ({}, {"everyone": "true"}, "subject alone"), ({"shows": "nobody"}, {}, "no restoration"),
    ({"shows": "everyone"}, {"everyone": "true"}, "kinds that the case isn't for"),
    ({"shows": "everyone", "kinds": ["face", "plate"], "to_ms": END + 1}, {"everyone": "true", "late": "1"},
     "video goes beyond the times"),
    ({}, {"who": "investigator-ben"}, "no such case"), ({}, {"who": "approver-cora"}, "restore is for investigator"),
    ({}, {"who": "auditor-dan"}, "restore is for investigator"),
    ({}, {"who": "admin-eve"}, "restore is for investigator"),
    ({}, {"who": "pipeline"}, "nobody here is known"), ({}, {"who": "authority-city-faces"}, "nobody here is known"),
])
def test_restoration_outside_the_case_is_refused_and_logged(
    desk: DeskService, change: dict[str, Any], fields: dict[str, Any], words: str
) -> None:
    case = opened(desk, **change)
    with Database(desk.database) as database, database.connection() as db:
        db.execute("UPDATE videos SET end_ms = %s", (END + 5 if fields.get("late") else END,))
    refused(desk, restore(desk, case["case_id"], **fields), words, "restore")


@pytest.mark.parametrize(("fields", "words"), [
    ({"camera": "gate-2"}, "camera that you name"), ({"camera": ["gate-1", "gate-2"]}, "camera that you name"),
    ({"from_ms": AT - 1}, "times that you name"), ({"to_ms": END + 1}, "times that you name"),
    ({"from_ms": END + 1}, "times that you name"), ({"case": "other"}, "no such case"),
    ({"text": "AB12CDE", "call": "plate"}, "not for plate"),
])
def test_search_outside_the_case_is_refused_and_logged(desk: DeskService, fields: dict[str, Any], words: str) -> None:
    call = fields.pop("call", "face")
    data = {"case": opened(desk)["case_id"], "purpose": "test", **fields}
    with desk.raw("investigator-anna") as http:
        files = {"picture": b"x"} if call == "face" else None
        refused(desk, http.post(f"/search/{call}", data=data, files=files), words, f"search-{call}")


def test_search_is_narrowed_to_the_case_and_says_so(desk: DeskService) -> None:
    case = opened(desk, kinds=["plate"])["case_id"]
    with desk.client("investigator-anna") as anna:
        covered = anna.search_plate("AB12CDE", case, "test")
        assert covered["coverage"]["limits"] == {"case": case, "cameras": ["gate-1"], "from_ms": AT, "to_ms": END}
        assert covered["coverage"]["cameras"] == ["gate-1"] and f"only where case {case} allows" in covered["said"]
        wide = opened(desk, kinds=["plate"], cameras=["*"])["case_id"]
        assert anna.search_plate("AB12CDE", wide, "test")["coverage"]["cameras"] == ["gate-1", "gate-2"]


def test_approval_by_the_wrong_person_or_again_is_refused_and_logged(desk: DeskService) -> None:
    with desk.client("admin-eve") as admin:
        admin.send("/people", {"principal": "both", "name": "Both", "roles": ["investigator", "approver"],
                               "also": ["both-too"]})
    with desk.raw("both") as http, desk.raw("both-too") as again:
        own = http.post("/cases", json=body()).json()
        for caller in (http, again):
            answer = caller.post(f"/cases/{own['case_id']}/approve", json={"digest": own["digest"]})
            refused(desk, answer, "another person has to", "case-approve")
    with desk.raw("approver-cora") as cora:
        path = f"/cases/{own['case_id']}/approve"
        for _ in range(2):
            answer = cora.post(path, json={"digest": own["digest"]})
        refused(desk, answer, "exactly this already", "case-approve")
        with desk.raw("both") as http:
            assert http.put(f"/cases/{own['case_id']}", json=body(shows="everyone")).json()["state"] == "waiting"
        refused(desk, cora.post(path, json={"digest": own["digest"]}), "changed since", "case-approve")
        refused(desk, cora.post("/cases/none/approve", json={"digest": "0" * 64}), "no such case", "case-approve")
        other = opened(desk, approved=False)
        refused(desk, cora.post(f"/cases/{other['case_id']}/approve", json={"digest": own["digest"]}), "changed since",
                "case-approve")
    for who in ("investigator-anna", "auditor-dan", "admin-eve"):
        with desk.raw(who) as http:
            answer = http.post(f"/cases/{other['case_id']}/approve", json={"digest": other["digest"]})
            refused(desk, answer, "case-approve is for approver", "case-approve")


def test_approval_slipped_into_the_database_or_of_a_disabled_approver_does_not_count(desk: DeskService) -> None:
    case = opened(desk, approved=False)
    with Database(desk.database) as database, database.connection() as db:
        db.execute("INSERT INTO approvals VALUES (%s, %s, 'approver-cora', 0, %s, 0)",
                   (case["case_id"], bytes.fromhex(case["digest"]), 2**53))
    refused(desk, restore(desk, case["case_id"]), "approval of a second person", "restore")
    case = opened(desk)
    with desk.client("admin-eve") as admin:
        admin.send("/people/disable", {"person": "approver-cora"})
        refused(desk, restore(desk, case["case_id"]), "approval of a second person", "restore")
        admin.send("/people/disable", {"person": "approver-cora", "disabled": False})
    passed(desk, restore(desk, case["case_id"]))


def test_people_cannot_raise_themselves_and_an_admin_stays(desk: DeskService) -> None:
    person = {"principal": "admin-eve", "name": "x", "roles": ["admin"]}
    for who, words in (("admin-eve", "nobody changes their own"), ("investigator-anna", "people-change is for admin")):
        with desk.raw(who) as http:
            refused(desk, http.post("/people", json=person), words, "people-change")
            answer = http.post("/people/disable", json={"person": "admin-eve"})
            refused(desk, answer, words, "people-change")
    with desk.client("admin-eve") as admin:
        for roles in (["admin", "approver"], ["auditor", "investigator"], ["keeper", "approver"]):
            with pytest.raises(UsageError, match="no other role"):
                admin.send("/people", {"principal": "frida", "name": "x", "roles": roles})
        with pytest.raises(UsageError, match="somebody else"):
            admin.send("/people", {"principal": "frida", "name": "x", "roles": ["auditor"], "also": ["auditor-dan"]})
        assert "frida" not in {person["person"] for person in admin.get("/people")}
        for nobody in ("frida", "fri\0da", "f" * 5000):
            with pytest.raises(UsageError):
                admin.send("/people/disable", {"person": nobody})


def test_holds_are_set_and_lifted_by_approvers_and_logged(desk: DeskService) -> None:
    asked = {"reason": "claim 12", "camera": "gate-2", "from_ms": AT}
    for who in ("investigator-anna", "auditor-dan", "admin-eve"):
        with desk.raw(who) as http:
            refused(desk, http.post("/holds", json=asked), "hold-change is for approver", "hold-change")
            refused(desk, http.post("/holds/1/release"), "hold-change is for approver", "hold-change")
    with desk.client("approver-cora") as cora, desk.client("investigator-anna") as anna:
        with pytest.raises(UsageError, match="on everything"):
            cora.send("/holds", {"reason": "claim 12"})
        assert desk.log()[0]["action"] == "hold-failed"
        number = cora.send("/holds", asked)["hold"]
        entry = desk.log()[0]
        assert (entry["action"], entry["actor"], entry["detail"]["hold"]) == ("hold", "approver-cora", number)
        found = {(one["camera_id"], one["kind"]): one for one in anna.get("/holds")["kept"]}
        assert found["gate-2", "face"]["held"] == 1 and found["gate-1", "face"]["held"] == 0
        with desk.raw("investigator-anna") as http:
            case = opened(desk, cameras=["gate-2"], erases=True)["case_id"]
            answer = http.post("/subjects/erase", data={
                "subject": f"{VIDEO.replace('gate-1', 'gate-2')}/s1", "case": case, "purpose": "test"})
            assert answer.status_code == 422 and f"legal hold {number}" in answer.json()["text"]
        assert cora.send(f"/holds/{number}/release", {})["released_by"] == "approver-cora"
        assert desk.log()[0]["action"] == "hold-released"
        with pytest.raises(UsageError, match="no hold"):
            cora.send(f"/holds/{number}/release", {})


def test_erasure_by_a_form_needs_its_tick_and_shows_what_was_done_before_it_stopped(desk: DeskService) -> None:
    """Forms without a script, sent as a browser sends them; the second subject isn't there."""
    case, extra = opened(desk, erases=True)["case_id"], f"{VIDEO}/s9"
    with Database(desk.database) as database, database.connection() as db:
        db.execute("INSERT INTO subjects VALUES (%s, %s, 'gate-1', 'face', '{9}', 9, %s, %s)", (extra, VIDEO, AT, END))
    asked = {"subject": [extra, f"{VIDEO}/s8"], "purpose": "request 4"}
    page = {"Accept": "text/html"}
    with desk.raw("investigator-anna") as http:
        answer = http.post(f"/cases/{case}/erase", data=asked, headers=page)
        assert answer.status_code == 422 and "say that you know" in answer.text
        assert desk.log()[0]["action"] == "case-approve"  # nothing was even tried
        answer = http.post(f"/cases/{case}/erase", data={**asked, "understood": "yes"}, headers=page)
        assert answer.status_code == 422 and f"there is no subject {VIDEO}/s8" in answer.text
        failed, erased = desk.log(2)
        assert (failed["action"], erased["action"], erased["purpose"]) == ("erase-failed", "erased", "request 4")
        assert f'href="/erasures?entry={erased["seq"]}"' in answer.text and f'value="{extra}"' not in answer.text
        assert http.get(f"/erasures?entry={erased['seq']}", headers=page).status_code == 200
        answer = http.get(f"/desk/proof?entry={failed['seq']}")
        assert answer.status_code == 403 and desk.log()[0]["action"] == "erasure-read-refused"
    with desk.raw("auditor-dan") as http:
        assert http.post(f"/cases/{case}/erase", data=asked, headers=page).status_code == 403
        assert desk.log()[0]["action"] == "erase-refused"


def test_text_in_every_field_is_only_text(desk: DeskService) -> None:
    """SQL, paths and signs that no field may hold: refused or wrong use, logged, and all tables are as before."""
    with Database(desk.database) as database:
        before = _counts(database)
        case, tried = opened(desk)["case_id"], 0
        with desk.raw("investigator-anna") as http:
            for text in (*SQL, *PATHS, "\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace"), "\u202e"):
                for field in ("subject", "case", "purpose"):
                    data = {"subject": f"{VIDEO}/s1", "case": case, "purpose": "test", "with_gaps": "false"}
                    answer = http.post("/restorations", data=data | {field: text})
                    if field == "purpose" and answer.status_code == 202:
                        passed(desk, answer)
                    assert answer.status_code in (403, 422) or field == "purpose"
                    assert desk.log()[0]["action"] in ("restore-refused", "restore-failed"), (field, text)
                for call, data in (("plate", {"text": text}), ("plate", {"text": "AB", "camera": text}),
                                   ("plate", {"text": "AB", "from_ms": text})):
                    answer = http.post(f"/search/{call}", data={"case": case, "purpose": "test"} | data)
                    assert answer.status_code in (403, 422) and "refused" in desk.log()[0]["action"], answer.text
                answer = http.get(f"/cases/{quote(text, safe='')}")
                assert answer.status_code in (403, 404, 405) and "refused" in desk.log()[0]["action"]
                answer = http.post("/cases", json=body(case_id=text))
                assert answer.status_code == 422, answer.text
                tried += 1
        assert tried > 15 and _counts(database) == {**before, "cases": before["cases"] + 1,
                                                    "approvals": before["approvals"] + 1}


def _counts(database: Database) -> dict[str, int]:
    tables = ("cases", "approvals", "people", "principals", "subjects", "videos", "spans")
    with database.connection() as db:
        return {table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}  # type: ignore[index]  # noqa: S608


def test_who_asks_too_often_waits(postgres_authority: Postgres) -> None:
    """Two searches an hour, then none; the next hour counts the last one in the share that is still inside."""
    now = [100 * 3_600_000]
    with postgres_authority.database() as database:
        gate(database)
        rules = Rules(limits={"searches": 2, "restorations": 1, "pictures": 1})
        limited = Gate(database, AccessLog(database, now_ms), rules, lambda: now[0])
        anna, cora = limited.people.get("investigator-anna"), limited.people.get("approver-cora")
        assert anna and cora
        draft = Draft("t", "b", Scope(("*",), 0, 2**53, ("face",)), now[0] + DAY_MS)
        case = limited.cases.open(anna, draft, "c")
        limited.cases.approve(cora, "c", case.terms.digest)
        ground = Ground("investigator-anna", "c", "test")

        def ask() -> None:
            limited.search("search-face", "face", ground, None, None, None)

        ask()
        ask()
        for _ in range(3):
            with pytest.raises(RateLimited, match="2 searches an hour"):
                ask()
        now[0] += 3_600_000 + 1_700_000  # 53 % of the last hour's two are still inside
        with pytest.raises(RateLimited):
            ask()
            ask()
        now[0] += 2 * 3_600_000
        ask()


def test_who_is_refused_too_often_is_not_looked_at_for_a_minute(
    ca: Any, postgres_authority: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from tests.support.desk_service import desk_service

    access = postgres_authority.fresh()[0]
    with desk_service(ca, tmp_path_factory.mktemp("few"), access, Rules(refusals=3)) as few:
        now = [now_ms() // 60_000 * 60_000 + 59_000]
        few.server.forensics.gate.clock = lambda: now[0]
        with few.raw("pipeline") as http:
            found = []
            for _ in range(6):  # it doesn't matter that a minute of the clock ends meanwhile
                found.append(http.get("/log").status_code)
                now[0] += 400
            assert found == [403] * 3 + [429] * 3
            assert http.get("/log").headers["retry-after"] == "60"
            now[0] += 50_000
            assert http.get("/log").status_code == 429
            now[0] += 10_000
            assert http.get("/log").status_code == 403
        actions = [entry["action"] for entry in few.log(10)]
        assert actions.count("blocked") == 1 and actions.count("log-read-refused") == 4
        with few.client("auditor-dan") as auditor:
            assert auditor.get("/log")


@pytest.mark.parametrize("threshold", ["nan", "inf", "-inf"])
def test_threshold_that_is_no_number_is_refused_and_the_log_stays_readable(desk: DeskService, threshold: str) -> None:
    fields = {"subject": f"{VIDEO}/s1", "case": "no such", "purpose": "test", "threshold": threshold}
    with desk.raw("investigator-anna") as http:
        assert http.post("/search/subject", data=fields).status_code == 422
    assert desk.log()[0]["action"]


@pytest.mark.parametrize("path", ["/restorations", "/search/subject", "/subjects/package"])
def test_endless_subject_is_refused_and_not_written_into_the_log(desk: DeskService, path: str) -> None:
    fields = {"subject": "\0" * 2**18, "case": "no such", "purpose": "test"}
    with desk.raw("investigator-anna") as http:
        assert http.post(path, data=fields).status_code in (403, 422)
    assert len(str(desk.log()[0])) < 2000


def test_half_a_character_in_a_subject_is_refused_and_logged(desk: DeskService) -> None:
    case = opened(desk)
    parts = {"subject": "\\ud800", "case": case["case_id"], "purpose": "test"}
    body = "".join(f'--b\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in parts.items())
    kind = "multipart/form-data; boundary=b; charset=unicode_escape"
    for path in ("/restorations", "/subjects/package", "/search/subject"):
        with desk.raw("investigator-anna") as http:
            answer = http.post(path, content=f"{body}--b--\r\n".encode(), headers={"content-type": kind})
        assert answer.status_code in (403, 422), answer.text
        entry = desk.log()[0]
        assert entry["action"].endswith(("-failed", "-refused")), entry
        assert entry["detail"].get("subject", "?") == "?", "by its form where that says a length, else cut for the log"
