"""The auditor's page of the access log with its checkpoint, and the admin's page of people."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import FastAPI, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from schemas.errors import UsageError
from streams.desk.case_pages import SEE_OTHER
from streams.desk.visit import Visits, may
from streams.forensic.log import AccessLog, Entry
from streams.forensic.permission import ROLES, Person
from streams.forensic.terms import typed
from streams.pages.render import Pages

PAGE = 50
MAX_SEQ = 2**62
SHOWN = 240


def add_log(app: FastAPI, pages: Pages, visits: Visits, log: AccessLog) -> None:
    """Put the page of the log into an app."""
    @app.get("/log", include_in_schema=False)
    def entries(
        request: Request, before: Annotated[int | None, Query(ge=0, lt=MAX_SEQ)] = None,
        words: Annotated[str, Query(max_length=200)] = "",
    ) -> Response:
        """Newest first; `words`: only entries of this page that hold them."""
        visits.door.person(request, "log-read")
        known, signed = log.info(), log.checkpoint()
        end = known.size if before is None else min(before, known.size)
        first = max(0, end - PAGE)
        found = [line(Entry(0, 0, json.loads(entry), chain)) for entry, chain in log.raw(first, end - first)]
        kept = [one for one in reversed(found) if words.lower() in one["all"].lower()]
        return pages.show(
            request, "log.html", title="Access log", entries=kept, first=first, end=end, size=known.size,
            root=known.root.hex(), note=signed.note, words=words, before=before,
        )


def line(entry: Entry) -> dict[str, Any]:
    """An entry as a row: what is said of it, shortened where it is long, and all of it as text."""
    content = entry.content
    refused = str(content["action"]).endswith(("-refused", "-failed")) or content["action"] == "blocked"
    return {**content, "refused": refused, "said": _said(content["detail"]),
            "all": json.dumps(content, ensure_ascii=False), "chain": entry.chain.hex()}


def add_people(app: FastAPI, pages: Pages, visits: Visits) -> None:
    """Put the page of people into an app."""
    door = visits.door
    people = door.gate.people

    def show(request: Request, person: Person, fault: str = "") -> Response:
        return pages.show(
            request, "people.html", 422 if fault else 200, title="People", people=people.all(), fault=fault,
            roles=ROLES, changes=may(person, "people-change"), me=person.person,
        )

    def change(
        request: Request, named: str, detail: Mapping[str, Any], act: Callable[[Any, Person], Person]
    ) -> Response:
        admin = door.person(request, "people-change")
        said = {"person": typed(named), **detail}
        try:
            door.gate.change_people(admin, (named,), said, lambda db: act(db, admin))
        except UsageError as error:
            return show(request, admin, str(error))
        return RedirectResponse("/people", SEE_OTHER)

    @app.get("/people", include_in_schema=False)
    def every(request: Request) -> Response:
        return show(request, door.person(request, "people-read"))

    @app.post("/people", include_in_schema=False)
    def put(
        request: Request, principal: Annotated[str, Form()] = "", name: Annotated[str, Form()] = "",
        role: Annotated[list[str] | None, Form()] = None,
    ) -> Response:
        roles = role or []
        return change(request, principal, {"roles": sorted(typed(one) for one in roles)},
                      lambda db, admin: people.put(db, principal, name, roles, by=admin.person))

    @app.post("/people/disable", include_in_schema=False)
    def disable(request: Request, person: Annotated[str, Form()], disabled: Annotated[bool, Form()]) -> Response:
        return change(request, person, {"disabled": disabled}, lambda db, _: people.disable(db, person, disabled))


def _said(detail: Mapping[str, Any]) -> str:
    text = "; ".join(f"{name}: {value}" for name, value in detail.items() if value not in (None, "", [], {}))
    return text if len(text) <= SHOWN else f"{text[:SHOWN]} …"
