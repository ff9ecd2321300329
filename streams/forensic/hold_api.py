"""The API of legal holds: JSON over HTTPS, each call by somebody whose role may make it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import FastAPI, Path, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from streams.forensic.door import HEADERS, Door
from streams.forensic.hold_desk import HoldDesk, HoldDraft
from streams.forensic.terms import MAX_MS, MAX_WORDS
from streams.holds import EVER

Name = Annotated[str | None, Field(min_length=1, max_length=MAX_WORDS)]
Number = Annotated[int, Path(ge=0, lt=2**62)]


class HoldBody(BaseModel):
    """A hold to set; at least a camera, a video or a time limits it."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=1, max_length=MAX_WORDS, description="why; no names of persons")]
    camera: Name = None
    video: Name = None
    from_ms: Annotated[int, Field(ge=0, le=MAX_MS)] = 0
    to_ms: Annotated[int, Field(ge=0, le=MAX_MS)] = EVER


def add_holds(app: FastAPI, desk: HoldDesk, door: Door) -> None:
    """Mount `/holds`."""

    @app.get("/holds")
    def listed(request: Request) -> Response:
        """All holds, those that are over too, and what is kept how long where none is in force."""
        door.person(request, "hold-read")
        said = {"holds": [asdict(one) for one in desk.all()], "kept": [asdict(one) for one in desk.kept()]}
        return JSONResponse(said, headers=HEADERS)

    @app.post("/holds")
    def put(request: Request, body: HoldBody) -> Response:
        """Keep what was recorded by a camera, in a video or in a time, until the hold is released."""
        person = door.person(request, "hold-change")
        draft = HoldDraft(body.reason, body.camera, body.video, body.from_ms, body.to_ms)
        return JSONResponse({"hold": desk.set(person, draft)}, headers=HEADERS)

    @app.post("/holds/{number}/release")
    def release(request: Request, number: Number) -> Response:
        """End a hold; retention takes what is due within five minutes."""
        was = desk.release(door.person(request, "hold-change"), number)
        return JSONResponse(asdict(was), headers=HEADERS)
