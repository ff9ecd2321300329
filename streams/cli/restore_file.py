"""`sealframe restore-file`: the way back of file mode."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from infra.recipients import read_identity
from operators.seal import Identity
from streams.account import Account
from streams.cli.left_out import say_lost
from streams.cli.output import give, progress, say
from streams.cli.paths import check_paths, report_of
from streams.restore_file import restore_file as run


def restore_file(
    video: Annotated[Path, typer.Argument(
        metavar="OUT", help="what `sealframe anonymize` wrote", exists=True, dir_okay=False)],
    evidence: Annotated[Path, typer.Option(help="the sealed evidence beside it", exists=True, dir_okay=False)],
    identity: Annotated[Path, typer.Option(
        help="file with the private key it is sealed for", exists=True, dir_okay=False)],
    out: Annotated[Path, typer.Option("-o", "--out", help="the restored video")],
    playable: Annotated[bool, typer.Option(help="crf 12 instead of lossless, so that browsers play it")] = False,
    coarse: Annotated[bool, typer.Option(
        "--coarse", help="by the keys of scrambled regions alone: a coarse view, as if the samples were gone")] = False,
    report: Annotated[Path | None, typer.Option(help="write what the masks rested on, and the weakest moments")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Put the original samples back; anything changed, cut or dropped is refused by name."""
    check_paths([("the video", video), ("--evidence", evidence), ("--identity", identity)],
                [("--out", out), *report_of(report)])
    began, account = time.monotonic(), Account()
    with progress("frames", quiet=as_json) as bar:
        frames = run(video, evidence, Identity(read_identity(identity)), out, lossless=not playable,
                     progress=lambda done: bar.update(bar.task_ids[0], completed=done), account=account, coarse=coarse)
    if report:
        account.write(report)
    seconds = time.monotonic() - began
    if as_json:
        give({"frames": frames, "seconds": round(seconds, 3), "account": account.as_json()})
    else:
        say(f"{out}: {frames} frames restored in {seconds:.1f} s")
        say_lost(account.lost)
