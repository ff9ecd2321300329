"""`sealframe custodian`: what lies in quarantine, and opening it with the key from the safe; needs no server."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from infra.recipients import read_identity
from infra.tls import signer_at
from operators.seal import Identity
from schemas.errors import IntegrityError, UsageError
from schemas.records import SealedEvidence
from streams.cli.output import AsJson, console, give, progress, say
from streams.cli.paths import check_folder
from streams.custodian import Keys, held, open_held
from streams.words import moment, plural

app = typer.Typer(
    no_args_is_help=True,
    help="What the custodian alone may open: frames masked whole, zones, pieces that nobody else gets, sound, records "
         "that couldn't be processed or were dropped.\n\n"
         "They are kept for 30 days in frames.quarantine.v1. An administrator writes them to a file (sealframe record "
         "frames.quarantine.v1 quarantine.rec); who has the key opens it elsewhere: no server ever sees that key.",
)

Recording = Annotated[Path, typer.Argument(
    help="what `sealframe record frames.quarantine.v1 FILE` wrote", exists=True, dir_okay=False)]
Ca = Annotated[Path, typer.Option(help="certificate of the deployment's CA: .sealframe/tls/ca.pem", exists=True,
                                  dir_okay=False)]


@app.command("list")
def show(recording: Recording, ca: Ca, as_json: AsJson = False) -> None:
    """What a recording holds, by camera and reason; nothing is opened, and no key is needed."""
    refused: Counter[str] = Counter()
    counted: dict[tuple[str, str], list[int]] = {}
    for one in held(recording, signer_at(ca), refused):
        what = "evidence of a chunk" if isinstance(one.found, SealedEvidence) else one.found.reason.split(":")[0]
        counted.setdefault((one.camera_id, what), []).append(one.received_ms)
    rows = [
        {"camera": camera, "what": what, "records": len(times), "from_ms": min(times), "to_ms": max(times)}
        for (camera, what), times in sorted(counted.items())
    ]
    if as_json:
        give({"held": rows, "refused": refused})
        return
    table = Table("camera", "what", "records", "from", "to")
    for (camera, what), times in sorted(counted.items()):
        table.add_row(camera, what, str(len(times)), f"{moment(min(times))}Z", f"{moment(max(times))}Z")
    console.print(table) if rows else say("nothing lies there")
    if refused:
        say(_words(refused, "not what the pipeline put there"), "refused:", "red")


@app.command("open")
def open_recording(
    recording: Recording,
    identity: Annotated[Path, typer.Option(help="the custodian's private key", exists=True, dir_okay=False)],
    ca: Ca,
    out: Annotated[Path, typer.Option("-o", "--out", help="folder for what is opened")],
    pipeline: Annotated[Path | None, typer.Option(
        help="the pipeline's private key: chunks put aside become video", exists=True, dir_okay=False)] = None,
    camera: Annotated[str, typer.Option(help="of one camera alone")] = "",
    playable: Annotated[bool, typer.Option(help="crf 12 instead of lossless, so that browsers play it")] = False,
    as_json: AsJson = False,
) -> None:
    """Open it: VIDEO.mp4 with what was sealed to the custodian, black elsewhere, its sound, dropped chunks, records.

    Exit code 1 when something doesn't open; what does is written all the same. Nothing else notes who opened what: keep
    the key in a safe that does.
    """
    _make_folder(out)
    keys = Keys(Identity(read_identity(identity)), Identity(read_identity(pipeline)) if pipeline else None)
    with progress("records", quiet=as_json) as bar:
        done = open_held(
            recording, keys, signer_at(ca), out, camera=camera, lossless=not playable,
            progress=lambda count: bar.update(bar.task_ids[0], completed=count),
        )
    if as_json:
        give({"files": sorted(done.files), "pictures": done.pictures, "dropped": done.dropped, "sound": done.sound,
              "records": done.records, "refused": done.refused})
    else:
        say(f"{out}: {plural(done.pictures, 'picture')} of sealed regions, {plural(done.dropped, 'picture')} of chunks "
            f"that were put aside, {plural(done.records, 'other record')}"
            + (f", the sound of {plural(done.sound, 'chunk')}" if done.sound else ""))
    if done.refused:
        raise IntegrityError(_words(done.refused, "not opened"))


def _make_folder(out: Path) -> None:
    """Make the folder for what is opened, for its owner alone; raises UsageError where nothing can be written."""
    check_folder("--out", out)
    try:
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {out} can't be made ({error.strerror}): name a folder in a place you may write to"
                         ) from error
    if not os.access(out, os.W_OK | os.X_OK):
        raise UsageError(f"--out {out}: nothing can be written there; name another folder")


def _words(refused: Counter[str], why: str) -> str:
    named = ", ".join(f"{count} {name}" for name, count in sorted(refused.items()))
    return f"{plural(refused.total(), 'record')} {why}: {named}"

