"""The issuer over HTTPS: discovery, keys, the page that asks for a password, tokens. Nobody stays signed in here.

Sign-ins and wrong passwords are limited by address. Behind a proxy that is the one in `X-Forwarded-For`, if uvicorn
trusts the proxy: on this machine it does; one elsewhere has to be named in the environment's `FORWARDED_ALLOW_IPS`,
else all who come by it are counted as one.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, RedirectResponse

from infra.https import address_of
from schemas.errors import AccessDenied, RateLimited, SealframeError, UsageError
from streams.issuer.accounts import Accounts
from streams.issuer.provider import REQUEST_SECONDS, Provider
from streams.pages.render import HEADERS, POLICY, Pages, install

COOKIE = "__Host-sealframe-issuer"
MAX_BODY = 16 * 1024
NO_STORE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
WRONG = "Name or password is wrong."


def create_app(provider: Provider, accounts: Accounts) -> FastAPI:
    """The app."""
    app = FastAPI(title="Sealframe issuer", docs_url=None, redoc_url=None, openapi_url=None)
    pages = Pages("sign-in", lambda _: {"nav": ()})
    install(app, pages)

    @app.exception_handler(SealframeError)
    async def answer(request: Request, error: SealframeError) -> Response:
        status = 429 if isinstance(error, RateLimited) else 400 if isinstance(error, UsageError) else 401
        if request.url.path != "/authorize":
            return JSONResponse({"error": str(error)}, status, NO_STORE)
        return pages.fault(request, status, str(error))

    @app.get("/health")
    def health() -> Response:
        """Whether it answers."""
        return JSONResponse({"ok": True})

    @app.get("/.well-known/openid-configuration")
    def discovery() -> Response:
        """Where everything is."""
        return JSONResponse(provider.metadata())

    @app.get("/jwks")
    def keys() -> Response:
        """What tokens are checked by."""
        return JSONResponse(provider.keys())

    _add_page(app, provider, accounts, pages)

    @app.post("/token")
    async def token(request: Request) -> Response:
        """Tokens for a code, to the client alone."""
        fields = await _form(request)
        name, secret = _basic(request.headers.get("authorization", ""))
        return JSONResponse(provider.token(fields, name, secret), headers=NO_STORE)

    return app


def _add_page(app: FastAPI, provider: Provider, accounts: Accounts, pages: Pages) -> None:
    def show(request: Request, pending: str, redirect: str, fault: str = "", status: int = 200) -> Response:
        page = pages.show(request, "issuer.html", status, title="Sign in", pending=pending, fault=fault,
                          client=provider.client.name)
        place = urlsplit(redirect)
        # browsers hold the way back, to which the form's answer leads, against form-action too
        page.headers["Content-Security-Policy"] = POLICY.replace(
            "form-action 'self'", f"form-action 'self' {place.scheme}://{place.netloc}"
        )
        return page

    @app.get("/authorize")
    def ask(request: Request) -> Response:
        """Ask for name and password."""
        browser = secrets.token_urlsafe(32)
        pending, redirect = provider.ask(dict(request.query_params), browser, address_of(request.scope))
        page = show(request, pending, redirect)
        page.headers.append("set-cookie", f"{COOKIE}={browser}; Path=/; Secure; HttpOnly; SameSite=Strict; "
                                          f"Max-Age={REQUEST_SECONDS:.0f}")
        return page

    @app.post("/authorize")
    async def sign_in(request: Request) -> Response:
        """Check them, and send the browser back with a code."""
        fields, browser = await _form(request), request.cookies.get(COOKIE, "")
        pending = fields.get("request", "")
        redirect = provider.redirect_of(pending, browser)
        if request.headers.get("origin") != provider.issuer:
            raise AccessDenied("the form doesn't come from here: load the page again")
        try:
            subject = await run_in_threadpool(
                accounts.subject, fields.get("name", ""), fields.get("password", ""), address_of(request.scope)
            )
        except RateLimited as error:
            return show(request, pending, redirect, str(error), 429)
        if not subject:
            return show(request, pending, redirect, WRONG, 403)
        return RedirectResponse(provider.answer(pending, browser, subject), 303, HEADERS)


async def _form(request: Request) -> Mapping[str, str]:
    """A small form's fields; raises UsageError for anything else."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise UsageError("a form is needed")
    if not request.headers.get("content-length", "").isdecimal() or int(request.headers["content-length"]) > MAX_BODY:
        raise UsageError("the form is too large")
    return {name: value for name, value in (await request.form()).items() if isinstance(value, str)}


def _basic(header: str) -> tuple[str, str]:
    """Client and secret of HTTP Basic (RFC 7617); empty where there are none."""
    try:
        name, _, secret = base64.b64decode(header.removeprefix("Basic "), validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return name, secret
