"""`sealframe log`: the access log of the forensic service."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from schemas.errors import UsageError
from streams.cli.output import console, give, say
from streams.cli.search import DEFAULT_TLS, As, AsJson, Authority, Tls, Url, client_of
from streams.forensic.api import read_proof
from streams.forensic.log import verify_proof

app = typer.Typer(no_args_is_help=True, help="Who asked for what, when and why; tamper-evident.")


@app.command("list")
def show(
    principal: As, count: Annotated[int, typer.Option(help="how many, newest first", min=1, max=1000)] = 20,
    url: Url = None, authority: Authority = None, tls_folder: Tls = DEFAULT_TLS, as_json: AsJson = False,
) -> None:
    """The newest entries."""
    with client_of(url, tls_folder, principal, authority) as client:
        entries = client.get(f"/log?count={count}")
    if as_json:
        give({"entries": entries})
        return
    table = Table("no", "time", "who", "what", "case", "purpose")
    for entry in entries:
        when = datetime.fromtimestamp(entry["time_ms"] / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(str(entry["seq"]), when, entry["actor"], entry["action"], entry["case"], entry["purpose"])
    console.print(table)


@app.command("info")
def info(principal: As, url: Url = None, authority: Authority = None, tls_folder: Tls = DEFAULT_TLS) -> None:
    """Size and root of the log as JSON: keep it elsewhere, to check the log against later."""
    with client_of(url, tls_folder, principal, authority) as client:
        give(client.get("/log/info"))


@app.command("prove")
def prove(
    seq: Annotated[int, typer.Argument(help="number of the entry")], principal: As,
    url: Url = None, authority: Authority = None, tls_folder: Tls = DEFAULT_TLS,
) -> None:
    """A proof as JSON that an entry is in the log."""
    with client_of(url, tls_folder, principal, authority) as client:
        give(client.get(f"/log/{seq}/proof"))


@app.command("verify")
def verify(
    proof: Annotated[Path, typer.Argument(help="file that `sealframe log prove` printed", exists=True)],
    root: Annotated[str, typer.Option(help="root that was kept elsewhere, hex; default: the proof's own")] = "",
) -> None:
    """Check a proof without the service."""
    try:
        read = read_proof(json.loads(proof.read_text()))
    except ValueError as error:
        raise UsageError(f"{proof.name} is not JSON") from error
    if root and read.root.hex() != root.lower():
        raise UsageError("the proof is for another root: get one for the log as it was then")
    verify_proof(read)
    say(f"entry {read.seq} of {read.size} is in the log with root {read.root.hex()}")
