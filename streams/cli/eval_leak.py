"""Suites of `sealframe eval` that count what stays visible, and what finding and following costs."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from infra.models import FOLDER, PYRAMID_FACE, face_embedder
from operators.desensitise.policy import Policy
from operators.embed import FaceEmbedder
from operators.spare import SpareSettings
from streams.authority.faces import Faces
from streams.cli.output import progress
from streams.cli.suite import Clips, Detector, Models, Out, Page, People, Photographs, finish, tell
from streams.evaluate import cost, detect, evasion, faces, files, leak, plate_leak, spare, tracks
from streams.evaluate.worst import Worst
from streams.setup import FACE_MODELS, FINDS_FACES, detector, finder, named_detector

DEFAULT = Policy({})


def eval_leak(
    data: People,
    out: Out = None,
    seeds: Annotated[int, typer.Option(help="casts of 20 people, four clips of 11 s each", min=1)] = 20,
    first: Annotated[int, typer.Option(help="the first cast: from 100 on nothing was tuned on them", min=0)] = 0,
    variants: Annotated[int, typer.Option(help="casts filmed in changed light, colour and noise", min=0)] = 1,
    parts: Annotated[int, typer.Option(help="casts followed without its parts, and as of late cameras", min=0)] = 1,
    padding: Annotated[float, typer.Option(help="share of a box masked beyond it", min=0, max=1)] = DEFAULT.padding,
    doubt: Annotated[float, typer.Option(help="so much more where a face is in doubt", min=0, max=1)] = DEFAULT.doubt,
    hold: Annotated[float, typer.Option(help="price of moving a mask, in frames of its area", min=0)] = DEFAULT.hold,
    page: Page = None,
    name: Detector = FINDS_FACES,
) -> None:
    """Faces that stay bare, frame by frame, on generated clips whose truth is known for every pixel."""
    policy, worst = replace(DEFAULT, padding=padding, doubt=doubt, hold=hold), Worst()
    with tempfile.TemporaryDirectory() as scratch:
        figures = leak.evaluate(
            data / "identities", Path(scratch), range(first, first + seeds), variants, parts, policy, tell, name, worst,
        )
    if page:
        worst.write(page, "Generated clips")
    finish("leak", figures, out)


def eval_clip_leak(
    data: Clips,
    out: Out = None,
    frames: Annotated[int, typer.Option(help="of each clip, from its beginning; whole chunks", min=1)] = 60,
    page: Page = None,
    name: Detector = FINDS_FACES,
) -> None:
    """Faces of real clips that stay bare, against an offline ensemble of detectors; deface beside it. Slow."""
    from streams.evaluate import clip_leak

    ensemble, worst = [detector(one) for one in FACE_MODELS], Worst()
    figures = clip_leak.evaluate(files.clips(data), frames, finder(["face"], name), ensemble, DEFAULT, tell, worst)
    if page:
        worst.write(page, "Real clips")
    finish("clip-leak", figures, out)


def eval_plate_leak(
    out: Out = None,
    clips: Annotated[int, typer.Option(help="road clips of 9 s, six cars each", min=1)] = 30,
) -> None:
    """Plates that stay bare, frame by frame, on generated roads whose truth is known for every pixel."""
    with tempfile.TemporaryDirectory() as scratch:
        figures = plate_leak.evaluate(Path(scratch), clips, finder(["plate"]), DEFAULT, tell)
    finish("plate-leak", figures, out)


def eval_tracks(
    data: People,
    out: Out = None,
    seeds: Annotated[int, typer.Option(help="casts of 20 people, four clips of 11 s each", min=1)] = 3,
) -> None:
    """Tracks that go over from one person to another, on generated clips in which people cross."""
    with tempfile.TemporaryDirectory() as scratch:
        figures = tracks.evaluate(data / "identities", Path(scratch), seeds, tell)
    finish("tracks", figures, out)


def eval_cost(
    data: Clips,
    out: Out = None,
    frames: Annotated[int, typer.Option(help="of each clip, from its beginning; whole chunks", min=1)] = 60,
    name: Detector = FINDS_FACES,
) -> None:
    """CPU time of finding and following faces, against searching every frame with the same network."""
    finish("cost", cost.evaluate(files.clips(data), frames, finder(["face"], name), DEFAULT, tell), out)


def eval_evasion(
    data: People,
    out: Out = None,
    clips: Annotated[int, typer.Option(help="clips of 11 s, some six minutes each", min=1)] = 2,
) -> None:
    """Faces that an attacker who has the detector's file uncovers, with and without tracking. Needs torch."""
    with tempfile.TemporaryDirectory() as scratch:
        finish("evasion", evasion.evaluate(data / "identities", Path(scratch), clips, DEFAULT, tell), out)


def eval_detect(
    data: Annotated[Path, typer.Option(help="folder that holds faceboxes/labels.tsv", exists=True, file_okay=False)],
    out: Out = None,
    also: Annotated[list[str] | None, typer.Option(help="mtcnn, or an added model; may be repeated")] = None,
    models: Models = FOLDER,
) -> None:
    """Every face detector on labelled photographs: average precision, recall, time; our own against the others.

    The scores that notes name are the network's own, as `sealframe models add --score` takes them.
    """
    makers = {name: partial(named_detector, name, folder=models) for name in (*FACE_MODELS, *(also or ()))}
    finish("detect", detect.evaluate(data, PYRAMID_FACE, makers, tell), out)


def eval_spare(
    data: Photographs,
    out: Out = None,
    clips: Annotated[int, typer.Option(help="casts of 18 people, three a clip; 0: photographs alone", min=0)] = 1,
    models: Models = FOLDER,
) -> None:
    """Consent by picture: how often a track of somebody else is spared, and how often one's own."""
    with progress("pictures", quiet=False) as bar, tempfile.TemporaryDirectory() as scratch:
        faces_ = Faces(detector(), FaceEmbedder(face_embedder(models)))
        figures = spare.photographs(
            data, faces_, SpareSettings(),
            lambda done, of: bar.update(bar.task_ids[0], completed=done, total=of),
        )
        if clips:
            figures += spare.clips(faces.folder_of(data), Path(scratch), finder(["face"]), faces_, clips, tell)
    finish("spare", figures, out)
