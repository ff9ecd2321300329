"""`sealframe eval quality`: the quality score of faces, judged by its error-versus-reject curve."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from infra.models import FOLDER, face_embedder
from operators.embed import FaceEmbedder
from streams.cli.output import progress
from streams.cli.suite import Models, Photographs, finish
from streams.evaluate import quality
from streams.setup import detector


def eval_quality(
    data: Photographs,
    out: Annotated[Path | None, typer.Option("--json", help="write the report here, with the curves")] = None,
    page: Annotated[Path | None, typer.Option("--html", help="draw the curves into this page")] = None,
    people: Annotated[int | None, typer.Option(help="how many are drawn; default: all", min=1)] = None,
    seed: Annotated[int, typer.Option(help="draws how each photograph is made worse")] = 0,
    models: Models = FOLDER,
) -> None:
    """Does the quality score tell which faces are recognised? Errors left when the worst are rejected first.

    Beside it the same by the size of the face alone, and at random. Exit code 1: one of those is better.
    """
    with progress("pictures", quiet=False) as bar:
        figures, curves = quality.evaluate(
            data, detector(), FaceEmbedder(face_embedder(models)), seed, people,
            lambda done, of: bar.update(bar.task_ids[0], completed=done, total=of),
        )
    if page:
        page.write_text(quality.plot(curves), encoding="utf-8")
    finish("quality", figures, out, beside={"rejected": quality.REJECTED.tolist(), "curves": asdict(curves)})
