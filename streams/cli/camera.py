"""`sealframe camera`: who may push, and what a source delivers."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from infra.camera import describe
from infra.settings import load
from schemas.errors import UsageError
from schemas.topics import CAMERAS, EDGE
from streams.cli.output import AsJson, give, say, tell
from streams.cli.stack import HOME, Home
from streams.intake import writer
from streams.stack import Stack

app = typer.Typer(no_args_is_help=True, help="Cameras: add, list, rotate, remove, and look at what a source delivers.")
CameraId = Annotated[str, typer.Argument(metavar="CAMERA", help="the camera's id: letters, digits, '-'")]
Gateway = Annotated[bool, typer.Option("--gateway", help="it is a gateway's name: a machine that pushes for several")]


@app.command("add")
def add(camera_id: CameraId, gateway: Gateway = False, home: Home = HOME, as_json: AsJson = False) -> None:
    """Give a camera its certificates and the right to write its own chunks, and no others.

    A gateway pushes for the cameras that the setting `gateways` names: gateways = { yard = ["gate-1", "gate-2"] }.
    """
    settings = load(home=home)
    if gateway and not settings.gateways.get(camera_id):
        raise UsageError(f"say whose cameras these are, in sealframe.toml: gateways = {{ {camera_id} = [\"gate-1\"] }}")
    principal = writer(camera_id, gateway=gateway)
    Stack(settings).enrol(principal)
    cameras = sorted(settings.gateways[camera_id]) if gateway else [camera_id]
    who, how = f"camera {camera_id} may push", f"sealframe push SOURCE --camera {cameras[0]}"
    if gateway:
        who = f"gateway {camera_id} may push for {', '.join(cameras)}, once the workers have been started anew"
        how = f"{how} --gateway {camera_id}"
    tell(f"{who}: {how}", {"principal": principal, "cameras": cameras}, as_json)


@app.command("list")
def show(home: Home = HOME, as_json: AsJson = False) -> None:
    """Cameras with certificates, and gateways by their whole name (`gateway-yard`)."""
    folder = Stack(load(home=home)).tls
    found = (path.name for prefix in EDGE for path in folder.glob(f"{prefix}*") if path.is_dir())
    names = sorted(name.removeprefix(CAMERAS) for name in found)
    if as_json:
        give(names)
    else:
        for name in names or ["no cameras: sealframe camera add ID"]:
            say(name)


@app.command("rotate")
def rotate(camera_id: CameraId, gateway: Gateway = False, home: Home = HOME, as_json: AsJson = False) -> None:
    """New keys and certificates for a camera; `push` takes them when it starts next.

    The old ones hold until they run out, 30 days after they were made. For a camera that was stolen, take `remove`.
    """
    principal = writer(camera_id, gateway=gateway)
    Stack(load(home=home)).rotate(principal)
    tell(f"{camera_id} has new keys and certificates: start its push again", {"principal": principal}, as_json)


@app.command("remove")
def remove(camera_id: CameraId, gateway: Gateway = False, home: Home = HOME, as_json: AsJson = False) -> None:
    """Take a camera's right to write; what it wrote stays."""
    principal = writer(camera_id, gateway=gateway)
    taken = Stack(load(home=home)).admin().revoke(principal)
    tell(f"{camera_id}: {taken} rights taken", {"principal": principal, "rights_taken": taken}, as_json)


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


