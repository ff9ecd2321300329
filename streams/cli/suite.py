"""What the suites of `sealframe eval` have in common: options, progress, and how a report ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from operators.desensitise.policy import METHODS
from schemas.errors import UsageError
from streams.cli.output import console, say_lines
from streams.evaluate import files
from streams.evaluate.report import Figure, report, table, write

PICTURES = Path(".sealframe/pictures")
Out = Annotated[Path | None, typer.Option("--json", help="write the report to this file")]
Page = Annotated[Path | None, typer.Option("--page", help="write the barest faces, as pictures, to this HTML file")]
Models = Annotated[Path, typer.Option(help="converted models, as `sealframe models setup` makes them")]
Detector = Annotated[str, typer.Option("--detector", help="finds faces: see `sealframe models list`")]
Clips = Annotated[Path, typer.Option(help="folder of clips, searched through", exists=True, file_okay=False)]
People = Annotated[Path, typer.Option(help="folder that holds identities/labels.tsv", exists=True, file_okay=False)]
Photographs = Annotated[
    Path, typer.Option(help="folder with labels.tsv, or with identities/labels.tsv", file_okay=False)]


def clips_in(data: Path) -> list[Path]:
    """The clips of a folder; raises `UsageError` where there are none."""
    found = files.clips(data)
    if not found:
        raise UsageError(f"{data} holds no video ({', '.join(files.SUFFIXES)})")
    return found


def methods_of(names: Sequence[str] | None) -> tuple[str, ...]:
    """The methods that are asked for, all where none is; raises `UsageError` for one that there isn't."""
    unknown = set(names or ()) - set(METHODS)
    if unknown:
        raise UsageError(f"unknown method {sorted(unknown)[0]!r}: choose from {', '.join(METHODS)}")
    return tuple(names or METHODS)


def tell(what: str) -> None:
    """A line about how far a suite is."""
    say_lines(f"  {what}")


def finish(
    suite: str, figures: Sequence[Figure], out: Path | None, *, title: str | None = None,
    beside: Mapping[str, object] | None = None, ends: bool = True,
) -> None:
    """Print the figures and write the report, with what stands `beside` them; exit code 1 where a target is missed.

    Not `ends`: whoever called has more to say.
    """
    console.print(table(f"eval {title or suite}", figures), markup=True)
    if out:
        write(out, {**report(suite, figures), **(beside or {})})
    if ends and any(figure.holds is False for figure in figures):
        raise typer.Exit(1)
