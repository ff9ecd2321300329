"""`sealframe eval bits`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from infra.models import FOLDER, face_embedder
from operators.desensitise.policy import METHODS, Policy
from operators.embed import FaceEmbedder
from schemas.errors import UsageError
from streams.cli.output import console, say
from streams.evaluate import bits as measure
from streams.evaluate.files import clips
from streams.evaluate.report import report, table, write
from streams.setup import finder


def eval_bits(
    data: Annotated[Path, typer.Option(help="folder with clips, searched through", exists=True, file_okay=False)],
    out: Annotated[Path | None, typer.Option("--json", help="write the report to this file")] = None,
    method: Annotated[list[str] | None, typer.Option(help="only this one; may be repeated")] = None,
    naive: Annotated[bool, typer.Option(help="mask frame by frame, too")] = True,
    curves: Annotated[bool, typer.Option(help="four CRFs, for the bits at equal quality")] = True,
    models: Annotated[Path, typer.Option(help="converted models, for identity invariance")] = FOLDER,
) -> None:
    """What each method costs in bits against the original, coded alike, and against masking frame by frame.

    Only clips of which 1 % and more is masked count. Exit code 1: a target is missed.
    """
    if not clips(data):
        raise UsageError(f"{data} holds no video")
    chosen = tuple(method or METHODS)
    unknown = set(chosen) - set(METHODS)
    if unknown:
        raise UsageError(f"unknown method {sorted(unknown)[0]!r}: choose from {', '.join(METHODS)}")
    embedder = FaceEmbedder(face_embedder(models)) if models.is_dir() else None
    settings = measure.Settings(finder(["face"]), Policy({}, insist=True), chosen, naive, curves, embedder)
    figures, results = measure.evaluate(data, settings, lambda line: say(f"  {line}"))
    rows = Table("clip", "frames", "masked", "original", *chosen, "GOP 250", "camera", title="bits")
    for one in (one for one in results if one.ours):
        rows.add_row(one.name, f"{one.frames}", f"{one.area:.1%}", f"{one.original.bytes:,}",
                     *(f"{one.ratio(name):.3f}" for name in chosen), f"{one.long_gop:,}", f"{one.camera:,}")
    console.print(rows)
    console.print(table("eval bits", figures))
    if out:
        write(out, report("bits", figures))
    if any(figure.holds is False for figure in figures):
        raise typer.Exit(1)
