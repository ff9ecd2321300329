"""Pages of cases: list, open, look, change, approve, close; the approver's list."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Annotated, Any, cast

from fastapi import Depends, FastAPI, Form, Request, Response
from fastapi.responses import RedirectResponse

from schemas.errors import AccessDenied, UsageError
from schemas.topics import DAY_MS
from streams.desk.visit import Visits, may
from streams.desk.words import SHOWS, STATES, input_time, period_words, read_time
from streams.forensic.cases import Cases, Draft
from streams.forensic.gate import noted
from streams.forensic.permission import Action, Person, may_read
from streams.forensic.terms import KINDS, MAX_MS, Case, Kind, Scope, Shows, State, counts, listed, time_text, typed
from streams.pages.render import Pages

DEFAULT_DAYS = 14
SEE_OTHER = 303


class CaseForm:
    """The fields of a case as somebody typed them, as a dependency of FastAPI."""

    def __init__(
        self, title: Annotated[str, Form()] = "", basis: Annotated[str, Form()] = "",
        cameras: Annotated[str, Form()] = "", begin: Annotated[str, Form()] = "", end: Annotated[str, Form()] = "",
        kind: Annotated[list[str] | None, Form()] = None, shows: Annotated[str, Form()] = "subject",
        erases: Annotated[str, Form()] = "", expires: Annotated[str, Form()] = "", team: Annotated[str, Form()] = "",
    ) -> None:
        self.title, self.basis, self.cameras, self.shows, self.team = title, basis, cameras, shows, team
        self.begin, self.end, self.expires, self.erases, self.kinds = begin, end, expires, bool(erases), kind or []

    def draft(self) -> Draft:
        """What the case is to say.

        Raises:
            UsageError: a field that can't be; says which.

        """
        expires = read_time(self.expires, "expiry")
        if expires is None:
            raise UsageError("say when the case expires")
        if not self.kinds:
            raise UsageError("choose faces, plates or both")
        begin, end = read_time(self.begin, "from"), read_time(self.end, "until", end=True)
        scope = Scope(
            tuple(_listed(self.cameras)), begin or 0, MAX_MS if end is None else end,
            cast(tuple[Kind, ...], tuple(self.kinds)),
        )
        return Draft(self.title, self.basis, scope, expires, cast(Shows, self.shows), self.erases,
                     tuple(_listed(self.team)))


def add_cases(app: FastAPI, pages: Pages, visits: Visits, cameras: Any) -> None:
    """Put the pages into an app; `cameras()` names the cameras that the authority has evidence of."""
    door = visits.door
    cases = door.gate.cases

    def form(request: Request, values: CaseForm, case: Case | None, fault: str = "") -> Response:
        return pages.show(
            request, "case_form.html", 422 if fault else 200, title="Change the case" if case else "Open a case",
            form=values, case=case, fault=fault, cameras=cameras(), shows=SHOWS, kinds=KINDS,
            needs_second=cases.rules.second_person,
        )

    @app.get("/cases", include_in_schema=False)
    def every(request: Request) -> Response:
        person = door.person(request, "case-read")
        found = [(case, cases.state(case)) for case in cases.readable(person)]
        return pages.show(request, "cases.html", title="Cases", cases=found, states=STATES, listed=listed,
                          time_text=time_text, period=period_words, opens=may(person, "case-open"))

    @app.get("/approvals", include_in_schema=False)
    def approvals(request: Request) -> Response:
        person = door.person(request, "case-approve")
        waiting = [case for case in cases.readable(person) if cases.state(case) == "waiting"]
        return pages.show(request, "approvals.html", title="Approvals", cases=waiting, listed=listed,
                          time_text=time_text, period=period_words, shows=SHOWS)

    @app.get("/cases/new", include_in_schema=False)
    def new(request: Request) -> Response:
        door.person(request, "case-open")
        return form(request, CaseForm(expires=input_time(cases.now_ms() + DEFAULT_DAYS * DAY_MS), kind=["face"],
                                      cameras="*"), None)

    @app.post("/cases/new", include_in_schema=False)
    def opened(request: Request, values: Annotated[CaseForm, Depends()]) -> Response:
        person = door.person(request, "case-open", "", values.title)
        try:
            with _noted(visits, "case-open", person, "", values.title):
                case = cases.open(person, values.draft())
        except UsageError as error:
            return form(request, values, None, str(error))
        return RedirectResponse(f"/cases/{case.terms.case_id}", SEE_OTHER)

    @app.get("/cases/{case_id}/change", include_in_schema=False)
    def change(request: Request, case_id: str) -> Response:
        person = door.person(request, "case-change", case_id)
        case = readable(visits, person, case_id)
        terms = case.terms
        others = sorted(set(terms.team) - {person.person})
        values = CaseForm(
            terms.title, terms.basis, "\n".join(terms.scope.cameras), input_time(terms.scope.from_ms or None),
            input_time(terms.scope.to_ms), list(terms.scope.kinds), terms.shows, "yes" if terms.erases else "",
            input_time(terms.expires_ms), "\n".join(others),
        )
        return form(request, values, case)

    @app.post("/cases/{case_id}/change", include_in_schema=False)
    def changed(request: Request, case_id: str, values: Annotated[CaseForm, Depends()]) -> Response:
        person = door.person(request, "case-change", case_id, values.title)
        try:
            with _noted(visits, "case-change", person, case_id, values.title):
                cases.change(person, case_id, values.draft())
        except UsageError as error:
            return form(request, values, readable(visits, person, case_id), str(error))
        return RedirectResponse(f"/cases/{case_id}", SEE_OTHER)

    @app.post("/cases/{case_id}/approve", include_in_schema=False)
    def approve(request: Request, case_id: str, digest: Annotated[str, Form(pattern="^[0-9a-f]{64}$")]) -> Response:
        person = door.person(request, "case-approve", case_id)
        with _noted(visits, "case-approve", person, case_id):
            cases.approve(person, case_id, bytes.fromhex(digest))
        return RedirectResponse(f"/cases/{case_id}", SEE_OTHER)

    @app.post("/cases/{case_id}/close", include_in_schema=False)
    def close(request: Request, case_id: str) -> Response:
        person = door.person(request, "case-close", case_id)
        with _noted(visits, "case-close", person, case_id):
            cases.close(person, case_id)
        return RedirectResponse(f"/cases/{case_id}", SEE_OTHER)


def readable(visits: Visits, person: Person, case_id: str) -> Case:
    """A case that this person may see; another one is refused, and that is logged.

    Raises:
        AccessDenied: none such.

    """
    with _noted(visits, "case-read", person, case_id):
        case = visits.door.gate.cases.get(case_id)
        if case is None or not may_read(person, case):
            raise AccessDenied("there is no such case that you may see")
    return case


def about(cases: Cases, case: Case, person: Person) -> dict[str, Any]:
    """What the page of a case shows of it, and what this person may do with it."""
    now, state, terms = cases.now_ms(), cases.state(case), case.terms
    works, apart = person.person in terms.team, person.person not in (*terms.team, terms.opened_by)
    agreed = any(one.digest == terms.digest and one.approver == person.person for one in case.approvals)
    return {
        "case": case, "terms": terms, "state": state, "stands": _stands(state), "digest": terms.digest.hex(),
        "approvals": [(one, counts(one, terms, now)) for one in case.approvals], "listed": listed,
        "time_text": time_text, "period": period_words(terms.scope), "shows": SHOWS[terms.shows],
        "approves": may(person, "case-approve") and state == "waiting" and apart and not agreed,
        "changes": may(person, "case-change") and works and state != "closed",
        "closes": may(person, "case-close") and (works or not may(person, "case-open")) and state != "closed",
        "searches": may(person, "search-face") and works and state == "open",
        "exports": may(person, "export") and works and state == "open" and terms.shows != "nobody",
        "erases": may(person, "erase") and works and state == "open" and terms.erases,
    }


def _stands(state: State) -> tuple[str, str]:
    return STATES[state]


def _listed(text: str) -> list[str]:
    return [line.strip() for line in text.replace(",", "\n").splitlines() if line.strip()]


def _noted(
    visits: Visits, action: Action, person: Person, case_id: str, purpose: str = ""
) -> AbstractContextManager[None]:
    return noted(visits.door.gate.log, action, person.person, typed(case_id), typed(purpose), {})
