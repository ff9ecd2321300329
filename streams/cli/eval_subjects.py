"""`sealframe eval subjects`: tracks merged into persons over several videos, and subjects followed by CamShift."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from infra.models import FOLDER, face_embedder
from operators.embed import FaceEmbedder
from streams.authority.faces import Faces
from streams.cli.suite import Models, People, finish, tell
from streams.evaluate import dropouts, photographs, stage, subjects
from streams.setup import detector


def eval_subjects(
    data: People,
    out: Annotated[Path | None, typer.Option("--json", help="write the report here")] = None,
    seed: Annotated[int, typer.Option(help="draws people, photographs and paths")] = 0,
    cameras: Annotated[int, typer.Option(help="with five people each; 0: real clips alone", min=0)] = 2,
    videos: Annotated[int, typer.Option(help="of each camera", min=2)] = 3,
    real: Annotated[bool, typer.Option(help="also real clips, where DATA/clips/clips.tsv is")] = True,
    longest: Annotated[int, typer.Option(help="frames of a real clip, at most", min=1)] = 400,
    clips: Annotated[int, typer.Option(help="clips with dropped detections of each of three casts", min=0)] = 2,
    people: Annotated[int, typer.Option(help="merged by three photographs each, without video", min=0)] = 100,
    whole: Annotated[bool, typer.Option(help="over a stack; without it CamShift alone is measured")] = True,
    models: Models = FOLDER,
) -> None:
    """Do the regions of a person, over the videos of a camera, end in one person? B-cubed, on generated video.

    The whole way over broker and authority; in each video everyone shows another photograph. Photographs alone are
    merged at three borders, those of the half of the people of whom no video is made. Then, on clips whose
    detections are taken away at known frames: how often CamShift labels a subject right, and how often as another.
    Where the folder holds clips/clips.tsv too, a person of real clips is searched by a still of another clip.
    """
    with tempfile.TemporaryDirectory() as scratch:
        filmed = data / "clips" if real and (data / "clips" / "clips.tsv").exists() else None
        figures = dropouts.evaluate(data / "identities", Path(scratch), 3, clips, tell) if clips else []
        if people:
            faces = Faces(detector(), FaceEmbedder(face_embedder(models)))
            figures += photographs.evaluate(data, faces, people, seed)
        if whole:
            with stage.fresh_stack(models, tell) as stack:
                figures = subjects.evaluate(
                    stack, data / "identities", Path(scratch), seed, (cameras, videos), filmed, longest, tell
                ) + figures
    finish("subjects", figures, out)
