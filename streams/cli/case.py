"""`sealframe case`: the legal ground of searches and restorations; opened by one person, approved by another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.table import Table

from schemas.errors import UsageError
from streams.cli.output import console, give, say
from streams.cli.search import (
    DEFAULT_TLS,
    As,
    AsJson,
    Authority,
    Begin,
    End,
    Tls,
    Url,
    client_of,
    milliseconds,
)
from streams.forensic.client import ForensicClient, case_path
from streams.forensic.terms import ALL_CAMERAS, listed, time_text

app = typer.Typer(
    no_args_is_help=True,
    help="Cases: what a search or a restoration rests on.\n\nA case names cameras, times, kinds and whom a restoration "
         "may show. It holds once another person has approved exactly that, until it expires or is closed.\n\n"
         "1. sealframe case open 'missing person' --basis 'court order' --camera gate-1 --as investigator-demo\n\n"
         "2. sealframe case approve ID --as approver-demo\n\n"
         "3. sealframe search face photo.jpg --case ID --purpose 'missing person' --as investigator-demo",
)

Id = Annotated[str, typer.Argument(help="the case's id")]
Title = Annotated[str, typer.Argument(help="what the case is about, and so what it is for")]
Basis = Annotated[str, typer.Option(help="legal basis: the law's article, the court's order")]
Cameras = Annotated[list[str] | None, typer.Option("--camera", help="camera it is for; may be repeated")]
Everywhere = Annotated[bool, typer.Option("--all-cameras", help="it is for every camera")]
Kinds = Annotated[list[str] | None, typer.Option("--kind", help="face | plate; may be repeated; default: face")]
ShowsWhom = Annotated[str, typer.Option("--shows", help="whom a restoration may show: nobody | subject | everyone")]
Erases = Annotated[bool, typer.Option("--erases", help="a subject's keys may be destroyed under it")]
Team = Annotated[list[str] | None, typer.Option("--with", help="investigator who works on it too; may be repeated")]
Days = Annotated[int, typer.Option(help="how many days the case holds", min=1)]


@app.command("open")
def open_case(
    title: Title, basis: Basis, who: As, camera: Cameras = None, everywhere: Everywhere = False, begin: Begin = None,
    end: End = None, kind: Kinds = None, shows: ShowsWhom = "subject", erases: Erases = False, team: Team = None,
    days: Days = 30,
    case_id: Annotated[str, typer.Option("--id", help="its id; default: the date and a random one")] = "",
    url: Url = None, authority: Authority = None, tls_folder: Tls = DEFAULT_TLS, as_json: AsJson = False,
) -> None:
    """Open a case; it waits until another person approves it.

    Without --from and --to it is for all recordings until it expires.
    """
    body = _body(title, basis, camera, everywhere, begin, end, kind, shows, erases, team, days)
    with _client(url, tls_folder, who, authority, kind) as client:
        _told(client.send("/cases", {**body, "case_id": case_id}), as_json)


@app.command("change")
def change(
    case_id: Id, title: Title, basis: Basis, who: As, camera: Cameras = None, everywhere: Everywhere = False,
    begin: Begin = None, end: End = None, kind: Kinds = None, shows: ShowsWhom = "subject", erases: Erases = False,
    team: Team = None, days: Days = 30,
    url: Url = None, authority: Authority = None, tls_folder: Tls = DEFAULT_TLS, as_json: AsJson = False,
) -> None:
    """Say anew all that a case is to say, or the same once more when its approval is over.

    It then has to be approved again.
    """
    body = _body(title, basis, camera, everywhere, begin, end, kind, shows, erases, team, days)
    with _client(url, tls_folder, who, authority, kind) as client:
        _told(client.send(case_path(case_id), body, "PUT"), as_json)


@app.command("approve")
def approve(
    case_id: Id, who: As,
    digest: Annotated[str, typer.Option(help="digest of what you looked at (case show); else you are asked")]
    = "",
    url: Url = None, authority: Authority = None, tls_folder: Tls = DEFAULT_TLS, as_json: AsJson = False,
) -> None:
    """Approve exactly what the case says, as somebody who doesn't work on it; a later change needs another approval."""
    if as_json and not digest:
        raise UsageError("with --json nobody is asked: give --digest, as `sealframe case show --json` has it")
    with _client(url, tls_folder, who, authority) as client:
        if not digest:
            case = client.case(case_id)
            _told(case, False)
            typer.confirm("approve exactly this?", abort=True, err=True)
            digest = case["digest"]
        _told(client.approve(case_id, digest), as_json)


