"""The door of the API: who calls, whether their role may call this at all, and what becomes of errors.

Every refusal is in the access log before its answer leaves, also of calls that no route takes. Who is refused too often
within a minute isn't looked at any more until it is over; that is logged once.

A browser sends its cookie or certificate along wherever a page of somebody else makes it call us. So a call that
changes something has to come from our own pages (`Origin`) and bring the token that they carry, as the header
`X-CSRF-Token` or the field `csrf` of a form. A program without `Origin` comes by its certificate alone.

Looking is an act too: it is logged under the caller's name and counted. So what browsers say comes from another site
(`Sec-Fetch-Site`) is refused before anybody looks who calls, neither logged nor counted: its user did nothing. Only a
link or a redirect to a page leads in from elsewhere, as that of the sign-in does.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from infra.https import App, Receive, Scope, Send, caller
from schemas.errors import AccessDenied, IntegrityError, RateLimited, SealframeError, TransientError, UsageError
from streams.forensic.gate import Gate, Ground, noted
from streams.forensic.permission import Action, Person
from streams.forensic.sessions import SESSION, Session, csrf_of
from streams.forensic.terms import typed

NOBODY = "nobody"
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
MINUTE_MS = 60_000
SAFE = ("GET", "HEAD", "OPTIONS")
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
ELSEWHERE = ("cross-site", "same-site")
FILES = "/desk/"
"""Where pictures, video and downloads of the pages are: none is a page."""
_STATUS: tuple[tuple[type[SealframeError], int], ...] = (
    (UsageError, 422), (AccessDenied, 403), (RateLimited, 429), (TransientError, 503), (IntegrityError, 409),
    (SealframeError, 500),
)


class Door:
    """Lets callers of an app in; made once per service."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self._key = secrets.token_bytes(32)
        self._refusals: dict[str, tuple[int, int]] = {}

    def person(self, request: Request, action: Action, case: str = "", purpose: str = "") -> Person:
        """Who calls.

        Raises:
            AccessDenied: nobody who may call this; it is logged.
            RateLimited: this caller was refused too often within a minute, less than one ago.

        """
        who = principal(request)
        self.wait(request)
        with noted(self.gate.log, action, who, typed(case), typed(purpose), {"path": typed(request.url.path)}):
            return self.gate.person(who, action)

    def ground(self, request: Request, action: Action, case: str, purpose: str) -> Ground:
        """On what ground this caller asks; errors as `person`, and UsageError for empty words, logged too."""
        person = self.person(request, action, case, purpose)
        with noted(self.gate.log, action, person.person, typed(case), typed(purpose), {}):
            return Ground(person.person, case, purpose)

    def csrf(self, request: Request) -> str:
        """What our own pages carry in their forms for this caller."""
        session = session_of(request)
        return session.csrf if session else csrf_of(self._key, principal(request))

    def guard(self, app: FastAPI) -> None:
        """Answer the app's errors, log calls that no route takes, refuse forged ones; before routes are added."""
        app.router.redirect_slashes = False
        app.router.dependencies.append(Depends(self._own))
        app.add_exception_handler(SealframeError, self._answer)
        app.add_exception_handler(RequestValidationError, self._malformed)
        app.add_exception_handler(HTTPException, self._unknown)

    async def _own(self, request: Request) -> None:
        """Whatever changes something and comes by a browser comes from our own pages."""
        origin = request.headers.get("origin")
        if request.method in SAFE or (origin is None and session_of(request) is None):
            return
        given = request.headers.get("x-csrf-token", "")
        if not given and request.headers.get("content-type", "").startswith(FORMS):
            given = str((await request.form()).get("csrf", ""))
        ours = origin == f"https://{request.headers.get('host', '')}"
        if ours and hmac.compare_digest(given.encode(), self.csrf(request).encode()):
            return
        await run_in_threadpool(self._forged, request)

    def _forged(self, request: Request) -> None:
        with noted(self.gate.log, "form", principal(request), "", "", {"path": typed(request.url.path)}):
            raise AccessDenied("this form is out of date or isn't ours: load its page again")

    def refused(self, request: Request) -> None:
        """Count a refused call; from the last one that is let in a minute on the caller waits one, and it is logged."""
        who, now = _counted(request), self.gate.clock()
        self._refusals = {name: kept for name, kept in self._refusals.items() if _within(kept[0], now)}
        since, number = self._refusals.get(who, (now, 0))
        last = number + 1 == self.gate.rules.refusals
        self._refusals[who] = (now if last else since, number + 1)
        if last:
            self.gate.log.append("blocked", principal(request), "", "", {"refused": number + 1, "seconds": 60})

    def wait(self, request: Request) -> None:
        """Raise RateLimited where this caller was refused too often within a minute, less than one ago."""
        since, number = self._refusals.get(_counted(request), (0, 0))
        if number >= self.gate.rules.refusals and _within(since, self.gate.clock()):
            raise RateLimited("refused too often: wait a minute")

    def _answer(self, request: Request, error: Exception) -> Response:
        status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
        if isinstance(error, AccessDenied):
            self.refused(request)
        more = {"Retry-After": "60"} if status == 429 else {}
        return JSONResponse(
            {"error": type(error).__name__, "text": str(error)}, status, headers={**HEADERS, **more}
        )

    def _malformed(self, request: Request, error: Exception) -> Response:
        """Name the fields that don't fit, never what was in them."""
        found = error.errors() if isinstance(error, RequestValidationError) else ()
        fields = sorted({".".join(str(part) for part in one["loc"][1:]) for one in found})[:10]
        return self._logged(request, 422, "malformed", [typed(field) for field in fields])

    def _unknown(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return self._logged(request, status, "no-such-call", [])

    def _logged(self, request: Request, status: int, action: str, fields: list[str]) -> Response:
        who = principal(request)
        try:
            self.wait(request)
        except RateLimited as error:
            return self._answer(request, error)
        detail: dict[str, Any] = {"path": typed(request.url.path), "method": request.method, "fields": fields}
        self.gate.log.append(f"{action}-refused", who, "", "", detail)
        self.refused(request)
        text = f"these fields don't fit: {', '.join(fields)}" if fields else "there is no such call; see /openapi.json"
        return JSONResponse({"error": "UsageError", "text": text}, status, headers=HEADERS)


class OwnSite:
    """An app as its own pages, programs, and links to its pages reach it; other sites' pages can't call it."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http" or not from_elsewhere(Request(scope)):
            await self._app(scope, receive, send)
            return
        said = {"error": "AccessDenied", "text": "another site asked for this: open it from our own pages"}
        await JSONResponse(said, 403, headers=HEADERS)(scope, receive, send)


def from_elsewhere(request: Request) -> bool:
    """A page of another site made a browser send this, and didn't just lead its user to a page of ours."""
    if request.headers.get("sec-fetch-site", "") not in ELSEWHERE:
        return False
    how = (request.method, request.headers.get("sec-fetch-mode"), request.headers.get("sec-fetch-dest"))
    return how != ("GET", "navigate", "document") or request.url.path.startswith(FILES)


def principal(request: Request) -> str:
    """By what the caller comes."""
    return caller(request.scope) or NOBODY


def session_of(request: Request) -> Session | None:
    """The session that a browser's cookie names, None where the caller comes by a certificate."""
    found = request.scope.get("state", {}).get(SESSION)
    return found if isinstance(found, Session) else None


def _within(since: int, now: int) -> bool:
    """Whether a minute hasn't passed; a clock that was set back doesn't lengthen it."""
    return 0 <= now - since < MINUTE_MS


def _counted(request: Request) -> str:
    """Under what refusals are counted: the principal, of strangers the address."""
    address = request.client.host if request.client else ""
    return caller(request.scope) or f"{NOBODY} {address}"
