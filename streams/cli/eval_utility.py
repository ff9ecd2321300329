"""`sealframe eval utility`: whether what moves is found on the desensitised video as on the original."""

from __future__ import annotations

from typing import Annotated

import typer

from operators.desensitise.policy import DEFAULT, Policy
from streams.cli.suite import Clips, Out, clips_in, finish, tell
from streams.evaluate import utility
from streams.setup import finder


def eval_utility(
    data: Clips,
    out: Out = None,
    method: Annotated[str, typer.Option(help="how faces are hidden")] = DEFAULT,
) -> None:
    """Whether moving objects are found on the desensitised video as on the original: their number, boxes, motion.

    Both videos are coded alike. Exit code 1: a target is missed.
    """
    clips_in(data)
    policy = Policy({}, methods={"face": method}, insist=True)
    figures, _ = utility.evaluate(data, policy, finder(["face"]), tell)
    finish("utility", figures, out, title=f"utility ({method})")
