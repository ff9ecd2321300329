"""`sealframe bench`: how fast, in ratios of one run."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, get_args

import typer

from operators.desensitise.policy import Preset
from schemas.errors import UsageError
from streams.cli.output import console, say
from streams.evaluate import bench as runs
from streams.evaluate.report import report, table, write

bench_app = typer.Typer(no_args_is_help=True, help="How fast, in ratios of one run on this machine.")


@bench_app.callback()
def _group() -> None:
    """Keeps `file` a name."""


@bench_app.command("file")
def bench_file(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="video with faces", exists=True, dir_okay=False)],
    out: Annotated[Path | None, typer.Option("--json", help="write the report to this file")] = None,
    frames: Annotated[int, typer.Option(help="of the clip, there and back until there are so many", min=50)] = 300,
    preset: Annotated[list[str] | None, typer.Option(help="x264 preset; may be repeated")] = None,
    deface: Annotated[bool, typer.Option(help="run the peer, too")] = True,
) -> None:
    """File mode at 720p and 1080p against decoding and encoding alone, and against deface. Exit code 1: a miss."""
    chosen = tuple(preset or ["veryfast", "ultrafast"])
    unknown = [one for one in chosen if one not in get_args(Preset)]
    if unknown:
        raise UsageError(f"no preset {unknown[0]!r}; there are {', '.join(get_args(Preset))}")
    with tempfile.TemporaryDirectory() as scratch:
        found = runs.evaluate(clip, Path(scratch), frames, chosen, deface, lambda line: say(f"  {line}"))
    if out:
        write(out, report("bench-file", found))
    console.print(table("bench file", found))
    raise typer.Exit(any(figure.holds is False for figure in found))
