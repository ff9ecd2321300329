"""HTTPS API of the forensic service. Who calls is the principal of the client certificate, decided by `infra.https`.

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

from infra.https import caller
from operators.embed import SAME
from schemas.errors import AccessDenied, IntegrityError, SealframeError, TransientError, UsageError
from streams.authority.service import health_app
from streams.forensic.log_api import add_checkpoints, add_log
from streams.forensic.plate_search import PlateAnswer
from streams.forensic.search import Period, SearchAnswer
from streams.forensic.service import Forensics, Ground

INVESTIGATORS = ("investigator-*", "authority-*")
MAX_PICTURE_BYTES = 16 * 2**20
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

Case = Annotated[str, Form(description="number of the approved case")]
Purpose = Annotated[str, Form(description="what the answer is needed for")]


def create_app(service: Forensics, registry: CollectorRegistry, failing: Callable[[], str] = lambda: "") -> FastAPI:
    """The app: search, restoration, access log."""
    app = health_app("Sealframe forensic service", registry, failing)
    app.add_exception_handler(SealframeError, _answer_error)
    _add_search(app, service)
    _add_restore(app, service)
    add_log(app, service.log, HEADERS)
    add_checkpoints(app, service.log)
    return app


def answer_json(answer: SearchAnswer | PlateAnswer) -> dict[str, Any]:
    """An answer as machines read it."""
    return {**asdict(answer), "coverage": {**asdict(answer.coverage), "complete": answer.coverage.complete}}


def _add_search(app: FastAPI, service: Forensics) -> None:
    @app.post("/search/face")
    def search_face(
        request: Request, picture: Annotated[UploadFile, File(description="JPEG or PNG")], case: Case, purpose: Purpose,
        camera: Annotated[list[str] | None, Form()] = None, from_ms: Annotated[int | None, Form()] = None,
        to_ms: Annotated[int | None, Form()] = None, threshold: Annotated[float, Form()] = SAME,
    ) -> Response:
        """Subjects that look like the main face of the picture, and what was searched."""
        data = picture.file.read(MAX_PICTURE_BYTES + 1)
        if len(data) > MAX_PICTURE_BYTES:
            raise UsageError(f"pictures may have {MAX_PICTURE_BYTES} bytes")
        ground, period = Ground(caller(request.scope), case, purpose), _period(from_ms, to_ms)
        answer = service.search_face(data, ground, cameras=camera or None, period=period, threshold=threshold)
        return JSONResponse(answer_json(answer), headers=HEADERS)

    @app.post("/search/plate")
    def search_plate(
        request: Request,
        text: Annotated[str, Form(description="the plate's text; ? stands for one sign, * for any number")],
        case: Case, purpose: Purpose, camera: Annotated[list[str] | None, Form()] = None,
        from_ms: Annotated[int | None, Form()] = None, to_ms: Annotated[int | None, Form()] = None,
        exact: Annotated[bool, Form(description="this text alone, not those that are like it")] = False,
    ) -> Response:
        """Subjects whose plate reads like the text, how each differs, and what was searched."""
        ground, period = Ground(caller(request.scope), case, purpose), _period(from_ms, to_ms)
        answer = service.search_plate(text, ground, cameras=camera or None, period=period, exact=exact)
        return JSONResponse(answer_json(answer), headers=HEADERS)


def _period(from_ms: int | None, to_ms: int | None) -> Period | None:
    return None if from_ms is None and to_ms is None else Period(from_ms or 0, 2**53 if to_ms is None else to_ms)


def _add_restore(app: FastAPI, service: Forensics) -> None:
    @app.post("/restore")
    def restore(
        request: Request, subject: Annotated[str, Form()], case: Case, purpose: Purpose,
        everyone: Annotated[bool, Form(description="show everybody, not the subject alone")] = False,
        with_gaps: Annotated[bool, Form(description="write the video although frames are missing")] = False,
        lossless: Annotated[bool, Form(description="exact samples; browsers may not play it")] = True,
    ) -> Response:
        """The restored video; 409 with the list of gaps where it isn't whole and gaps weren't allowed."""
        ground = Ground(caller(request.scope), case, purpose)
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


def _answer_error(request: Request, error: Exception) -> Response:
    status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
    return JSONResponse({"error": type(error).__name__, "text": str(error)}, status, headers=HEADERS)


_STATUS: tuple[tuple[type[SealframeError], int], ...] = (
    (UsageError, 422), (AccessDenied, 403), (TransientError, 503), (IntegrityError, 409), (SealframeError, 500),
)
