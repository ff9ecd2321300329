"""`sealframe search face`: who in the recordings looks like the face of a picture."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from infra import tls
from streams.cli.output import console, give, say
from streams.forensic.client import ForensicClient

app = typer.Typer(no_args_is_help=True, help="Search the feature library for a legal ground; every search is logged.")

Case = Annotated[str, typer.Option(help="number of the approved case")]
Purpose = Annotated[str, typer.Option(help="what the answer is needed for")]
Url = Annotated[str | None, typer.Option(help="address of the forensic service; default: the stack's own")]
Tls = Annotated[Path, typer.Option("--tls", help="folder with ca.pem and your certificate")]
As = Annotated[str, typer.Option("--as", help="your principal, such as investigator-anna")]
TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
AsJson = Annotated[bool, typer.Option("--json", help="print the answer as JSON")]

SUBJECT_WIDTH = 34
DEFAULT_URL = "https://localhost:8445"
DEFAULT_TLS = Path(".sealframe/tls")


def client_of(url: str | None, tls_folder: Path, principal: str) -> ForensicClient:
    """A client of the service at this address, or of the stack that the certificates belong to."""
    return ForensicClient(url or _address(tls_folder.parent / "ports.json"), tls.load(tls_folder, principal))


def _address(ports: Path) -> str:
    """Of the first forensic service of a stack here, else where such a service listens by default."""
    known = json.loads(ports.read_text()) if ports.exists() else {}
    port = next((port for name, port in known.items() if name.startswith("forensic-")), None)
    return DEFAULT_URL if port is None else f"https://localhost:{port}"


@app.command("face")
def face(
    picture: Annotated[Path, typer.Argument(help="picture with the face, JPEG or PNG", exists=True)],
    case: Case,
    purpose: Purpose,
    principal: As,
    camera: Annotated[list[str] | None, typer.Option(help="only this camera; may be repeated")] = None,
    begin: Annotated[datetime | None, typer.Option("--from", formats=TIMES, help="UTC; only who was there")] = None,
    end: Annotated[datetime | None, typer.Option("--to", formats=TIMES, help="UTC")] = None,
    threshold: Annotated[float | None, typer.Option(help="similarity to list from: 0.91, 0.928 or 0.942")] = None,
    url: Url = None,
    tls_folder: Tls = DEFAULT_TLS,
    as_json: AsJson = False,
) -> None:
    """Subjects whose best region looks like the main face of the picture.

    The answer says what was searched and what couldn't be; "no match" never says that somebody wasn't there.
    """
    with client_of(url, tls_folder, principal) as client:
        answer = client.search_face(
            picture.read_bytes(), case, purpose, cameras=camera or (), threshold=threshold,
            from_ms=_milliseconds(begin), to_ms=_milliseconds(end),
        )
    if as_json:
        give(answer)
    else:
        _show(answer)


def _milliseconds(time: datetime | None) -> int | None:
    return None if time is None else round(time.replace(tzinfo=UTC).timestamp() * 1000)


def _show(answer: dict[str, Any]) -> None:
    say(answer["said"])
    if answer["matches"]:
        table = Table(Column("subject", overflow="fold", min_width=SUBJECT_WIDTH), "camera", "alike", "sure",
                      "best frame", "looks")
        for match in answer["matches"]:
            sure, frame = "yes" if match["sure"] else "", str(match["image_id"]).rpartition("/")[2]
            similarity, looks = f"{match['similarity']:.3f}", str(match["looks"])
            table.add_row(match["subject_id"], match["camera_id"], similarity, sure, frame, looks)
        console.print(table)
        if any(match["looks"] > 1 for match in answer["matches"]):
            say("a subject of several looks may be more than one person: a restoration of it may show both")
    say(f"threshold {answer['threshold']}: {answer['false_accepts']:.2g} strangers expected; log {answer['entry']}")
