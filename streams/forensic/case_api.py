"""The API of cases and people: JSON over HTTPS, each call by somebody whose role may make it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from schemas.errors import AccessDenied
from streams.forensic.cases import Cases, Draft
from streams.forensic.door import HEADERS, Door
from streams.forensic.gate import noted
from streams.forensic.permission import Action, Person, Role, may_read
from streams.forensic.terms import (
    MAX_CAMERAS,
    MAX_MS,
    MAX_TEAM,
    MAX_WORDS,
    Case,
    Kind,
    Scope,
    Shows,
    counts,
    terms_json,
    typed,
)

Words = Annotated[str, Field(min_length=1, max_length=MAX_WORDS)]
Moment = Annotated[int, Field(ge=0, le=MAX_MS, description="milliseconds since 1970")]


class CaseBody(BaseModel):
    """What a case is to say."""

    model_config = ConfigDict(extra="forbid")

    title: Annotated[Words, Field(description="what it is about, and so what it is for")]
    basis: Annotated[Words, Field(description="legal basis: the law's article, the court's order")]
    cameras: Annotated[list[Words], Field(min_length=1, max_length=MAX_CAMERAS, description="names, or '*' for all")]
    from_ms: Moment
    to_ms: Moment
    kinds: Annotated[list[Kind], Field(min_length=1, max_length=2)]
    expires_ms: Moment
    shows: Annotated[Shows, Field(description="whom a restoration may show")] = "subject"
    erases: Annotated[bool, Field(description="a subject's keys may be destroyed")] = False
    team: Annotated[list[Words], Field(max_length=MAX_TEAM, description="who works on it besides you")] = []

    def draft(self) -> Draft:
        """The same, as `Cases` takes it."""
        scope = Scope(tuple(self.cameras), self.from_ms, self.to_ms, tuple(self.kinds))
        return Draft(self.title, self.basis, scope, self.expires_ms, self.shows, self.erases, tuple(self.team))


class NewCaseBody(CaseBody):
    """A case to open; without an id it gets one."""

    case_id: Annotated[str, Field(max_length=64)] = ""


class ApproveBody(BaseModel):
    """Which terms are approved: the digest that was shown with them."""

    model_config = ConfigDict(extra="forbid")

    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class PersonBody(BaseModel):
    """A person to add or to change."""

    model_config = ConfigDict(extra="forbid")

    principal: Annotated[Words, Field(description="common name of a certificate, or oidc:https://ISSUER#SUBJECT")]
    name: Words
    roles: Annotated[list[Role], Field(min_length=1, max_length=5)]
    also: Annotated[list[Words], Field(max_length=10, description="further principals of the same person")] = []


class DisableBody(BaseModel):
    """Whom to let in no longer, or again."""

    model_config = ConfigDict(extra="forbid")

    person: Words
    disabled: bool = True


def add_cases(app: FastAPI, door: Door) -> None:
    """Mount `/cases`."""
    cases = door.gate.cases

    @app.get("/cases")
    def listed(request: Request) -> Response:
        """The cases that you work on, or that you oversee; the newest change first."""
        person = door.person(request, "case-read")
        return _give([case_json(cases, case) for case in cases.readable(person)])

    @app.post("/cases")
    def opened(request: Request, body: NewCaseBody) -> Response:
        """Open a case; it waits until another person approves it."""
        person = door.person(request, "case-open", body.case_id, body.title)
        with _noted(door, "case-open", person, body.case_id, body.title):
            return _give(case_json(cases, cases.open(person, body.draft(), body.case_id)))

    @app.get("/cases/{case_id}")
    def shown(request: Request, case_id: str) -> Response:
        """One case: its terms, their digest, its state and approvals."""
        person = door.person(request, "case-read", case_id)
        with _noted(door, "case-read", person, case_id):
            case = cases.get(case_id)
            if case is None or not may_read(person, case):
                raise AccessDenied("there is no such case that you may see")
            return _give(case_json(cases, case))

    @app.put("/cases/{case_id}")
    def changed(request: Request, case_id: str, body: CaseBody) -> Response:
        """Give a case other terms; earlier approvals don't count for them."""
        person = door.person(request, "case-change", case_id, body.title)
        with _noted(door, "case-change", person, case_id, body.title):
            return _give(case_json(cases, cases.change(person, case_id, body.draft())))

    @app.post("/cases/{case_id}/approve")
    def approved(request: Request, case_id: str, body: ApproveBody) -> Response:
        """Approve exactly the terms of this digest, as somebody who doesn't work on the case."""
        person = door.person(request, "case-approve", case_id)
        with _noted(door, "case-approve", person, case_id):
            return _give(case_json(cases, cases.approve(person, case_id, bytes.fromhex(body.digest))))

    @app.post("/cases/{case_id}/close")
    def closed(request: Request, case_id: str) -> Response:
        """Close a case for ever."""
        person = door.person(request, "case-close", case_id)
        with _noted(door, "case-close", person, case_id):
            return _give(case_json(cases, cases.close(person, case_id)))


def add_people(app: FastAPI, door: Door) -> None:
    """Mount `/people` and `/me`."""
    people = door.gate.people

    @app.get("/me")
    def me(request: Request) -> Response:
        """Who you are here, and what your calls have to carry where they come by a browser."""
        return _give({**person_json(door.person(request, "log-info")), "csrf": door.csrf(request)})

    @app.get("/people")
    def listed(request: Request) -> Response:
        """Everybody who may sign in, the disabled too."""
        door.person(request, "people-read")
        return _give([person_json(person) for person in people.all()])

    @app.post("/people")
    def put(request: Request, body: PersonBody) -> Response:
        """Add a person, or give one another name, other roles, further principals."""
        admin = door.person(request, "people-change")
        detail = {"person": typed(body.principal), "roles": sorted(body.roles), "also": [typed(p) for p in body.also]}
        return _give(person_json(door.gate.change_people(
            admin, (body.principal, *body.also), detail,
            lambda db: people.put(db, body.principal, body.name, body.roles, by=admin.person, also=body.also),
        )))

    @app.post("/people/disable")
    def disable(request: Request, body: DisableBody) -> Response:
        """Let a person in no longer, or again; it holds at once."""
        admin = door.person(request, "people-change")
        detail = {"person": typed(body.person), "disabled": body.disabled}
        return _give(person_json(door.gate.change_people(
            admin, (body.person,), detail, lambda db: people.disable(db, body.person, body.disabled),
        )))


def case_json(cases: Cases, case: Case) -> dict[str, Any]:
    """A case as machines read it."""
    now = cases.now_ms()
    approvals = [
        {"approver": a.approver, "approved_ms": a.approved_ms, "until_ms": a.until_ms,
         "counts": counts(a, case.terms, now)} for a in case.approvals
    ]
    return {**terms_json(case.terms), "state": cases.state(case), "approvals": approvals, "closed_ms": case.closed_ms}


def person_json(person: Person) -> dict[str, Any]:
    """A person as machines read them."""
    return {**asdict(person), "roles": sorted(person.roles)}


def _noted(door: Door, action: Action, person: Person, case_id: str, purpose: str = "") -> AbstractContextManager[None]:
    return noted(door.gate.log, action, person.person, typed(case_id), typed(purpose), {})


def _give(value: Any) -> Response:
    return JSONResponse(value, headers=HEADERS)
