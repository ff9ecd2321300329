"""`sealframe eval events`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from schemas.errors import UsageError
from streams.cli.output import console, say
from streams.evaluate import events, files
from streams.evaluate.report import report, table, write
from streams.setup import finder


def eval_events(
    data: Annotated[Path, typer.Option(help="folder of clips, searched through", exists=True, file_okay=False)],
    out: Annotated[Path | None, typer.Option("--json", help="write the report to this file")] = None,
    frames: Annotated[int, typer.Option(help="of each clip, from its beginning", min=2)] = 60,
    colours: Annotated[str, typer.Option(help="munsell, hsv or wheel")] = "munsell",
) -> None:
    """The view of movement: speed, bits against the original, how much of it is still, and faces found in it.

    Exit code 1: a target is missed.
    """
    clips = files.clips(data)
    if not clips:
        raise UsageError(f"{data} holds no video ({', '.join(files.SUFFIXES)})")
    figures = events.evaluate(clips, frames, finder(["face"]), colours, lambda what: say(f"  {escape(what)}"))
    console.print(table("eval events", figures))
    if out:
        write(out, report("events", figures))
    if any(figure.holds is False for figure in figures):
        raise typer.Exit(1)
