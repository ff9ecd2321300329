"""`sealframe eval replacement`: whether a face in place of a face is found, and is somebody else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.models import FOLDER, face_embedder
from operators.desensitise.policy import Policy
from operators.desensitise.replace import Replacement
from operators.embed import FaceEmbedder
from operators.pipeline import Pipeline
from schemas.errors import UsageError
from streams.anonymize import fresh_signer
from streams.cli.output import say
from streams.cli.suite import Models, Out, finish, tell
from streams.donors import read_donors
from streams.evaluate import files, replacement
from streams.setup import detector, finder


def eval_replacement(
    data: Annotated[Path, typer.Option(help="folder with identities/ and clips/", exists=True, file_okay=False)],
    out: Out = None,
    every: Annotated[int, typer.Option(help="take every so manieth photograph", min=1)] = 4,
    frames: Annotated[int, typer.Option(help="of each clip, from its beginning; 0: photographs alone", min=0)] = 50,
    donors: Annotated[Path | None, typer.Option(help="folder of photographs instead of drawn faces")] = None,
    models: Models = FOLDER,
) -> None:
    """Faces in place of faces: found as faces, unlike who is hidden, fast enough. Exit code 1: a target is missed."""
    pictures = replacement.pictures_in(data / "identities")[::every]
    if not pictures:
        raise UsageError(f"{data / 'identities'} holds no photograph")
    reader = detector()
    given = read_donors(donors, reader) if donors else ()
    policy = Policy({}, {"face": "replace"}, custodian=False, donors=given)
    total, finds = replacement.Totals(), finder(["face"])
    method = Replacement(donors=given)
    replacement.photographs(pictures, method, finds, reader, FaceEmbedder(face_embedder(models)), total)
    say(f"  {total.found} of {total.photographs} photographs")
    if frames:
        replacement.clips(files.clips(data / "clips"), frames, lambda: Pipeline(policy, finds, fresh_signer()), finds,
                          total, tell)
    figures = replacement.figures(total, replacement.speed(method))
    finish("replacement", figures, out)
