"""`sealframe eval hiding`: information hidden in desensitised pictures, after each passage."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.models import FOLDER, face_embedder
from operators.desensitise.policy import Policy
from operators.embed import FaceEmbedder
from operators.pipeline import Pipeline
from streams.anonymize import fresh_signer
from streams.authority.faces import Faces
from streams.cli.suite import Clips, Models, Out, clips_in, finish, tell
from streams.evaluate import hiding
from streams.hide import GROUP
from streams.setup import detector, finder


def eval_hiding(
    data: Clips,
    out: Out = None,
    frames: Annotated[int, typer.Option(help="of each clip, from its beginning", min=4, max=GROUP)] = GROUP,
    curve: Annotated[bool, typer.Option("--curve", help="instead: what other carriers hold")] = False,
    models: Models = FOLDER,
) -> None:
    """Bits and small faces hidden in desensitised clips: PSNR, room, what comes back coded, blurred, scaled, filmed.

    Figures without a prefix are of the carrier `dense`, the others of `sturdy`; `published_` ones went through the
    coding of `sealframe hide` first (CRF 18 and 23). Exit code 1: a target is missed.
    """
    clips = clips_in(data)
    make, embedder = _pipeline, FaceEmbedder(face_embedder(models))
    if curve:
        figures = hiding.curve(clips, frames, make, tell)
    else:
        figures = hiding.evaluate(clips, frames, make, Faces(detector(), embedder), embedder, tell)
    finish("hiding-curve" if curve else "hiding", figures, out)


def _pipeline() -> Pipeline:
    return Pipeline(Policy({}, custodian=False), finder(["face"]), fresh_signer())
