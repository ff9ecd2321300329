"""`sealframe log`: the access log of the forensic service: read it, prove from it, check it, keep its checkpoints."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from infra.atomic import write_whole
from infra.tls import signer_at
from schemas.errors import AccessDenied, ServiceUnavailable, UsageError
from streams.cli.output import console, give, say, tell
from streams.cli.search import DEFAULT_TLS, As, AsJson, Authority, Tls, Url, client_of
from streams.clock import now_ms
from streams.forensic.keeper import Keeper
from streams.forensic.proofs import (
    Consistency,
    IdentifyAt,
    check_entries,
    check_kept,
    check_signed,
    consistency_json,
    read_kept,
    read_signed,
    said_of,
    when,
)
from streams.words import moment, plural

app = typer.Typer(
    no_args_is_help=True,
    help="Who asked for what, when and why.\n\nEntries are only appended; whoever keeps a checkpoint elsewhere sees "
         "when somebody, the service's own administrator too, changed, dropped, reordered or replaced them.",
)
Out = Annotated[Path | None, typer.Option("-o", "--out", help="write to this file instead of printing")]
MIN_SECONDS = 0.1


@app.command("list")
def show(
    principal: As, count: Annotated[int, typer.Option(help="how many, newest first", min=1, max=1000)] = 20,
    url: Url = None, authority: Authority = None, tls_folder: Tls = DEFAULT_TLS, as_json: AsJson = False,
) -> None:
    """The newest entries. For auditors."""
    with client_of(url, tls_folder, principal, authority) as client:
        entries = client.get(f"/log?count={count}")
    if as_json:
        give({"entries": entries})
        return
    table = Table("no", "time", "who", "what", "case", "purpose")
    for entry in entries:
        when = moment(entry["time_ms"])
        table.add_row(str(entry["seq"]), when, entry["actor"], entry["action"], entry["case"], entry["purpose"])
    console.print(table)


@app.command("info")
def info(
    principal: As, url: Url = None, authority: Authority = None, tls_folder: Tls = DEFAULT_TLS, out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Size, root and signed checkpoint as JSON: keep it elsewhere, for `log verify --checkpoint`."""
    with client_of(url, tls_folder, principal, authority) as client:
        found = client.get("/log/info")
    check_signed(read_signed(found), identify(tls_folder))
    _written(found, out, as_json)


@app.command("prove")
def prove(
    principal: As,
    seq: Annotated[int | None, typer.Argument(help="number of the entry, as the answer named it")] = None,
    since: Annotated[Path | None, typer.Option(
        "--from", help="file with an older checkpoint: prove that the log only grew since", exists=True)] = None,
    url: Url = None, authority: Authority = None, tls_folder: Tls = DEFAULT_TLS, out: Out = None,
    as_json: AsJson = False,
) -> None:
    """A proof as a file: that entry SEQ is in the log, or with --from that the log only grew since a kept checkpoint.

    Anybody checks it without the service: `sealframe verify FILE --ca ca.pem`.
    """
    if (seq is None) == (since is None):
        raise UsageError("name the number of an entry, or --from with a kept checkpoint")
    with client_of(url, tls_folder, principal, authority) as client:
        if since is None:
            found = client.get(f"/log/{seq}/proof")
        else:
            old = read_kept(since)[-1]
            answer = client.get(f"/log/growth?old={old.said.size}")
            path = tuple(bytes.fromhex(node) for node in answer["path"])
            found = consistency_json(Consistency(old, read_signed(answer["new"]), path))
    said_of(found, identify(tls_folder))
    _written(found, out, as_json)


@app.command("verify")
def verify(
    principal: As,
    checkpoint: Annotated[list[Path] | None, typer.Option(
        help="file with kept checkpoints: of `log info`, of `log watch`, or a proof; may be repeated", exists=True,
    )] = None,
    url: Url = None, authority: Authority = None, tls_folder: Tls = DEFAULT_TLS, as_json: AsJson = False,
) -> None:
    """Fetch every entry and check the whole log against kept checkpoints. For auditors. Exit code 1: tampered with.

    Nothing that the service says is trusted: hashes are made here, signatures checked against the CA. Without
    --checkpoint only changes that didn't make the log anew show.
    """
    trust = identify(tls_folder)
    kept = check_kept([one for path in checkpoint or () for one in read_kept(path)], trust)
    with client_of(url, tls_folder, principal, authority) as client:
        newest = check_signed(read_signed(client.get("/log/info")), trust)
        if any(one.origin != newest.origin for one in kept):
            raise UsageError(f"the kept checkpoints are of another log than {newest.origin}")
        found = check_entries(client.log_entries(), [*kept, newest])
    if as_json:
        give({"entries": found.size, "root": found.root.hex(), "kept": len(kept), "holds": True})
        return
    against = f"{len(kept)} kept checkpoints, the first{when(kept[0])}" if kept else "its own newest checkpoint only"
    say(f"{newest.origin}: {plural(found.size, 'entry', 'entries')}, none changed, checked against {against}")


@app.command("watch")
def watch(
    principal: As,
    keep: Annotated[Path, typer.Option(help="file of kept checkpoints: yours, where the service can't write")],
    seconds: Annotated[float, typer.Option(help="how often to ask", min=MIN_SECONDS)] = 60.0,
    once: Annotated[bool, typer.Option("--once", help="ask once and end")] = False,
    url: Url = None, authority: Authority = None, tls_folder: Tls = DEFAULT_TLS, as_json: AsJson = False,
) -> None:
    """Be a second keeper: fetch checkpoints, check signature and growth, keep them. Exit code 1: history was rewritten.

    Run it on another machine than the service, with a certificate of its own and the role keeper. A keeper learns how
    long the log is, not what is in it. A service that doesn't answer, or refuses, is asked again.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    def ask(path: str) -> Any:
        # a connection of its own each time: renewed certificates are taken
        with client_of(url, tls_folder, principal, authority) as client:
            return client.get(path)

    keeper, silent = Keeper(keep, ask, identify(tls_folder), now_ms), ""
    if keeper.cut:
        say(f"{keep.name}: its last line was cut short while it was written, and is taken off")
    while not stop.is_set():
        try:
            looked, silent = keeper.look(), ""
            if looked.added or once:
                seen = looked.checkpoint
                tell(f"{seen.origin}: {plural(seen.size, 'entry', 'entries')}, only grew; kept in {keep.name}",
                     {"origin": seen.origin, "entries": seen.size, "kept": str(keep)}, as_json)
        except (ServiceUnavailable, AccessDenied) as error:
            if once:
                raise
            if str(error) != silent:
                say(f"no answer, asking again every {seconds:g} s ({error})")
            silent = str(error)
        if once:
            return
        stop.wait(seconds)


def identify(tls_folder: Path) -> IdentifyAt:
    """Who signed, by the CA of this folder."""
    return signer_at(tls_folder / "ca.pem")


def _written(found: Any, out: Path | None, as_json: bool) -> None:
    """Print it, which is JSON in any case, or write it to a file and say so."""
    if out is None:
        give(found)
        return
    write_whole(out, (json.dumps(found, sort_keys=True) + "\n").encode())
    tell(f"{out}: keep it where the service can't write", {"file": str(out)}, as_json)
