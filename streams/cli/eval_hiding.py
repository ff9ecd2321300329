"""`sealframe eval hiding`: information hidden in desensitised pictures, after each passage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from infra.models import FOLDER, face_embedder
from operators.desensitise.policy import Policy
from operators.embed import FaceEmbedder
from operators.pipeline import Pipeline
from schemas.errors import UsageError
from streams.anonymize import fresh_signer
from streams.authority.faces import Faces
from streams.cli.output import console, say
from streams.evaluate import files, hiding
from streams.evaluate.report import report, table, write
from streams.hide import GROUP
from streams.setup import detector, finder


def eval_hiding(
    data: Annotated[Path, typer.Option(help="folder of clips, searched through", exists=True, file_okay=False)],
    out: Annotated[Path | None, typer.Option("--json", help="write the report to this file")] = None,
    frames: Annotated[int, typer.Option(help="of each clip, from its beginning", min=4, max=GROUP)] = GROUP,
    curve: Annotated[bool, typer.Option("--curve", help="instead: what other carriers hold")] = False,
    models: Annotated[Path, typer.Option(help="converted models, as `sealframe models setup` makes them")] = FOLDER,
) -> None:
    """Bits and small faces hidden in desensitised clips: PSNR, room, what comes back coded, blurred, scaled, filmed.

    Figures without a prefix are of the carrier `dense`, the others of `sturdy`; `published_` ones went through the
    coding of `sealframe hide` first (CRF 18 and 23). Exit code 1: a target is missed.
    """
    clips = files.clips(data)
    if not clips:
        raise UsageError(f"{data} holds no video ({', '.join(files.SUFFIXES)})")
    make, embedder = _pipeline, FaceEmbedder(face_embedder(models))
    if curve:
        figures = hiding.curve(clips, frames, make, _tell)
    else:
        figures = hiding.evaluate(clips, frames, make, Faces(detector(), embedder), embedder, _tell)
    console.print(table("eval hiding", figures))
    if out:
        write(out, report("hiding-curve" if curve else "hiding", figures))
    if any(figure.holds is False for figure in figures):
        raise typer.Exit(1)


def _pipeline() -> Pipeline:
    return Pipeline(Policy({}, custodian=False), finder(["face"]), fresh_signer())


def _tell(what: str) -> None:
    say(f"  {escape(what)}")
