"""Pages of restorations: ask for one, follow it, look at it beside the desensitised video.

The restored video is fetched once and played from memory: each fetch is logged. The desensitised one comes through
here, so that a browser needs no way to the operating platform.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Protocol

from fastapi import FastAPI, Form, Path, Query, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse, StreamingResponse

from schemas.errors import AccessDenied, UsageError
from streams.desk.case_pages import SEE_OTHER, about, readable
from streams.desk.visit import Visits
from streams.forensic.permission import may_read
from streams.forensic.restorations import Restoration, State, Wish
from streams.forensic.service import Forensics
from streams.forensic.terms import MAX_WORDS
from streams.pages.render import Pages

PIECE = 4 * 2**20
"""Bytes of desensitised video at a time: a player asks for the next ones itself."""
ID = "^[0-9a-f]{32}$"
Id = Annotated[str, Path(pattern=ID)]
JobId = Annotated[str, Query(pattern=ID)]
STATES: dict[State, tuple[str, str]] = {
    "waiting": ("waits for its turn", "warn"), "running": ("is being made", "warn"), "done": ("done", "good"),
    "gaps": ("not written: frames are missing", "bad"), "failed": ("failed", "bad"), "cancelled": ("cancelled", ""),
    "gone": ("destroyed", ""),
}


class PublicVideo(Protocol):
    """Desensitised video, as the operating platform gives it."""

    def video(self, video_id: str, /) -> dict[str, Any]:
        """One video."""
        ...

    def media(self, video_id: str, at: int, length: int, /) -> bytes:
        """Bytes of its file."""
        ...


def add_restorations(app: FastAPI, pages: Pages, visits: Visits, service: Forensics, public: PublicVideo) -> None:
    """Put the pages into an app."""
    door = visits.door

    def job_of(request: Request, job: str) -> Restoration:
        return service.restoration(job, door.person(request, "restore").person)

    @app.get("/cases/{case_id}/restore", include_in_schema=False)
    def asked(request: Request, case_id: str, subject: str, purpose: str = "") -> Response:
        return ask(request, case_id, subject, purpose)

    def ask(request: Request, case_id: str, subject: str, purpose: str, fault: str = "") -> Response:
        person = door.person(request, "restore", case_id, purpose)
        case = readable(visits, person, case_id)
        return pages.show(
            request, "restore.html", 422 if fault else 200, title="Restore", subject=subject[:200],
            purpose=purpose or case.terms.title, fault=fault, **about(service.gate.cases, case, person),
        )

    @app.post("/cases/{case_id}/restore", include_in_schema=False)
    def begin(
        request: Request, case_id: str, subject: Annotated[str, Form(max_length=MAX_WORDS)],
        purpose: Annotated[str, Form()] = "", everyone: Annotated[str, Form()] = "",
        with_gaps: Annotated[str, Form()] = "", lossless: Annotated[str, Form()] = "",
        burnt: Annotated[str, Form()] = "",
    ) -> Response:
        try:
            ground = door.ground(request, "restore", case_id, purpose)
            wish = Wish(bool(everyone), bool(with_gaps), bool(lossless), bool(burnt) and not lossless)
            job = service.begin_restoration(subject, ground, wish)
        except (AccessDenied, UsageError) as error:
            return ask(request, case_id, subject, purpose, str(error))
        return RedirectResponse(f"/restorations/{job.restoration_id}", SEE_OTHER)

    @app.get("/restorations", include_in_schema=False)
    def mine(request: Request) -> Response:
        jobs = service.restorations(door.person(request, "restore").person)
        return pages.show(request, "restorations.html", title="Restorations", jobs=jobs, states=STATES)

    @app.get("/restorations/{job}", include_in_schema=False)
    def one(request: Request, job: Id) -> Response:
        made, person = job_of(request, job), door.person(request, "restore")
        case = service.gate.cases.get(made.case_id)
        given = about(service.gate.cases, case, person) if case and may_read(person, case) else {}
        offers = {name: given.get(name, False) and made.state != "gone" for name in ("exports", "erases")}
        return pages.show(request, "restoration.html", title="Restoration", job=made, states=STATES, **offers)

    @app.post("/restorations/{job}/cancel", include_in_schema=False)
    def cancel(request: Request, job: Id) -> Response:
        service.cancel(job, door.person(request, "restore").person)
        return RedirectResponse(f"/restorations/{job}", SEE_OTHER)

    @app.get("/desk/file", include_in_schema=False)
    def file(request: Request, job: JobId) -> Response:
        made, content = service.restored_file(job, door.person(request, "restore").person)
        size = {"Content-Length": str((made.manifest or {})["body"]["file"]["bytes"])}
        return StreamingResponse(content, media_type="video/mp4", headers=size)

    @app.get("/desk/manifest", include_in_schema=False)
    def manifest(request: Request, job: JobId) -> Response:
        named = {"Content-Disposition": f'attachment; filename="{job}.manifest.json"'}
        return JSONResponse(job_of(request, job).manifest, headers=named)

    @app.get("/desk/public", include_in_schema=False)
    def desensitised(request: Request, job: JobId) -> Response:
        return piece(request.headers.get("range", ""), job_of(request, job).video_id, public)


def piece(asked: str, video_id: str, public: PublicVideo) -> Response:
    """A byte range of a video, at most `PIECE` of it: what a player asks for beyond that it asks for again."""
    size = int(public.video(video_id)["bytes"])
    found = re.fullmatch(r"bytes=(\d{1,18})-(\d{0,18})", asked)
    at = int(found[1]) if found else 0
    if at >= size:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{size}"})
    stop = min(size, int(found[2]) + 1 if found and found[2] else size, at + PIECE)
    if stop <= at:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{size}"})
    data = public.media(video_id, at, stop - at)
    headers = {"Accept-Ranges": "bytes", "Content-Range": f"bytes {at}-{stop - 1}/{size}"}
    return Response(data, 206, headers, media_type="video/mp4")
