"""The archive of somebody's own appearances, of cameras whose clocks are right and of one whose isn't."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

from operators.seal import Identity
from schemas.codec import decode, encode
from schemas.records import OperatorBody
from streams.forensic.export import Appearance, archive_of
from tests.support.authority import NOW_MS, recorded
from tests.support.scenes import FORMAT


def manifest(capture_ms: int) -> dict[str, Any]:
    """What a page of it is made of, of one chunk captured then."""
    body = next(
        found for record in recorded(Identity.create().public, 1).operator
        if (found := decode(OperatorBody, record.signed.body)).chunk
    )
    assert body.chunk
    said = encode(replace(body, chunk=replace(body.chunk, capture_ms=capture_ms)))
    return {"body": {
        "chunks": [{"record": {"body": base64.b64encode(said).decode()}}], "video": {"camera_id": "cam"}, "gaps": [],
        "replaced": 1, "frames": 1, "case": "7", "purpose": "request", "authority": "city", "time_ms": NOW_MS,
        "file": {"digest": "0", "bytes": FORMAT.width},
    }}


def test_archive_names_a_video_of_a_clock_beyond_any_calendar(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("")
    found = [Appearance((b"video",), manifest(ms)) for ms in (2**60, NOW_MS)]
    archive = archive_of(found, [], tmp_path / "ca.pem")
    assert archive.videos == ["01-cam-2023-11-14-221320.mp4", "02-cam-after-the-year-9999.mp4"]
    page = b"".join(dict(archive.members)["index.html"]).decode()
    assert "<td>2023-11-14 22:13:20 UTC</td>" in page and "<td>after the year 9999</td>" in page
    assert b"".join(archive.pieces()).startswith(b"PK")
