"""Signing in and out by a browser, and the way of every request that comes by one.

Cookies are bound to this host (`__Host-`), unreadable for scripts, and named after the authority, as a browser sends
the cookies of a host to all of its ports. The session's cookie isn't sent along from anywhere else (`SameSite=Strict`);
that of a sign-in under way has to come back from the issuer (`Lax`): the answer then is a page of our own that goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from html import escape
from http.cookies import CookieError, SimpleCookie
from typing import Annotated
from urllib.parse import quote

from fastapi import FastAPI, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse

from infra.https import PRINCIPAL, App, Receive, Scope, Send, address_of
from schemas.errors import AccessDenied, RateLimited
from streams.forensic.door import HEADERS, Door, principal
from streams.forensic.gate import noted
from streams.forensic.oidc import OpenIdClient
from streams.forensic.people import oidc_principal
from streams.forensic.permission import role_refusal
from streams.forensic.sessions import CALLBACK, SESSION, SIGN_IN, SIGN_IN_MS, Sessions

OPEN = (SIGN_IN, CALLBACK, "/health")
OPEN_FOLDER = "/static/"
FRESH = "sealframe-fresh"
"""Header of what a page asks for by itself (`fresh.js`): nobody is at the desk for it."""
MAX_TARGET, MAX_CODE = 500, 2000
Text = Annotated[str, Query(max_length=MAX_CODE)]


@dataclass(frozen=True, slots=True)
class SignInDesk:
    """What signing in needs; `name` of the authority is part of its cookies' names."""

    name: str
    client: OpenIdClient
    sessions: Sessions

    @property
    def cookie(self) -> str:
        """Name of the session's cookie."""
        return f"__Host-sealframe-{self.name}"

    @property
    def browser(self) -> str:
        """Name of the cookie of a sign-in under way."""
        return f"{self.cookie}-sign-in"


