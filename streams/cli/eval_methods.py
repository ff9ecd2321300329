"""`sealframe eval methods`: every method side by side on one clip."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from streams.cli.output import say
from streams.cli.suite import Out, finish, methods_of, tell
from streams.evaluate import methods as measure
from streams.setup import finder


def eval_methods(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="video with faces", exists=True, dir_okay=False)],
    out: Out = None,
    page: Annotated[Path | None, typer.Option(help="write a page with a picture of each method")] = None,
    method: Annotated[list[str] | None, typer.Option(help="only this one; may be repeated")] = None,
    frames: Annotated[int, typer.Option(help="of the clip, there and back until there are so many", min=25)] = 150,
) -> None:
    """Every method side by side at 720p: speed of its operator alone, SSIM and PSNR, bits, a picture of each.

    Exit code 1: a target is missed.
    """
    chosen = methods_of(method)
    with tempfile.TemporaryDirectory() as scratch:
        figures, measured = measure.evaluate(clip, Path(scratch), frames, finder(["face"]), chosen, tell)
    if page:
        measure.page(page, measured, f"Methods on {clip.name}")
        say(f"{page}: the pictures")
    finish("methods", figures, out)
