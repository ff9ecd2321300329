"""HTTPS API of the forensic service. Who calls is the person of the client certificate or sign-in: `Door`.

Every call that shows something names case and purpose, and its log entry is written before the answer leaves.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, File, Form, Request, Response, UploadFile
from fastapi.responses import FileResponse, JSONResponse
from prometheus_client import CollectorRegistry
from starlette.background import BackgroundTask

from operators.embed import SAME
from schemas.errors import SealframeError, UsageError
from streams.authority.service import health_app
from streams.forensic.case_api import add_cases, add_people
from streams.forensic.door import HEADERS, Door
from streams.forensic.job_api import add_restorations
from streams.forensic.log_api import add_checkpoints, add_log
from streams.forensic.plate_search import PlateAnswer
from streams.forensic.search import Period, SearchAnswer
from streams.forensic.service import Forensics
from streams.forensic.subject_api import add_subjects
from streams.forensic.subjects import SubjectDesk
from streams.forensic.terms import MAX_CAMERAS, MAX_MS

MAX_PICTURE_BYTES = 16 * 2**20
MAX_SEQ = 2**62

Case = Annotated[str, Form(description="number of the approved case")]
Purpose = Annotated[str, Form(description="what the answer is needed for")]
Moment = Annotated[int | None, Form(ge=0, le=MAX_MS, description="milliseconds since 1970")]
Cameras = Annotated[list[str] | None, Form(max_length=MAX_CAMERAS, description="default: all of the case")]


def create_app(
    service: Forensics, registry: CollectorRegistry, door: Door, failing: Callable[[], str] = lambda: "",
    subjects: SubjectDesk | None = None,
) -> FastAPI:
    """The app: search, restoration, access log, cases, people, and what else is done with a subject."""
    app = health_app("Sealframe forensic service", registry, failing)
    door.guard(app)
    _add_search(app, service, door)
    _add_restore(app, service, door)
    add_restorations(app, service, door)
    add_log(app, service.log, door)
    add_cases(app, door)
    add_people(app, door)
    add_checkpoints(app, service.log)
    if subjects:
        add_subjects(app, subjects, door)
    return app


def answer_json(answer: SearchAnswer | PlateAnswer) -> dict[str, Any]:
    """An answer as machines read it."""
    return {**asdict(answer), "coverage": {**asdict(answer.coverage), "complete": answer.coverage.complete}}


def _add_search(app: FastAPI, service: Forensics, door: Door) -> None:
    @app.post("/search/face")
    def search_face(
        request: Request, picture: Annotated[UploadFile, File(description="JPEG or PNG")], case: Case, purpose: Purpose,
        camera: Cameras = None, from_ms: Moment = None, to_ms: Moment = None,
        threshold: Annotated[float, Form()] = SAME,
    ) -> Response:
        """Subjects that look like the main face of the picture, and what was searched."""
        ground, period = door.ground(request, "search-face", case, purpose), _period(from_ms, to_ms)
        data = picture.file.read(MAX_PICTURE_BYTES + 1)
        if len(data) > MAX_PICTURE_BYTES:
            raise UsageError(f"pictures may have {MAX_PICTURE_BYTES} bytes")
        answer = service.search_face(data, ground, cameras=camera or None, period=period, threshold=threshold)
        return JSONResponse(answer_json(answer), headers=HEADERS)

    @app.post("/search/plate")
    def search_plate(
        request: Request,
        text: Annotated[str, Form(description="the plate's text; ? stands for one sign, * for any number")],
        case: Case, purpose: Purpose, camera: Cameras = None, from_ms: Moment = None, to_ms: Moment = None,
        exact: Annotated[bool, Form(description="this text alone, not those that are like it")] = False,
    ) -> Response:
        """Subjects whose plate reads like the text, how each differs, and what was searched."""
        ground, period = door.ground(request, "search-plate", case, purpose), _period(from_ms, to_ms)
        answer = service.search_plate(text, ground, cameras=camera or None, period=period, exact=exact)
        return JSONResponse(answer_json(answer), headers=HEADERS)


def _period(from_ms: int | None, to_ms: int | None) -> Period | None:
    return None if from_ms is None and to_ms is None else Period(from_ms, to_ms)


def _add_restore(app: FastAPI, service: Forensics, door: Door) -> None:
    @app.post("/restore")
    def restore(
        request: Request, subject: Annotated[str, Form()], case: Case, purpose: Purpose,
        everyone: Annotated[bool, Form(description="show everybody, not the subject alone")] = False,
        with_gaps: Annotated[bool, Form(description="write the video although frames are missing")] = False,
        lossless: Annotated[bool, Form(description="exact samples; browsers may not play it")] = True,
    ) -> Response:
        """The restored video; 409 with the list of gaps where it isn't whole and gaps weren't allowed."""
        ground = door.ground(request, "restore", case, purpose)
        folder = tempfile.TemporaryDirectory(prefix="sealframe-restored-")
        out = Path(folder.name) / "restored.mp4"
        try:
            answer = service.restore(subject, ground, out, everyone=everyone, with_gaps=with_gaps, lossless=lossless)
        except SealframeError:
            folder.cleanup()
            raise
        done = answer.restored
        report = {"entry": answer.entry, "frames": done.frames, "replaced": done.replaced, "withheld": done.withheld,
                  "gaps": [asdict(gap) for gap in done.gaps]}
        if done.path is None:
            folder.cleanup()
            return JSONResponse({"error": "Gaps", **report}, 409, headers=HEADERS)
        headers = {**HEADERS, "X-Sealframe-Entry": str(answer.entry), "X-Sealframe-Frames": str(done.frames),
                   "X-Sealframe-Replaced": str(done.replaced), "X-Sealframe-Gaps": str(len(done.gaps))}
        return FileResponse(out, media_type="video/mp4", headers=headers, background=BackgroundTask(folder.cleanup))


