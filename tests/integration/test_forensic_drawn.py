"""What nobody may do, drawn: combinations of cases, people and steps, and calls of every operation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.postgres import Database
from schemas.errors import AccessDenied, SealframeError, UsageError
from schemas.topics import DAY_MS
from streams.clock import now_ms
from streams.forensic.cases import Draft
from streams.forensic.gate import Gate, Ground
from streams.forensic.terms import Rules, Scope
from tests.support.cases import PEOPLE, gate
from tests.support.desk_service import DeskService, identity
from tests.support.gates import AT, END, VIDEO, with_gates
from tests.support.services import unique

cameras = st.lists(st.sampled_from(["gate-1", "gate-2", "'; --"]), min_size=1, max_size=2).map(tuple)
times = st.sampled_from([0, AT - 1, AT, AT + 1, END - 1, END, END + 1, 2**53])


@pytest.fixture(scope="module")
def desk(forensic_desk: DeskService) -> DeskService:
    """The service, with what is seen at two gates."""
    return with_gates(forensic_desk)


@pytest.fixture(scope="module")
def lone(desk: DeskService) -> Iterator[Gate]:
    """A gate on the service's database."""
    with Database(desk.database) as database:
        yield gate(database, Rules(limits={"searches": 10**6, "restorations": 10**6, "pictures": 10**6}))


@given(st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_drawn_combination_outside_the_rules_gets_through(lone: Gate, data: st.DataObject) -> None:
    """Drawn cases, on the real tables: opened, maybe approved, changed, closed; then a restoration and a search."""
    people = {name: lone.people.get(name) for name in PEOPLE}
    scope = Scope(data.draw(cameras), data.draw(times), data.draw(times),
                  data.draw(st.lists(st.sampled_from(["face", "plate"]), min_size=1, unique=True).map(tuple)))
    shows = data.draw(st.sampled_from(["nobody", "subject", "everyone"]))
    draft = Draft("t", "b", scope, now_ms() + DAY_MS, shows)  # type: ignore[arg-type]
    case_id, opener = unique("drawn"), people["investigator-anna"]
    assert opener
    try:
        case = lone.cases.open(opener, draft, case_id)
    except UsageError:
        assert scope.from_ms > scope.to_ms
        return
    approved = closed = False
    for step in data.draw(st.lists(st.sampled_from(["approve", "own", "stale", "change", "close"]), max_size=3)):
        before = case.terms
        try:
            if step == "change":
                case = lone.cases.change(opener, case_id, draft)
                approved = False
            elif step == "close":
                lone.cases.close(opener, case_id)
                closed = True
            else:
                who = people["investigator-anna" if step == "own" else "approver-cora"]
                assert who
                digest = replace(before, revision=before.revision - 1).digest if step == "stale" else before.digest
                lone.cases.approve(who, case_id, digest)
                assert step == "approve" and not closed
                approved = True
        except AccessDenied:
            assert step != "approve" or closed or approved
    actor = data.draw(st.sampled_from(sorted(PEOPLE)))
    camera, kind = data.draw(st.sampled_from([("gate-1", "s1"), ("gate-2", "s1"), ("gate-1", "p1")]))
    everyone = data.draw(st.booleans())
    video = VIDEO.replace("gate-1", camera)
    ground = Ground(actor, case_id, "test")
    inside = actor == "investigator-anna" and approved and not closed
    fits = camera in scope.cameras and {"s1": "face", "p1": "plate"}[kind] in scope.kinds
    try:
        lone.subject("restore", ground, f"{video}/{kind}", everyone=everyone)
    except SealframeError:
        pass
    else:
        assert inside and fits and scope.from_ms <= AT and END <= scope.to_ms
        assert shows == "everyone" or (shows == "subject" and not everyone)
    try:
        limits = lone.search("search-face", "face", ground, [camera], None, None)
    except SealframeError:
        pass
    else:
        assert inside and camera in scope.cameras and "face" in scope.kinds
        assert (limits.from_ms, limits.to_ms) == (scope.from_ms, scope.to_ms)


ALLOWED = {
    "auditor-dan": {"GET /log", "GET /log/info", "GET /log/entries", "GET /log/growth", "GET /log/{seq}/proof",
                    "GET /cases", "GET /cases/{case_id}", "GET /holds", "GET /people", "GET /me"},
    "keeper": {"GET /log/info", "GET /log/growth", "GET /me"},
    "pipeline": set(),
    "investigator-ben": {"GET /log/info", "GET /log/growth", "GET /cases", "GET /holds", "GET /me", "POST /cases",
                         "GET /restorations"},
}
"""What these may get an answer to, whatever they send; cases that ben opens wait."""
FREE = {"GET /health", "GET /metrics"}


@pytest.mark.parametrize("who", ALLOWED)
def test_drawn_calls_never_fail_and_never_answer_the_unauthorised(desk: DeskService, ca: Any, who: str) -> None:
    """Every operation of the service's own OpenAPI, by drawn calls that fit it."""
    with desk.client("admin-eve") as admin:
        admin.send("/people", {"principal": "keeper", "name": "keeper", "roles": ["keeper"]})
    mine = identity(ca, who)
    session = requests.Session()
    session.verify, session.cert, session.trust_env = str(mine.ca), (str(mine.cert), str(mine.key)), False
    raw = session.get(f"{desk.server.server.url}/openapi.json").json()
    operations = [found.ok() for found in schemathesis.openapi.from_dict(raw).get_all_operations()]
    for operation in operations:
        _drawn(session, desk.server.server.url, operation, ALLOWED[who] | FREE)
    seen = {f"{operation.method.upper()} {operation.path}" for operation in operations}
    session.close()
    assert set().union(*ALLOWED.values()) <= seen and "POST /restorations" in seen and len(seen) >= 18


def _drawn(session: requests.Session, url: str, operation: Any, allowed: set[str]) -> None:
    """Five calls of an operation: none fails, and none is answered that isn't allowed."""
    name = f"{operation.method.upper()} {operation.path}"

    @given(operation.as_strategy())
    @settings(max_examples=5, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def call(case: schemathesis.Case) -> None:
        answer = session.request(**case.as_transport_kwargs(base_url=url), timeout=30)
        assert answer.status_code < 500, (name, answer.status_code, answer.text)
        assert not 200 <= answer.status_code < 300 or name in allowed, (name, answer.text)

    call()
