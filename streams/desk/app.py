"""The desk as an app: pages of cases, search, restorations, exports, erasures, holds, the log and people.

A call that is refused is logged and counted as one of the API is: by the same door. What a person may do is decided by
the gate alone; a page that doesn't show a button only saves a refusal.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from infra.https import App, Receive, Scope, Send
from infra.postgres import Database
from schemas.errors import SealframeError
from streams.desk.case_pages import add_cases
from streams.desk.hold_pages import add_holds
from streams.desk.log_pages import add_log, add_people
from streams.desk.restore_pages import PublicVideo, add_restorations
from streams.desk.search_pages import Portrait, add_search
from streams.desk.subject_pages import add_subjects
from streams.desk.visit import NAV, Visits, may
from streams.forensic.door import Door
from streams.forensic.hold_desk import HoldDesk
from streams.forensic.service import Forensics
from streams.forensic.sign_in import SignInDesk, add_sign_in
from streams.forensic.subjects import SubjectDesk
from streams.pages.render import HEADERS, Pages, install, wants_page

DESK_ONLY = ("/desk/", "/static/", "/sign-")
"""What a page fetches that isn't a page: pictures, video, scripts; and the way in and out."""


@dataclass(frozen=True, slots=True)
class DeskSetup:
    """What the pages need of an authority: its service and database, who draws a subject, who has the public video, its
    subjects and holds, its CA's certificate, and how people sign in (None: by certificates alone).
    """

    name: str
    service: Forensics
    database: Database
    portrait: Portrait
    public: PublicVideo
    subjects: SubjectDesk
    holds: HoldDesk
    ca: Path
    sign_in: SignInDesk | None = None


def create_desk(setup: DeskSetup, door: Door) -> FastAPI:
    """The app. Callers come by a certificate, or, where people can sign in, through `ByBrowser`."""
    app = FastAPI(title="Sealframe desk", docs_url=None, redoc_url=None, openapi_url=None)
    visits = Visits(door, "/sign-in" if setup.sign_in else "")
    pages = Pages(setup.name, visits.common, "desk.html")
    install(app, pages)
    door.guard(app)
    _as_pages(app, pages, visits)
    cameras = _cameras(setup.database)
    _add_first(app, pages, visits)
    add_cases(app, pages, visits, cameras)
    add_search(app, pages, visits, setup.service, setup.database, setup.portrait, cameras)
    add_restorations(app, pages, visits, setup.service, setup.public)
    add_subjects(app, pages, visits, setup.service, setup.subjects, setup.ca)
    add_holds(app, pages, visits, setup.holds, cameras)
    add_log(app, pages, visits, setup.service.log)
    add_people(app, pages, visits)
    if setup.sign_in:
        add_sign_in(app, door, setup.sign_in)
    return app


class PagesOrApi:
    """One address for people and programs: a browser that asks for a page gets the desk, anybody else the API."""

    def __init__(self, desk: App, api: App) -> None:
        self._desk, self._api = desk, api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        desk = scope["type"] == "http" and (scope["path"].startswith(DESK_ONLY) or wants_page(Request(scope)))
        await (self._desk if desk else self._api)(scope, receive, send)


def _add_first(app: FastAPI, pages: Pages, visits: Visits) -> None:
    @app.get("/", include_in_schema=False)
    def first(request: Request) -> Response:
        """Where this person's work begins."""
        person = visits.known(request)
        if person is None:
            return pages.show(request, "sign_in.html", 401, title="Sign in", said="")
        order = ("/approvals", "/log", "/cases", "/people")
        allowed = {path for path, _, action in NAV if may(person, action)}
        return RedirectResponse(next((path for path in order if path in allowed), "/cases"), 303)


def _as_pages(app: FastAPI, pages: Pages, visits: Visits) -> None:
    """What the door answers to a program, said as a page to a browser; it has logged and counted it by then."""
    for kind in (SealframeError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, _paged(app.exception_handlers[kind], pages, visits))


def _paged(handler: Callable[..., Any], pages: Pages, visits: Visits) -> Callable[..., Awaitable[Response]]:
    async def answer(request: Request, error: Exception) -> Response:
        plain: Response = await run_in_threadpool(handler, request, error)
        if not wants_page(request):
            return plain
        return await run_in_threadpool(shown, request, plain)

    def shown(request: Request, plain: Response) -> Response:
        text = str(json.loads(bytes(plain.body)).get("text", ""))
        if visits.known(request) is None:
            return pages.show(request, "sign_in.html", 401, title="Sign in", said=text)
        page = pages.fault(request, plain.status_code, "" if plain.status_code == 404 else text)
        page.headers.update({name: value for name, value in plain.headers.items() if name == "retry-after"} | HEADERS)
        return page

    return answer


def _cameras(database: Database) -> Callable[[], Sequence[str]]:
    def named() -> Sequence[str]:
        with database.connection() as db:
            return [row[0] for row in db.execute("SELECT DISTINCT camera_id FROM videos ORDER BY 1").fetchall()]

    return named
