"""`sealframe zones`: never-masked zones, which two approvers have to sign."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from infra.atomic import write_whole
from infra.recipients import read_approver_seed
from infra.settings import load
from operators.sign import SigningKey, digest
from operators.zones import LONGEST_DAYS, accepted, approve, propose, stated
from schemas.errors import ConfigError, UsageError
from schemas.records import ApprovedZones, Rectangle, ZoneStatement
from streams.account_page import BareTotal, picture
from streams.cli.output import AsJson, give, say, tell
from streams.cli.paths import check_paths
from streams.clock import now_ms
from streams.words import plural
from streams.zones import approver_keys, read_zones, write_zones, zone_of

SIZE = (16, 9)
app = typer.Typer(
    no_args_is_help=True,
    help="Never-masked zones: a wall of printed faces, a row of logos.\n\nWhat is found wholly inside one stays "
         "visible, so two different approvers have to sign, and it ends.\n\n"
         "Each makes a key: [bold]sealframe keys approver mine.key[/bold]. The public halves go into sealframe.toml, "
         "[bold]approvers = { ada = 'sealframe-approver-1:...', ben = '...' }[/bold]. Then propose, sign, sign, show; "
         "[bold]bare_zones = ['wall.zones'][/bold] tells worker and edge, [bold]--bare-zones wall.zones[/bold] "
         "anonymize.",
)  # fmt: skip

File = Annotated[Path, typer.Argument(help="file that `zones propose` wrote", exists=True, dir_okay=False)]


@app.command("propose")
def propose_zones(
    file: Annotated[Path, typer.Argument(help="new file")],
    camera: Annotated[list[str], typer.Option(help="cameras of this pattern (* ? [a-z]); may be repeated")],
    zone: Annotated[list[str], typer.Option(help="left,top,right,bottom as shares of the picture; may be repeated")],
    reason: Annotated[str, typer.Option(help="what is there, and why it may be seen")],
    until: Annotated[str, typer.Option(help=f"last day, or time (ISO, UTC); at most {LONGEST_DAYS} days away")],
    begin: Annotated[str, typer.Option("--from", help="first day, or time (ISO, UTC); default: now")] = "",
    as_json: AsJson = False,
) -> None:
    """Write down zones for others to sign; by itself it changes nothing."""
    if file.exists():
        raise UsageError(f"{file} exists already; a statement is never changed, make a new one")
    from_ms = _time_of(begin, end=False) if begin else now_ms()
    zones = tuple(Rectangle(*zone_of(one)) for one in zone)
    proposed = propose(ZoneStatement(tuple(camera), zones, reason, from_ms, _time_of(until, end=True)))
    write_zones(file, proposed)
    tell(f"{file}: now two approvers run `sealframe zones sign {file} --key ...`",
         {"file": str(file), "statement": digest(proposed.body).hex()}, as_json)


@app.command("sign")
def sign_zones(
    file: File,
    key: Annotated[Path, typer.Option(help="the approver's private key", exists=True, dir_okay=False)],
    yes: Annotated[bool, typer.Option("--yes", help="don't ask")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a statement says, ask, and put your signature into the file."""
    zones = read_zones(file)
    _tell(zones)
    if not yes:
        typer.confirm("What is found in these zones will not be masked. Sign?", abort=True, err=True)
    signed = approve(zones, SigningKey(read_approver_seed(key)))
    write_zones(file, signed)
    count = len(signed.approvals)
    tell(f"{file}: {plural(count, 'signature')}",
         {"file": str(file), "statement": digest(zones.body).hex(), "signatures": count}, as_json)


@app.command("show")
def show_zones(
    file: File,
    drawn: Annotated[Path | None, typer.Option("--picture", help="draw the zones into this SVG file")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a statement holds, who signed it, and whether it would be accepted now, under these settings."""
    check_paths([("FILE", file)], [("--picture", drawn)])
    zones = read_zones(file)
    statement, keys = stated(zones), approver_keys(load().approvers)
    try:
        accepted(zones, keys, now_ms())
        refused = ""
    except ConfigError as error:
        refused = str(error)
    names = {public: name for name, public in keys.items()}
    signers = [names.get(one.approver, f"unknown {one.approver.hex()}") for one in zones.approvals]
    if drawn:
        totals = [BareTotal(zone, digest(zones.body), 0, 0) for zone in statement.zones]
        write_whole(drawn, picture(totals, SIZE, counts=False).encode())
    if as_json:
        give({"cameras": statement.cameras, "zones": [_shares(one) for one in statement.zones],
              "reason": statement.reason, "from": _text_of(statement.from_ms), "until": _text_of(statement.until_ms),
              "statement": digest(zones.body).hex(), "signers": signers, "accepted": not refused, "refused": refused})
        return
    _tell(zones)
    say(f"signed by: {', '.join(signers) or 'nobody'}")
    if refused:
        say(refused, "not accepted:", "red")
    else:
        say("accepted now")


def _tell(zones: ApprovedZones) -> None:
    statement = stated(zones)
    say(f"never masked at {', '.join(statement.cameras)}: {statement.reason}")
    for one in statement.zones:
        left, top, right, bottom = (f"{100 * share:g} %" for share in _shares(one))
        say(f"  from {left} to {right} of the width, {top} to {bottom} of the height")
    say(f"  {_text_of(statement.from_ms)} until {_text_of(statement.until_ms)}; statement {digest(zones.body).hex()}")


def _shares(zone: Rectangle) -> tuple[float, float, float, float]:
    return zone.left, zone.top, zone.right, zone.bottom


def _time_of(text: str, *, end: bool) -> int:
    """Milliseconds since 1970; a day means its first moment, as an end the moment after its last."""
    try:
        if len(text) == len("2026-01-31"):
            day = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
            when = day + timedelta(days=1) if end else day
        else:
            when = datetime.fromisoformat(text)
            when = when if when.tzinfo else when.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"{text!r} is no day or time, such as 2026-01-31 or 2026-01-31T18:00") from None
    return round(when.timestamp() * 1000)


def _text_of(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")
