"""`sealframe eval events`: the view of movement, and whether a face is left in it."""

from __future__ import annotations

from typing import Annotated

import typer

from streams.cli.suite import Clips, Out, clips_in, finish, tell
from streams.evaluate import events
from streams.setup import finder


def eval_events(
    data: Clips,
    out: Out = None,
    frames: Annotated[int, typer.Option(help="of each clip, from its beginning", min=2)] = 60,
    colours: Annotated[str, typer.Option(help="munsell, hsv or wheel")] = "munsell",
) -> None:
    """The view of movement: speed, bits against the original, how much of it is still, and faces found in it.

    Exit code 1: a target is missed.
    """
    clips = clips_in(data)
    figures = events.evaluate(clips, frames, finder(["face"]), colours, tell)
    finish("events", figures, out)
