"""HTTPS API of the forensic service. Who calls is the person of the client certificate or sign-in: `Door`.

Every call that shows something names case and purpose, and its log entry is written before the answer leaves.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, Form, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from prometheus_client import CollectorRegistry
from starlette.background import BackgroundTask

from schemas.errors import SealframeError
from streams.authority.service import health_app
from streams.forensic.case_api import add_cases, add_people
from streams.forensic.door import HEADERS, Door
from streams.forensic.job_api import add_restorations
from streams.forensic.log_api import add_checkpoints, add_log
from streams.forensic.search_api import Case, Purpose, add_search
from streams.forensic.service import Forensics
from streams.forensic.subject_api import add_subjects
from streams.forensic.subjects import SubjectDesk


def create_app(
    service: Forensics, registry: CollectorRegistry, door: Door, failing: Callable[[], str] = lambda: "",
    subjects: SubjectDesk | None = None,
) -> FastAPI:
    """The app: search, restoration, access log, cases, people, and what else is done with a subject."""
    app = health_app("Sealframe forensic service", registry, failing)
    door.guard(app)
    add_search(app, service, door)
    _add_restore(app, service, door)
    add_restorations(app, service, door)
    add_log(app, service.log, door)
    add_cases(app, door)
    add_people(app, door)
    add_checkpoints(app, service.log)
    if subjects:
        add_subjects(app, subjects, door)
    return app


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


