"""`sealframe eval utility`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from operators.desensitise.policy import DEFAULT, Policy
from schemas.errors import UsageError
from streams.cli.output import console, say
from streams.evaluate import utility
from streams.evaluate.files import clips
from streams.evaluate.report import report, table, write
from streams.setup import finder


def eval_utility(
    data: Annotated[Path, typer.Option(help="folder with clips, searched through", exists=True, file_okay=False)],
    out: Annotated[Path | None, typer.Option("--json", help="write the report to this file")] = None,
    method: Annotated[str, typer.Option(help="how faces are hidden")] = DEFAULT,
) -> None:
    """Whether moving objects are found on the desensitised video as on the original: their number, boxes, motion.

    Both videos are coded alike. Exit code 1: a target is missed.
    """
    if not clips(data):
        raise UsageError(f"{data} holds no video")
    policy = utility.with_method(Policy({}, insist=True), method)
    figures, _ = utility.evaluate(data, policy, finder(["face"]), lambda line: say(f"  {line}"))
    console.print(table(f"eval utility ({method})", figures))
    if out:
        write(out, report("utility", figures))
    if any(figure.holds is False for figure in figures):
        raise typer.Exit(1)
