"""A person's own appearances, for that person: one archive with the videos, their manifests and a page that explains.

All others in the videos stay masked. What the page says is taken from the signed manifests; the page itself isn't
signed and says so.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from schemas.codec import decode
from schemas.errors import MalformedRecord
from schemas.records import OperatorBody, OperatorChunk
from streams.forensic.manifest import SUFFIX, from_base64
from streams.words import plural

PAGE = "index.html"


@dataclass(frozen=True, slots=True)
class Appearance:
    """One restored video: where it lies now, and its manifest as it was checked."""

    path: Path
    manifest: Mapping[str, Any]


def pack_export(found: Sequence[Appearance], missing: Sequence[tuple[str, str]], ca: Path, out: Path) -> list[str]:
    """Write the archive; the names of the videos in it. `missing`: subjects that couldn't be restored, and why.

    Raises:
        MalformedRecord: a manifest that wasn't checked.

    """
    ordered = sorted(found, key=lambda one: times(one.manifest["body"])[0])
    names = [_name(number, one.manifest["body"]) for number, one in enumerate(ordered, 1)]
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(PAGE, cover(list(zip(names, (one.manifest["body"] for one in ordered), strict=True)), missing))
        archive.write(ca, "ca.pem")
        for name, one in zip(names, ordered, strict=True):
            archive.write(one.path, name)
            archive.write(one.path.with_name(one.path.name + SUFFIX), name + SUFFIX)
    return names


def cover(videos: Sequence[tuple[str, Mapping[str, Any]]], missing: Sequence[tuple[str, str]]) -> str:
    """The page that explains: file names and bodies of manifests, one at least, in the order of their times."""
    template = Template(files("streams.forensic").joinpath("export.html").read_text())
    first = videos[0][1]
    gone = [f"<li>{escape(subject)}: {escape(reason)}</li>" for subject, reason in missing]
    return template.substitute(
        count=plural(len(videos), "recording"),
        case=escape(first["case"]), purpose=escape(first["purpose"]),
        authority=escape(first["authority"]), made=_time(first["time_ms"]),
        rows="\n".join(_row(name, body) for name, body in videos),
        missing=f"<ul>{''.join(gone)}</ul>" if gone else "<p>Nothing that was asked for is missing.</p>",
        digests="\n".join(f"{escape(body['file']['digest'])}  {escape(name)}" for name, body in videos),
    )


def times(body: Mapping[str, Any]) -> tuple[int, int]:
    """When the first and the last chunk of a restored video were captured (milliseconds since 1970)."""
    first, last = (_chunk(body["chunks"][at]).capture_ms for at in (0, -1))
    return first, last


def _chunk(said: Mapping[str, Any]) -> OperatorChunk:
    chunk = decode(OperatorBody, from_base64(said["record"]["body"])).chunk
    if chunk is None:
        raise MalformedRecord("a manifest whose record is not a chunk")
    return chunk


def _row(name: str, body: Mapping[str, Any]) -> str:
    first, last = times(body)
    gaps = "; ".join(f"frames {gap['first_frame']} to {gap['last_frame']}" for gap in body["gaps"]) or "none"
    cells = (escape(body["video"]["camera_id"]), _time(first), _time(last),
             f"{body['replaced']} of {body['frames']}", escape(gaps))
    link = f'<th scope="row"><a href="{escape(name)}">{escape(name)}</a></th>'
    return f"<tr>{link}{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _name(number: int, body: Mapping[str, Any]) -> str:
    when = datetime.fromtimestamp(times(body)[0] / 1000, UTC)
    safe = "".join(sign if sign.isalnum() and sign.isascii() else "-" for sign in body["video"]["camera_id"])
    return f"{number:02d}-{safe}-{when:%Y-%m-%d-%H%M%S}.mp4"


def _time(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
