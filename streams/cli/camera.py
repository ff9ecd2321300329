"""`sealframe camera`: who may push, and what a source delivers."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from infra.camera import describe
from infra.settings import load
from streams.cli.output import give, say
from streams.cli.stack import HOME, Home
from streams.stack import Stack

app = typer.Typer(no_args_is_help=True, help="Cameras: add, list, rotate, remove, and look at what a source delivers.")
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
CameraId = Annotated[str, typer.Argument(metavar="CAMERA", help="the camera's id: letters, digits, '-'")]


@app.command("add")
def add(camera_id: CameraId, home: Home = HOME) -> None:
    """Give a camera its certificates and the right to write its own chunks, and no others."""
    Stack(load(home=home)).enrol_camera(camera_id)
    say(f"camera {camera_id} may push: sealframe push SOURCE --camera {camera_id}")


@app.command("list")
def show(home: Home = HOME, as_json: AsJson = False) -> None:
    """Cameras with certificates."""
    folder = Stack(load(home=home)).tls
    names = sorted(path.name.removeprefix("camera-") for path in folder.glob("camera-*") if path.is_dir())
    if as_json:
        give(names)
    else:
        for name in names or ["no cameras: sealframe camera add ID"]:
            say(name)


@app.command("rotate")
def rotate(camera_id: CameraId, home: Home = HOME) -> None:
    """New keys and certificates for a camera; `push` takes them when it starts next.

    The old ones hold until they run out, 30 days after they were made. For a camera that was stolen, take `remove`.
    """
    Stack(load(home=home)).rotate_camera(camera_id)
    say(f"camera {camera_id} has new keys and certificates: start its push again")


@app.command("remove")
def remove(camera_id: CameraId, home: Home = HOME) -> None:
    """Take a camera's right to write; what it wrote stays."""
    taken = Stack(load(home=home)).admin().revoke(f"camera-{camera_id}")
    say(f"camera {camera_id}: {taken} rights taken")


@app.command("test")
def test(
    source: Annotated[str, typer.Argument(help="file, folder of pictures, RTSP address or device")],
    as_json: AsJson = False,
) -> None:
    """Say in one screen what a source delivers, and what `push` would do with it."""
    found = asdict(describe(source))
    if as_json:
        give(found)
        return
    for name, value in found.items():
        say(f"  {name.replace('_', ' ')}: {value}")


