"""`sealframe eval bits`: what each method costs, against the original and against masking frame by frame."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from infra.models import FOLDER, face_embedder
from operators.desensitise.policy import Policy
from operators.embed import FaceEmbedder
from streams.cli.output import console
from streams.cli.suite import Clips, Out, clips_in, finish, methods_of, tell
from streams.evaluate import bits as measure
from streams.setup import finder


def eval_bits(
    data: Clips,
    out: Out = None,
    method: Annotated[list[str] | None, typer.Option(help="only this one; may be repeated")] = None,
    naive: Annotated[bool, typer.Option(help="mask frame by frame, too")] = True,
    curves: Annotated[bool, typer.Option(help="four CRFs, for the bits at equal quality")] = True,
    models: Annotated[Path, typer.Option(help="converted models, for identity invariance")] = FOLDER,
) -> None:
    """What each method costs in bits against the original, coded alike, and against masking frame by frame.

    Only clips of which 1 % and more is masked count. Exit code 1: a target is missed.
    """
    clips_in(data)
    chosen = methods_of(method)
    embedder = FaceEmbedder(face_embedder(models)) if models.is_dir() else None
    settings = measure.Settings(finder(["face"]), Policy({}, insist=True), chosen, naive, curves, embedder)
    figures, results = measure.evaluate(data, settings, tell)
    rows = Table("clip", "frames", "masked", "original", *chosen, "GOP 250", "camera", title="bits")
    for one in (one for one in results if one.ours):
        rows.add_row(one.name, f"{one.frames}", f"{one.area:.1%}", f"{one.original.bytes:,}",
                     *(f"{one.ratio(name):.3f}" for name in chosen), f"{one.long_gop:,}", f"{one.camera:,}")
    console.print(rows)
    finish("bits", figures, out)
