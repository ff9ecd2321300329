"""`sealframe eval view`: whether a moved camera is noticed, and a fixed one left alone."""

from __future__ import annotations

from typing import Annotated

import typer

from streams.cli.suite import Clips, Out, clips_in, finish, tell
from streams.evaluate import view


def eval_view(
    data: Clips,
    out: Out = None,
    moving: Annotated[list[str] | None, typer.Option(help="part of a clip's name whose camera isn't fixed")] = None,
) -> None:
    """Whether a fixed camera that is moved is noticed, and whether one that isn't is left alone.

    Exit code 1: a target is missed.
    """
    clips_in(data)
    figures, _ = view.evaluate(data, tuple(moving or ()), tell)
    finish("view", figures, out)
