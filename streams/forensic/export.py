"""A person's own appearances, for that person: one archive with the videos, their manifests and a page that explains.

All others in the videos stay masked. What the page says is taken from the signed manifests; the page itself isn't
signed and says so.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from schemas.codec import decode
from schemas.errors import MalformedRecord
from schemas.frames import MAX_TIME_MS
from schemas.records import OperatorBody, OperatorChunk
from streams.forensic.manifest import SUFFIX, from_base64
from streams.words import moment, plural

PAGE = "index.html"


@dataclass(frozen=True, slots=True)
class Appearance:
    """One restored video: its bytes, piece by piece, and its manifest as it was checked."""

    content: Iterable[bytes]
    manifest: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Archive:
    """What an archive holds, in order: names and bytes, piece by piece; and when it was asked for (ms)."""

    members: tuple[tuple[str, Iterable[bytes]], ...]
    time_ms: int

    @property
    def videos(self) -> list[str]:
        """The names of its videos."""
        return [name for name, _ in self.members if name.endswith(".mp4")]

    def pieces(self) -> Iterator[bytes]:
        """It as a ZIP, piece by piece, so that no picture lies bare on a disk on the way."""
        written = _Written()
        when = datetime.fromtimestamp(self.time_ms / 1000, UTC).timetuple()[:6]
        with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as archive:
            for name, content in self.members:
                with archive.open(zipfile.ZipInfo(name, when), "w", force_zip64=True) as file:
                    for piece in content:
                        file.write(piece)
                        yield written.taken()
        yield written.taken()


class _Written(io.RawIOBase):
    """Takes what is written, and gives it away when asked."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data


def archive_of(found: Sequence[Appearance], missing: Sequence[tuple[str, str]], ca: Path) -> Archive:
    """The archive of these, one at least. `missing`: subjects that couldn't be restored, and why.

    Raises:
        MalformedRecord: a manifest that wasn't checked.

    """
    ordered = sorted(found, key=lambda one: times(one.manifest["body"])[0])
    bodies = [one.manifest["body"] for one in ordered]
    names = [_name(number, body) for number, body in enumerate(bodies, 1)]
    members: list[tuple[str, Iterable[bytes]]] = [
        (PAGE, (cover(list(zip(names, bodies, strict=True)), missing).encode(),)), ("ca.pem", (ca.read_bytes(),)),
    ]
    for name, one in zip(names, ordered, strict=True):
        members += [(name, one.content), (name + SUFFIX, (json.dumps(one.manifest, sort_keys=True).encode(),))]
    return Archive(tuple(members), bodies[0]["time_ms"])


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
    missing = [f"frames {gap['first_frame']} to {gap['last_frame']}" for gap in body["gaps"]]
    missing += [f"{plural(body['lost'], 'frame')} lost meanwhile"] if body.get("lost") else []
    cells = (escape(body["video"]["camera_id"]), _time(first), _time(last),
             f"{body['replaced']} of {body['frames']}", escape("; ".join(missing) or "none"))
    link = f'<th scope="row"><a href="{escape(name)}">{escape(name)}</a></th>'
    return f"<tr>{link}{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _name(number: int, body: Mapping[str, Any]) -> str:
    when = moment(times(body)[0]).replace(" ", "-").replace(":", "")
    safe = "".join(sign if sign.isalnum() and sign.isascii() else "-" for sign in body["video"]["camera_id"])
    return f"{number:02d}-{safe}-{when}.mp4"


def _time(time_ms: int) -> str:
    return f"{moment(time_ms)} UTC" if time_ms <= MAX_TIME_MS else moment(time_ms)
