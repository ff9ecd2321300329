"""HTTPS calls about a subject: its restored video, its package, its erasure. Who may, `SubjectDesk` decides."""

from __future__ import annotations

import json
from dataclasses import asdict
from io import BytesIO
from typing import Annotated
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from fastapi import FastAPI, Form, Request, Response
from fastapi.responses import JSONResponse

from infra.recipients import RECIPIENT, read_recipient
from schemas.errors import ConfigError, UsageError
from streams.authority.restored_video import RestoredVideo
from streams.forensic.door import HEADERS, Door
from streams.forensic.subjects import SubjectDesk
from streams.forensic.terms import MAX_WORDS

Case = Annotated[str, Form(description="number of the approved case")]
Purpose = Annotated[str, Form(description="what the answer is needed for")]
Subject = Annotated[str, Form(description="subject as a search names it", max_length=MAX_WORDS)]


def add_subjects(app: FastAPI, desk: SubjectDesk, door: Door) -> None:
    """Mount the calls."""

    @app.post("/subjects/restored-video")
    def restored_video(
        request: Request, subject: Subject, case: Case, purpose: Purpose,
        everyone: Annotated[bool, Form(description="everyone in the subject's video, not the subject alone")] = False,
    ) -> Response:
        """A ZIP of `restored.mp4`, one blank frame for each region picture, and `pictures.json`, whose each is."""
        ground = door.ground(request, "restore", case, purpose)
        given = desk.restored_video(subject, ground, everyone=everyone)
        if given.video is None:
            raise UsageError("there is no such video")
        headers = {**HEADERS, "X-Sealframe-Entry": str(given.entry), "X-Sealframe-Digest": given.digest}
        return Response(zipped(given.video), media_type="application/zip", headers=headers)

    @app.post("/subjects/package")
    def package(
        request: Request, subject: Subject, case: Case, purpose: Purpose,
        recipient: Annotated[str, Form(description="public key it is sealed for: sealframe-recipient-1:...",
                                       max_length=MAX_WORDS)],
    ) -> Response:
        """The subject's regions in its video, in the order of frames, sealed for the recipient."""
        ground = door.ground(request, "export", case, purpose)
        given = desk.package(subject, ground, _key(recipient))
        if given.package is None:
            raise UsageError("there is no such package")
        made = given.package
        about = {"entry": given.entry, "digest": given.digest, "video": made.video_id, "tracks": list(made.tracks),
                 "plate": made.plate, "chunks": made.chunks, "frames": made.frames, "withheld": made.withheld,
                 "recipient": made.recipient}
        headers = {**HEADERS, "X-Sealframe-Package": json.dumps(about)}
        return Response(made.data, media_type="application/octet-stream", headers=headers)

    @app.post("/subjects/erase")
    def erase(request: Request, subject: Subject, case: Case, purpose: Purpose) -> Response:
        """Destroy the subject's keys and index rows, for ever; the entry of the log that says so."""
        ground = door.ground(request, "erase", case, purpose)
        return JSONResponse(asdict(desk.erase(subject, ground)), headers=HEADERS)


def zipped(video: RestoredVideo) -> bytes:
    """A restored video and the list of its pictures as one ZIP."""
    pictures = {"video": video.video_id, "closed": video.closed, "pictures": [asdict(one) for one in video.pictures]}
    data = BytesIO()
    with ZipFile(data, "w") as file:
        file.writestr("restored.mp4", video.media, ZIP_STORED)
        file.writestr("pictures.json", json.dumps(pictures), ZIP_DEFLATED)
    return data.getvalue()


def _key(text: str) -> bytes:
    if not text.strip().startswith(RECIPIENT):
        raise UsageError("give the recipient as text: sealframe-recipient-1: and 64 hex digits")
    try:
        return read_recipient(text)
    except ConfigError as error:
        raise UsageError("give the recipient as text: sealframe-recipient-1: and 64 hex digits") from error
