"""The access log over HTTPS: entries for auditors; checkpoints and how the log grew for whoever keeps them elsewhere.

A keeper learns how many entries there are and their root, nothing of what they say.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from schemas.errors import UsageError
from streams.forensic.door import HEADERS, Door
from streams.forensic.log import PAGE, AccessLog, Entry
from streams.forensic.proofs import inclusion_json, signed_json

HEADER = "Sealframe-Checkpoint"
UNCOVERED = ("/health", "/metrics")
MAX_SEQ = 2**62
Number = Annotated[int, Query(ge=0, lt=MAX_SEQ)]


def add_log(app: FastAPI, log: AccessLog, door: Door) -> None:
    """Add the routes under `/log`."""
    @app.get("/log")
    def entries(request: Request, count: Annotated[int, Query(ge=1, le=PAGE)] = 50) -> Response:
        """The newest entries, newest first."""
        door.person(request, "log-read")
        return JSONResponse([entry_json(entry) for entry in log.last(count)], headers=HEADERS)

    @app.get("/log/info")
    def info(request: Request) -> Response:
        """Size, Merkle root and head of the chain, and the checkpoint that covers all of it."""
        door.person(request, "log-info")
        known = log.info()
        said = {"size": known.size, "root": known.root.hex(), "chain": known.chain.hex()}
        return JSONResponse({**said, **signed_json(log.checkpoint())}, headers=HEADERS)

    @app.get("/log/entries")
    def raw(
        request: Request, first: Number = 0, count: Annotated[int, Query(ge=1, le=PAGE)] = PAGE
    ) -> Response:
        """Entries as they were hashed, with their chain values, in order: to check the log without trusting us."""
        door.person(request, "log-read")
        rows = [{"entry": _text(entry), "chain": chain.hex()} for entry, chain in log.raw(first, count)]
        return JSONResponse(rows, headers=HEADERS)

    @app.get("/log/growth")
    def growth(request: Request, old: Number) -> Response:
        """The newest checkpoint, and the proof that its log begins as the one of `old` entries did."""
        door.person(request, "log-info")
        new, path = log.growth(old)
        return JSONResponse({"new": signed_json(new), "path": [node.hex() for node in path]}, headers=HEADERS)

    @app.get("/log/{seq}/proof")
    def proof(request: Request, seq: int) -> Response:
        """That an entry is in the log, for checking elsewhere."""
        door.person(request, "log-read")
        if not 0 <= seq < MAX_SEQ:
            raise UsageError("entries are counted from 0")
        return JSONResponse(inclusion_json(log.prove(seq)), headers=HEADERS)


def add_checkpoints(app: FastAPI, log: AccessLog) -> None:
    """Let every answer carry the checkpoint that covers its entry, which is then on the disk (`schemas/FORMATS.md`)."""
    @app.middleware("http")
    async def covered(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        answer = await call_next(request)
        if request.url.path not in UNCOVERED:
            note = (await run_in_threadpool(log.checkpoint)).note
            answer.headers[HEADER] = base64.b64encode(note.encode()).decode()
        return answer


def entry_json(entry: Entry) -> dict[str, Any]:
    """An entry as machines read it."""
    return {**entry.content, "chain": entry.chain.hex()}


def _text(entry: bytes) -> str:
    return entry.decode("utf-8", "replace")