def add_sign_in(app: FastAPI, door: Door, desk: SignInDesk) -> None:
    """Mount `/sign-in`, `/sign-in/callback`, `/sign-out`."""
    @app.get(SIGN_IN, include_in_schema=False)
    def begin(request: Request, to: Annotated[str, Query(max_length=MAX_TARGET)] = "/") -> Response:
        """Send the browser to the issuer."""
        door.wait(request)
        browser, made = desk.sessions.begin(_own_path(to), address_of(request.scope))
        answer = RedirectResponse(desk.client.address(made), 303, HEADERS)
        _set(answer, desk.browser, browser, SIGN_IN_MS // 1000, "lax")
        return answer

    @app.get(CALLBACK, include_in_schema=False)
    def back(request: Request, state: Text = "", code: Text = "", error: Text = "", iss: Text = "") -> Response:
        """Take the browser back from the issuer: a new session, if the issuer vouches for somebody known here."""
        door.wait(request)
        log = door.gate.log
        with noted(log, "sign-in", principal(request), "", "", {}):
            made = desk.sessions.take(request.cookies.get(desk.browser, ""), state)
            if made is None:
                raise AccessDenied("this sign-in wasn't begun here, or took too long: sign in again")
            if error or not code:
                raise AccessDenied("the issuer didn't let you in: sign in again")
            who = oidc_principal(desk.client.issuer, desk.client.subject(code, made, iss))
        with noted(log, "sign-in", who, "", "", {}):
            person = door.gate.people.by_principal(who)
            if person is None or person.disabled:
                raise AccessDenied(f"{role_refusal(person, 'log-info')}; you are {who}")
        token = desk.sessions.create(who, request.cookies.get(desk.cookie, ""))
        log.append("sign-in", person.person, "", "", {"principal": who})
        # by a page: of a redirect that began at the issuer, browsers keep the strict cookie back
        onward = f'<meta http-equiv="refresh" content="0; url={escape(made.target)}">'
        answer = _bare("You are signed in", made.target, "Go on", onward)
        _set(answer, desk.cookie, token, None, "strict")
        answer.delete_cookie(desk.browser, secure=True, httponly=True, samesite="lax")
        return answer

    @app.post("/sign-out", include_in_schema=False)
    def out(request: Request) -> Response:
        """End the session, here and at once."""
        person = door.person(request, "log-info")
        desk.sessions.end(request.cookies.get(desk.cookie, ""))
        door.gate.log.append("sign-out", person.person, "", "", {})
        answer = _bare("You are signed out", SIGN_IN, "Sign in again")
        answer.delete_cookie(desk.cookie, secure=True, httponly=True, samesite="strict")
        return answer


class ByBrowser:
    """The app as browsers reach it: without a session there is nothing but the way to sign in."""

    def __init__(self, app: App, door: Door, desk: SignInDesk) -> None:
        self._app, self._door, self._desk = app, door, desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Say whose session a request is of, or answer it here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request, path = Request(scope), scope["path"]
        token = _cookie(request, self._desk.cookie)
        look = partial(self._desk.sessions.look, token, used=FRESH not in request.headers)
        session = await run_in_threadpool(look) if token else None
        scope["state"] = {**scope.get("state", {}), PRINCIPAL: session.principal if session else "", SESSION: session}
        if session or path in OPEN or path.startswith(OPEN_FOLDER):
            await self._app(scope, receive, send)
            return
        answer = await run_in_threadpool(self._stranger, request, bool(token))
        await answer(scope, receive, send)

    def _stranger(self, request: Request, had_token: bool) -> Response:
        """To the sign-in; a token that stands for nothing is logged."""
        if had_token:
            try:
                self._door.wait(request)
            except RateLimited as error:
                return JSONResponse({"error": "RateLimited", "text": str(error)}, 429, HEADERS)
            self._door.gate.log.append(
                "session-refused", principal(request), "", "", {"reason": "unknown, over, or its person is disabled"}
            )
            self._door.refused(request)
        if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            to = quote(request.url.path + (f"?{request.url.query}" if request.url.query else ""), safe="")
            return RedirectResponse(f"{SIGN_IN}?to={to[:MAX_TARGET]}", 303, HEADERS)
        return JSONResponse({"error": "AccessDenied", "text": "sign in first: /sign-in"}, 401, HEADERS)


def _cookie(request: Request, name: str) -> str:
    """A cookie's value; nothing where it comes twice: one of them would be somebody else's."""
    headers = request.headers.getlist("cookie")
    try:
        found = [morsel.value for header in headers for part in header.split(";")
                 for key, morsel in SimpleCookie(part).items() if key == name]
    except CookieError:
        return ""
    return found[0] if len(found) == 1 else ""


def _own_path(target: str) -> str:
    """Where to go on after a sign-in: a path here, never another site."""
    plain = target.isprintable() and "\\" not in target
    return target if plain and target.startswith("/") and not target.startswith("//") else "/"


def _set(answer: Response, name: str, value: str, seconds: int | None, same_site: str) -> None:
    answer.headers.append("set-cookie", f"{name}={value}; Path=/; Secure; HttpOnly; SameSite={same_site.title()}" + (
        f"; Max-Age={seconds}" if seconds else ""
    ))


_PAGE = HEADERS | {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; "
                               "base-uri 'none'",
    "Referrer-Policy": "no-referrer",
}
_BARE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} · Sealframe</title>'
    '<meta name="viewport" content="width=device-width, initial-scale=1">{more}'
    '<link rel="icon" href="/static/icon.svg" type="image/svg+xml"><link rel="stylesheet" href="/static/style.css">'
    '</head><body><main><section class="empty"><h1>{title}</h1><p><a class="button" href="{to}">{next}</a></p>'
    "</section></main></body></html>"
)


def _bare(title: str, to: str, then: str, more: str = "") -> Response:
    """A page that says one thing and leads on."""
    return HTMLResponse(_BARE.format(title=title, to=escape(to), next=then, more=more), headers=_PAGE)