@app.command("list")
def show_all(
    who: As, url: Url = None, authority: Authority = None, tls_folder: Tls = DEFAULT_TLS, as_json: AsJson = False,
) -> None:
    """The cases that you work on, or oversee."""
    with _client(url, tls_folder, who, authority) as client:
        cases = client.get("/cases")
    if as_json:
        give({"cases": cases})
        return
    table = Table("case", "state", "title", "cameras", "opened by", "expires")
    for case in cases:
        table.add_row(case["case_id"], case["state"], case["title"], listed(case["scope"]["cameras"]),
                      case["opened_by"], time_text(case["expires_ms"]))
    console.print(table)


@app.command("show")
def show(
    case_id: Id, who: As, url: Url = None, authority: Authority = None, tls_folder: Tls = DEFAULT_TLS,
    as_json: AsJson = False,
) -> None:
    """All that a case says, with the digest that an approval names."""
    with _client(url, tls_folder, who, authority) as client:
        _told(client.case(case_id), as_json)


@app.command("close")
def close(
    case_id: Id, who: As, url: Url = None, authority: Authority = None, tls_folder: Tls = DEFAULT_TLS,
    as_json: AsJson = False,
) -> None:
    """Close a case for ever; nothing is granted under it any more."""
    with _client(url, tls_folder, who, authority) as client:
        _told(client.send(f"{case_path(case_id)}/close", {}), as_json)


def _client(
    url: str | None, tls_folder: Any, who: str, authority: str | None, kind: list[str] | None = None
) -> ForensicClient:
    return client_of(url, tls_folder, who, authority, kind[0] if kind else "face")


def _body(
    title: str, basis: str, cameras: list[str] | None, everywhere: bool, begin: datetime | None, end: datetime | None,
    kinds: list[str] | None, shows: str, erases: bool, team: list[str] | None, days: int,
) -> dict[str, Any]:
    if bool(cameras) == everywhere:
        raise UsageError("name the cameras (--camera, may be repeated), or say --all-cameras")
    expires = (datetime.now(UTC) + timedelta(days)).replace(tzinfo=None)
    return {
        "title": title, "basis": basis, "cameras": cameras or ["*"], "from_ms": milliseconds(begin) or 0,
        "to_ms": milliseconds(end or expires), "kinds": kinds or ["face"], "shows": shows,
        "erases": erases, "team": team or [], "expires_ms": milliseconds(expires),
    }


def _told(case: dict[str, Any], as_json: bool) -> None:
    if as_json:
        give(case)
        return
    scope = case["scope"]
    say(f"case {case['case_id']} ({case['state']})")
    say(f"  title: {case['title']}")
    say(f"  basis: {case['basis']}")
    say(f"  {' and '.join(scope['kinds'])}, {time_text(scope['from_ms'])} to {time_text(scope['to_ms'])}; "
        f"shows {case['shows']}{', may erase' if case['erases'] else ''}")
    _tell_each("at", [] if tuple(scope["cameras"]) == ALL_CAMERAS else scope["cameras"], "all cameras")
    say(f"  opened by {case['opened_by']}")
    _tell_each("worked on by", case["team"], "nobody")
    say(f"  expires {time_text(case['expires_ms'])}")
    for one in case["approvals"]:
        counts = "" if one["counts"] else " (doesn't count)"
        say(f"  approved by {one['approver']} until {time_text(one['until_ms'])}{counts}")
    say(f"  digest {case['digest']}")


def _tell_each(what: str, names: list[str], none: str) -> None:
    """All names, each on a line of its own: no name passes for two, or for what follows."""
    say(f"  {what} {none if not names else f'these {len(names)}:'}")
    for name in names:
        say(f"    {name}")
