"""Restorations as jobs over HTTPS: ask, look how far it is, fetch the file and its manifest, cancel.

Each is shown to the person who asked for it, and to nobody else. Fetching the file is logged before it leaves.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Form, Path, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from schemas.errors import UsageError
from streams.forensic.door import HEADERS, Door
from streams.forensic.restorations import Restoration, Wish
from streams.forensic.service import Forensics
from streams.forensic.terms import MAX_WORDS

Id = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]


def add_restorations(app: FastAPI, service: Forensics, door: Door) -> None:
    """Add the routes under `/restorations`."""
    def person(request: Request) -> str:
        return door.person(request, "restore").person

    @app.post("/restorations", status_code=202)
    def begin(
        request: Request, subject: Annotated[str, Form(max_length=MAX_WORDS)],
        case: Annotated[str, Form(description="number of the approved case")],
        purpose: Annotated[str, Form(description="what the answer is needed for")],
        everyone: Annotated[bool, Form(description="show everybody, not the subject alone")] = False,
        with_gaps: Annotated[bool, Form(description="write the video although frames are missing")] = False,
        lossless: Annotated[bool, Form(description="exact samples; browsers may not play it")] = True,
        burnt: Annotated[bool, Form(description="case, person, time and entry burnt into the pictures")] = False,
        action: Annotated[Literal["restore", "export"], Form(description="export: for the person shown")] = "restore",
    ) -> Response:
        """Ask for a restoration; the answer says how to follow it."""
        ground = door.ground(request, action, case, purpose)
        job = service.begin_restoration(subject, ground, Wish(everyone, with_gaps, lossless, burnt), action)
        return JSONResponse(job_json(job), 202, headers={**HEADERS, "Location": f"/restorations/{job.restoration_id}"})

    @app.get("/restorations")
    def mine(request: Request) -> Response:
        """Your own, newest first."""
        jobs = service.restorations(person(request))
        return JSONResponse([job_json(job) for job in jobs], headers=HEADERS)

    @app.get("/restorations/{restoration_id}")
    def one(request: Request, restoration_id: Id) -> Response:
        """How far it is."""
        return JSONResponse(job_json(service.restoration(restoration_id, person(request))), headers=HEADERS)

    @app.get("/restorations/{restoration_id}/file")
    def file(request: Request, restoration_id: Id) -> Response:
        """The restored video, once it is done."""
        job, content = service.restored_file(restoration_id, person(request))
        size = {"Content-Length": str((job.manifest or {})["body"]["file"]["bytes"])}
        return StreamingResponse(content, media_type="video/mp4", headers={**HEADERS, **size})

    @app.get("/restorations/{restoration_id}/manifest")
    def manifest(request: Request, restoration_id: Id) -> Response:
        """The signed chain of custody of the file."""
        job = service.restoration(restoration_id, person(request))
        if job.manifest is None:
            raise UsageError(f"the restoration is {job.state}: there is no manifest to fetch")
        return JSONResponse(job.manifest, headers=HEADERS)

    @app.delete("/restorations/{restoration_id}")
    def cancel(request: Request, restoration_id: Id) -> Response:
        """Stop it, and destroy what was made."""
        return JSONResponse(job_json(service.cancel(restoration_id, person(request))), headers=HEADERS)


def job_json(job: Restoration) -> dict[str, Any]:
    """A restoration as machines read it."""
    body = (job.manifest or {}).get("body", {})
    return {
        "id": job.restoration_id, "state": job.state, "done": job.done, "frames": job.frames, "entry": job.entry,
        "subject": job.subject_id, "video": job.video_id, "case": job.case_id, "purpose": job.purpose,
        **asdict(job.wish), "error": job.error, "gaps": [asdict(gap) for gap in job.gaps],
        "created_ms": job.created_ms, "until_ms": job.until_ms,
        "replaced": body.get("replaced", 0), "lost": body.get("lost", 0),
    }
