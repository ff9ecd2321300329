"""`sealframe search face` and `plate`: who in the recordings looks like a face, or which car has a plate's text."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from infra import tls
from infra.settings import load
from schemas.errors import UsageError
from streams.cli.output import console, give, say
from streams.forensic.client import ForensicClient

app = typer.Typer(no_args_is_help=True, help="Search faces and plates under a case; every search is logged.")

Case = Annotated[str, typer.Option(help="number of the approved case")]
Purpose = Annotated[str, typer.Option(help="what the answer is needed for")]
Url = Annotated[str | None, typer.Option(help="address of the forensic service; default: the stack's own")]
Authority = Annotated[str | None, typer.Option(help="whose service, of a stack; default: the first that fits")]
Tls = Annotated[Path, typer.Option("--tls", help="folder with ca.pem and your certificate")]
Cameras = Annotated[list[str] | None, typer.Option("--camera", help="only this camera; may be repeated")]
As = Annotated[str, typer.Option("--as", help="your principal, such as investigator-anna")]
TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
Begin = Annotated[datetime | None, typer.Option("--from", formats=TIMES, help="UTC; only who was there then")]
End = Annotated[datetime | None, typer.Option("--to", formats=TIMES, help="UTC")]
Threshold = Annotated[float | None, typer.Option(help="cosine to list from: 0.91, 0.928 or 0.942")]
AsJson = Annotated[bool, typer.Option("--json", help="print the answer as JSON")]

SUBJECT_WIDTH = 34
SERVICE = "forensic-"
DEFAULT_URL = "https://localhost:8445"
DEFAULT_TLS = Path(".sealframe/tls")


def client_of(
    url: str | None, tls_folder: Path, principal: str, authority: str | None = None, kind: str | None = None
) -> ForensicClient:
    """A client of the service at this address, or of the stack that the certificates belong to.

    Of a stack's services that of `authority`, else of the first one that gets objects of this kind.
    """
    return ForensicClient(url or _address(tls_folder.parent, authority, kind), tls.load(tls_folder, principal))


def _address(home: Path, authority: str | None, kind: str | None) -> str:
    """Of a forensic service of the stack in `home`; without a stack, where such a service listens by default."""
    ports = home / "ports.json"
    known: dict[str, int] = json.loads(ports.read_text()) if ports.exists() else {}
    services = {name.removeprefix(SERVICE): port for name, port in known.items() if name.startswith(SERVICE)}
    if authority is not None and authority not in services:
        raise UsageError(f"no forensic service of {authority!r} here; there are {', '.join(services) or 'none'}")
    entitled = load(home=home).authorities if kind and len(services) > 1 else {}
    fitting = [name for name in services if kind in entitled.get(name, ())]
    if authority is None and kind is None and len(services) > 1:
        raise UsageError(f"several services here, each with a log of its own: --authority {' | '.join(services)}")
    chosen = authority or next(iter(fitting or services), None)
    return DEFAULT_URL if chosen is None else f"https://localhost:{services[chosen]}"


@app.command("face")
def face(
    picture: Annotated[list[Path], typer.Argument(
        help="picture with the face, JPEG or PNG; several pictures of one person are searched together", exists=True)],
    case: Case,
    purpose: Purpose,
    principal: As,
    camera: Cameras = None,
    begin: Begin = None,
    end: End = None,
    threshold: Threshold = None,
    which: Annotated[int | None, typer.Option("--face", help="which face of the picture, from 1 at the left")] = None,
    url: Url = None,
    authority: Authority = None,
    tls_folder: Tls = DEFAULT_TLS,
    as_json: AsJson = False,
) -> None:
    """Subjects whose best region looks like the face of the picture.

    A match is sure where at most one search for a stranger in a hundred shows somebody who stands out so far; others
    are leads. The answer says what was searched and what couldn't be; "no match" never says that somebody wasn't there.
    """
    with client_of(url, tls_folder, principal, authority, "face") as client:
        answer = client.search_face(
            [one.read_bytes() for one in picture], case, purpose, cameras=camera or (), threshold=threshold,
            from_ms=milliseconds(begin), to_ms=milliseconds(end), face=which,
        )
    if as_json:
        give(answer)
    else:
        _show(answer)


@app.command("subject")
def subject(
    subject_id: Annotated[str, typer.Argument(metavar="SUBJECT", help="a subject, as a search names it")],
    case: Case,
    purpose: Purpose,
    principal: As,
    camera: Cameras = None,
    begin: Begin = None,
    end: End = None,
    threshold: Threshold = None,
    url: Url = None,
    authority: Authority = None,
    tls_folder: Tls = DEFAULT_TLS,
    as_json: AsJson = False,
) -> None:
    """Where else a subject is: others that look like it, in the cameras and times of the case.

    The subject itself has to lie within the case.
    """
    with client_of(url, tls_folder, principal, authority, "face") as client:
        answer = client.search_subject(
            subject_id, case, purpose, cameras=camera or (), threshold=threshold, from_ms=milliseconds(begin),
            to_ms=milliseconds(end),
        )
    if as_json:
        give(answer)
    else:
        _show(answer)


@app.command("plate")
def plate(
    text: Annotated[str, typer.Argument(help="the plate's text; ? stands for one sign, * for any: 'AB?12*'")],
    case: Case,
    purpose: Purpose,
    principal: As,
    camera: Cameras = None,
    begin: Begin = None,
    end: End = None,
    exact: Annotated[bool, typer.Option("--exact", help="this text alone, not those that are like it")] = False,
    url: Url = None,
    authority: Authority = None,
    tls_folder: Tls = DEFAULT_TLS,
    as_json: AsJson = False,
) -> None:
    """Subjects whose plate reads like the text: O/0, I/1, B/8, S/5 taken for one another, up to two signs different.

    Spaces and hyphens don't count. The answer says what was searched and what couldn't be read.
    """
    with client_of(url, tls_folder, principal, authority, "plate") as client:
        answer = client.search_plate(
            text, case, purpose, cameras=camera or (), from_ms=milliseconds(begin), to_ms=milliseconds(end),
            exact=exact,
        )
    if as_json:
        give(answer)
    else:
        _show_plates(answer)


def milliseconds(time: datetime | None) -> int | None:
    """A time of day, UTC, in milliseconds since 1970."""
    return None if time is None else round(time.replace(tzinfo=UTC).timestamp() * 1000)


def _show(answer: dict[str, Any]) -> None:
    say(answer["said"])
    if answer["matches"]:
        table = Table(Column("subject", overflow="fold", min_width=SUBJECT_WIDTH), "camera", "sure", "wrong one in",
                      "alike", "best frame", "looks")
        for match in answer["matches"]:
            sure, frame = "yes" if match["sure"] else "", str(match["image_id"]).rpartition("/")[2]
            similarity, looks = f"{match['similarity']:.3f}", str(match["looks"])
            table.add_row(match["subject_id"], match["camera_id"], sure, _once_in(match["false_search_rate"]),
                          similarity, frame, looks)
        console.print(table)
        if any(match["looks"] > 1 for match in answer["matches"]):
            say("a subject of several looks may be more than one person: a restoration of it may show both")
    say(f"wrong one in: so many searches for strangers like this one show somebody who stands out so far; sure is "
        f"{_once_in(answer['sure_rate'])} and rarer")
    say(f"listed from cosine {answer['threshold']}: at faces {answer['width']:.0f} pixels wide "
        f"{answer['false_accepts']:.2g} strangers expected, {answer['missed_rate']:.1%} of the person's own pictures "
        f"missed; log {answer['entry']}")


def _once_in(rate: float) -> str:
    """A rate as people take it in."""
    return "any" if rate >= 1 else f"{round(1 / rate):,}"


def _show_plates(answer: dict[str, Any]) -> None:
    say(answer["said"])
    if answer["matches"]:
        table = Table(Column("subject", overflow="fold", min_width=SUBJECT_WIDTH), "camera", "text", "differences",
                      "confidence", "best frame")
        for match in answer["matches"]:
            frame, differs = str(match["image_id"]).rpartition("/")[2], ", ".join(map(_named, match["differences"]))
            table.add_row(match["subject_id"], match["camera_id"], match["text"], differs,
                          f"{match['confidence']:.2f}", frame)
        console.print(table)
    say(f"searched {answer['text']} ({answer['mode']}); log {answer['entry']}")


def _named(difference: dict[str, Any]) -> str:
    """One difference: `3: 0 for O`, `6: D missing`, `6: E added`."""
    asked, read = difference["asked"], difference["read"]
    what = f"{read} for {asked}" if asked and read else f"{asked} missing" if asked else f"{read} added"
    return f"{difference['at']}: {what}"
