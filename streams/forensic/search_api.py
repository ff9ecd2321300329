"""HTTPS API of searches: by pictures of a face, by a subject of the index, by a plate's text."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import FastAPI, File, Form, Request, Response, UploadFile
from fastapi.responses import JSONResponse

from infra.https import MAX_BODY_BYTES
from operators.embed import SAME
from schemas.errors import SeveralFaces, UsageError
from streams.forensic.door import HEADERS, Door
from streams.forensic.plate_search import PlateAnswer
from streams.forensic.probe import MAX_PICTURES
from streams.forensic.search import Period, SearchAnswer
from streams.forensic.service import Forensics
from streams.forensic.terms import MAX_CAMERAS, MAX_MS

MAX_PICTURE_BYTES = 16 * 2**20
MAX_PICTURES_BYTES = 64 * 2**20
"""Of all pictures of a search together, with the form's other fields."""

Case = Annotated[str, Form(description="number of the approved case")]
Purpose = Annotated[str, Form(description="what the answer is needed for")]
Moment = Annotated[int | None, Form(ge=0, le=MAX_MS, description="milliseconds since 1970")]
Cameras = Annotated[list[str] | None, Form(max_length=MAX_CAMERAS, description="default: all of the case")]
Threshold = Annotated[float, Form(allow_inf_nan=False, description="cosine to list from: 0.91, 0.928 or 0.942")]
Pictures = Annotated[
    list[UploadFile], File(max_length=MAX_PICTURES, description="JPEG or PNG; several: of one person")
]
Face = Annotated[int | None, Form(ge=1, le=1000, description="which face of the picture, from 1, left to right")]


def add_search(app: FastAPI, service: Forensics, door: Door) -> None:
    """Add the searches to an app."""
    app.add_exception_handler(SeveralFaces, _choose)
    _add_faces(app, service, door)
    _add_plates(app, service, door)


def body_bytes(path: str) -> int:
    """How large a request to a path may be: pictures come in searches for faces alone."""
    return MAX_PICTURES_BYTES if path.endswith("/face") else MAX_BODY_BYTES


def answer_json(answer: SearchAnswer | PlateAnswer) -> dict[str, Any]:
    """An answer as machines read it."""
    return {**asdict(answer), "coverage": {**asdict(answer.coverage), "complete": answer.coverage.complete}}


def _add_faces(app: FastAPI, service: Forensics, door: Door) -> None:
    @app.post("/search/face")
    def search_face(
        request: Request, picture: Pictures, case: Case, purpose: Purpose, camera: Cameras = None,
        from_ms: Moment = None, to_ms: Moment = None, threshold: Threshold = SAME, face: Face = None,
    ) -> Response:
        """Subjects that look like the face of the picture, or of all pictures together, and what was searched.

        422 with the faces' boxes where the picture shows several that may be meant: choose one by `face`.
        """
        ground, period = door.ground(request, "search-face", case, purpose), _period(from_ms, to_ms)
        data = [one.file.read(MAX_PICTURE_BYTES + 1) for one in picture]
        if max(map(len, data), default=0) > MAX_PICTURE_BYTES:
            raise UsageError(f"pictures may have {MAX_PICTURE_BYTES} bytes")
        answer = service.search_face(
            data, ground, cameras=camera or None, period=period, threshold=threshold, face=face
        )
        return JSONResponse(answer_json(answer), headers=HEADERS)

    @app.post("/search/subject")
    def search_subject(
        request: Request, subject: Annotated[str, Form(description="as a search names it")], case: Case,
        purpose: Purpose, camera: Cameras = None, from_ms: Moment = None, to_ms: Moment = None,
        threshold: Threshold = SAME,
    ) -> Response:
        """Where else a subject is: others of the index that look like it, and what was searched."""
        ground, period = door.ground(request, "search-face", case, purpose), _period(from_ms, to_ms)
        answer = service.search_subject(subject, ground, cameras=camera or None, period=period, threshold=threshold)
        return JSONResponse(answer_json(answer), headers=HEADERS)


def _add_plates(app: FastAPI, service: Forensics, door: Door) -> None:
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


def _choose(request: Request, error: Exception) -> Response:
    boxes = error.boxes if isinstance(error, SeveralFaces) else ()
    faces = [{"face": number + 1, "box": list(box)} for number, box in enumerate(boxes)]
    return JSONResponse({"error": "SeveralFaces", "text": str(error), "faces": faces}, 422, headers=HEADERS)
