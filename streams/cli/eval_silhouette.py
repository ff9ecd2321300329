"""`sealframe eval silhouette`: outlines of heads against known ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.cli.suite import Out, finish, tell
from streams.evaluate import plate_outlines, silhouette
from streams.evaluate.replacement import pictures_in
from streams.setup import finder


def eval_silhouette(
    data: Annotated[Path, typer.Option(
        help="folder with identities/, plates/ and faceboxes/", exists=True, file_okay=False)],
    out: Out = None,
    every: Annotated[int, typer.Option(help="take every so manieth outline", min=1)] = 1,
    plates: Annotated[int, typer.Option(help="drawn plates; they need the fonts that training does", min=0)] = 200,
    seed: Annotated[int, typer.Option(help="draws what people are laid before")] = 0,
) -> None:
    """Is the outline that of the head, and the face wholly under it? Exit code 1: a target is missed.

    People whose outline is known are laid before photographs of streets (plates/, those that aren't crops), coded,
    searched and painted as the worker does it. So are drawn plates, before photographs of faceboxes/.
    """
    people = silhouette.known(data / "identities")[::every]
    figures = silhouette.evaluate(people, silhouette.streets(data / "plates"), finder(["face"]), seed, tell)
    if plates:
        figures += plate_outlines.evaluate(pictures_in(data / "faceboxes"), plates, finder(["plate"]), tell)
    finish("silhouette", figures, out)
