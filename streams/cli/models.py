"""`sealframe models`: which models this release runs, under what terms, and their set-up."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from infra.models import Model, catalogue, install, resolve
from operators.training import dlib_to_onnx
from schemas.errors import ConfigError
from streams.cli.output import console, give, say

CONVERTERS = {"dlib": dlib_to_onnx.convert}
DEFAULT_FOLDER = Path(".sealframe/models")

app = typer.Typer(
    no_args_is_help=True,
    help="The neural networks: what they are for, where they come from, under what terms.\n\n"
    "[bold]sealframe models setup[/bold] converts what has to be converted, once. Nothing is downloaded: "
    "models come with installed packages and are checked against SHA-256 sums.",
)

Folder = Annotated[Path, typer.Option("--folder", help="where converted models are kept")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


@app.command("setup")
def setup(folder: Folder = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """Check every model, and convert those that need it into the folder.

    Hiding faces needs no set-up; searching for a person does. Running it again is cheap and repairs a damaged file.
    """
    results = {name: str(install(name, folder, CONVERTERS)) for name in catalogue()}
    if as_json:
        give({"models": results})
        return
    for name, path in results.items():
        say(f"[green]ready[/green] {name}: {path}")


@app.command("list")
def show(folder: Folder = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """All models with purpose, licence, terms of the training data, and whether they are ready to run."""
    models = catalogue().values()
    states = {model.name: _state(model, folder) for model in models}
    if as_json:
        give({"models": [_entry(model, states[model.name]) for model in models]})
        return
    table = Table("model", "purpose", "from", "licence", "training data", "state")
    for model in models:
        origin = f"{model.package}: {model.path}"
        table.add_row(model.name, model.purpose, origin, model.licence, model.training_data, states[model.name])
    console.print(table)


def _state(model: Model, folder: Path) -> str:
    try:
        resolve(model.name, folder)
    except ConfigError as error:
        return str(error)
    return "ready"


def _entry(model: Model, state: str) -> dict[str, str]:
    return {
        "name": model.name, "purpose": model.purpose, "package": model.package, "path": model.path,
        "sha256": model.sha256, "licence": model.licence, "training_data": model.training_data, "state": state,
    }  # fmt: skip
