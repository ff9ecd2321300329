"""`sealframe eval view`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from schemas.errors import UsageError
from streams.cli.output import console, say
from streams.evaluate import view
from streams.evaluate.files import clips
from streams.evaluate.report import report, table, write


def eval_view(
    data: Annotated[Path, typer.Option(help="folder with clips, searched through", exists=True, file_okay=False)],
    out: Annotated[Path | None, typer.Option("--json", help="write the report to this file")] = None,
    moving: Annotated[list[str] | None, typer.Option(help="part of a clip's name whose camera isn't fixed")] = None,
) -> None:
    """Whether a fixed camera that is moved is noticed, and whether one that isn't is left alone.

    Exit code 1: a target is missed.
    """
    if not clips(data):
        raise UsageError(f"{data} holds no video")
    figures, _ = view.evaluate(data, tuple(moving or ()), lambda line: say(f"  {line}"))
    console.print(table("eval view", figures))
    if out:
        write(out, report("view", figures))
    if any(figure.holds is False for figure in figures):
        raise typer.Exit(1)
