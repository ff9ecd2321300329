"""`sealframe eval faces`: the face embedder on labelled photographs, and the error rates that searches quote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from infra.models import FACE_EMBEDDER, FACE_EMBEDDER_INT8, FOLDER, face_embedder
from operators.embed import FaceEmbedder
from schemas.errors import UsageError
from streams.authority.faces import Faces
from streams.cli.output import progress
from streams.cli.suite import Models, Out, Photographs, finish, tell
from streams.evaluate import face_rates, faces, search
from streams.setup import detector


def eval_faces(
    data: Photographs,
    out: Out = None,
    draws: Annotated[int, typer.Option(help="how often 20 people are drawn", min=1)] = 400,
    seed: Annotated[int, typer.Option(help="draws people and photographs")] = 0,
    embedder: Annotated[str, typer.Option(help=f"{FACE_EMBEDDER} | {FACE_EMBEDDER_INT8}")] = FACE_EMBEDDER,
    calibration: Annotated[Path | None, typer.Option(
        help="measure error rates and write them into this file: operators/weights/face-rates.json")] = None,
    models: Models = FOLDER,
) -> None:
    """The face embedder on labelled photographs: are two of one person, who of a gallery is it, or nobody; time.

    labels.tsv (tab-separated; columns file, identity) lists pictures relative to its folder. The first of each identity
    is in the gallery, all others are searched as the forensic service searches them; identities with one picture are
    there to be mistaken for somebody. pairs.tsv (file_a, file_b, same: 1 or 0) adds accuracy and eer, and may be
    missing. Pictures in which no face is found are named, and are errors.

    fpir and tpir: how often a search names a stranger, and how often it names the right person, each half of the people
    judged by what the other half needed. draws_of_20: what still pictures alone allow for `eval identities`.
    --calibration measures the error rates that answers quote, at three widths of faces, and takes four times as long.
    Exit code 1: a target is missed.
    """
    if embedder not in (FACE_EMBEDDER, FACE_EMBEDDER_INT8):
        raise UsageError(f"--embedder is {FACE_EMBEDDER} or {FACE_EMBEDDER_INT8}")
    network = FaceEmbedder(face_embedder(models, embedder))
    read = face_rates.Remembering(Faces(detector(), network).probe)
    most = faces.MOST_MS if embedder == FACE_EMBEDDER else faces.MOST_MS_INT8
    with progress("pictures", quiet=False) as bar:
        def step(done: int, of: int) -> None:
            bar.update(bar.task_ids[0], completed=done, total=of)

        figures = faces.evaluate(data, read, network.embed, draws, seed, tell, step, most)
        if embedder != FACE_EMBEDDER:
            figures.append(faces.share(network.embed, FaceEmbedder(face_embedder(models)).embed))
        if calibration is not None:
            _calibrate(data, read, embedder, seed, calibration, step)
    finish("faces", figures, out)


def eval_search(
    data: Photographs,
    out: Out = None,
    count: Annotated[int, typer.Option(help="subjects of the library, at least 10,000", min=10_000)] = 1_000_000,
    queries: Annotated[int, typer.Option(help="searches with each sort of filter", min=20)] = 100,
    seed: Annotated[int, typer.Option(help="draws subjects and searches")] = 0,
    models: Models = FOLDER,
) -> None:
    """Search of a library of faces in a database of its own: how long it takes, and whether the nearest are found.

    Its vectors are mixtures of those of photographed people. A million takes about a quarter of an hour and 3 GB.
    """
    figures = search.evaluate(
        data, Faces(detector(), FaceEmbedder(face_embedder(models))), count, queries, seed, tell
    )
    finish("search", figures, out)


def _calibrate(
    data: Path, read: face_rates.Read, embedder: str, seed: int, out: Path, step: Callable[[int, int], None]
) -> None:
    pictures = faces.listed(faces.folder_of(data))
    vectors = {
        width: faces.embedded(pictures.paths, face_rates.sized(read, width), tell, step)
        for width in face_rates.WIDTHS
    }
    tables = face_rates.measured(vectors, pictures.people, seed, tell)
    face_rates.keep(out, embedder, tables, int(pictures.people.max()) + 1, len(pictures.paths))
