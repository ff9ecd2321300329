"""Server-rendered pages: Jinja2 templates with everything escaped, security headers, static files out of the package.

Pages work without scripts as far as they can; scripts are ES modules of our own, served from here like the style
sheet. Nothing is fetched from elsewhere, and the content policy would refuse it. Times are shown in UTC.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException

from schemas.frames import MAX_TIME_MS
from streams.words import FIRST_MS, moment, plural

KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob:; "
    "media-src 'self' blob:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
_WORDS = {
    403: "This isn't allowed.",
    404: "There is no such page.",
    409: "What is stored doesn't hold.",
    503: "A service that this page needs doesn't answer.",
}
_NEXT = {
    403: "Sign in as somebody whose role allows it, or ask your administrator.",
    404: "Check the address, or begin at the first page.",
    409: "Nothing is shown that can't be proved. Tell your administrator the text above.",
    503: "Wait a little and load the page again. If it stays so, see the service's log.",
}


def clock(ms: int) -> str:
    """Its time of day alone; the same words where it has none."""
    return moment(ms)[11:] if FIRST_MS <= ms <= MAX_TIME_MS else moment(ms)


def stamp(ms: int | None) -> str:
    """The same as `moment` for machines (RFC 3339); nothing where that can't say it."""
    if ms is None or not FIRST_MS <= ms <= MAX_TIME_MS:
        return ""
    return f"{datetime.fromtimestamp(ms // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{ms % 1000:03}Z"


def span(seconds: float) -> str:
    """A length of time in words that fit a table."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min" if whole < 2 * 86400 else f"{whole // 86400} days"


def size(count: int) -> str:
    """A number of bytes."""
    return f"{count / 2**20:.1f} MiB" if count < 2**30 else f"{count / 2**30:.2f} GiB"


class Pages:
    """Renders the templates of this package; `house` is what a page calls its service."""

    def __init__(
        self, house: str, common: Callable[[Request], Mapping[str, Any]] = lambda _: {}, layout: str = "base.html"
    ) -> None:
        """`common` gives what every page of the service shows: its navigation, who is signed in; `layout` holds it."""
        self._house, self._common, self._layout = house, common, layout
        self._templates = Environment(
            loader=PackageLoader("streams.pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {"moment": moment, "clock": clock, "stamp": stamp, "span": span, "size": size}
        self._templates.globals["plural"] = plural

    def show(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        """A page."""
        shared = {"house": self._house, "path": request.url.path, "layout": self._layout}
        content = self._templates.get_template(template).render(shared | dict(self._common(request)) | values)
        return HTMLResponse(content, status, headers=HEADERS)

    def fault(self, request: Request, status: int, text: str) -> Response:
        """An error as a page that says what to do next."""
        said = _WORDS.get(status, "This didn't work.")
        after = _NEXT.get(status, "Go back, change what the text above names, and try again.")
        return self.show(request, "fault.html", status, title=said, said=said, text=text, after=after)


def wants_page(request: Request) -> bool:
    """A person's browser asks, not a program."""
    return "text/html" in request.headers.get("accept", "")


def install(app: FastAPI, pages: Pages) -> None:
    """Headers on every answer, static files, errors as pages where a browser asks."""
    folder = files("streams.pages").joinpath("static")
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        name = file.name
        app.get(f"/static/{name}", include_in_schema=False)(_static(file.read_bytes(), KINDS[name.rpartition(".")[2]]))

    @app.middleware("http")
    async def with_headers(request: Request, call_next: Callable[[Request], Any]) -> Response:
        response: Response = await call_next(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    @app.exception_handler(HTTPException)
    async def answer(request: Request, error: HTTPException) -> Response:
        if wants_page(request):
            return pages.fault(request, error.status_code, "")
        return JSONResponse({"detail": error.detail}, error.status_code, headers=error.headers)


def _static(content: bytes, kind: str) -> Callable[[Request], Response]:
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}

    def answer(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=kind, headers=headers)

    return answer
