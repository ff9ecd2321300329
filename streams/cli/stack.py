"""`sealframe up | down | status | doctor`: the embedded stack on this machine."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from infra.broker import find_java, kafka_version
from infra.models import FACE_EMBEDDER, centerface, resolve
from infra.settings import load
from schemas.errors import ConfigError, SealframeError
from streams.cli.output import AsJson, console, give, say, say_lines, tell
from streams.stack import Stack
from streams.welcome import pages_of, welcome

Home = Annotated[Path | None, typer.Option(help="folder of the stack; default: the setting `home`, .sealframe")]
HOME: Path | None = None
MIN_FREE_BYTES = 2 * 2**30


def up(home: Home = HOME, as_json: AsJson = False) -> None:
    """Start broker, databases and all services here, with TLS, rights and passwords on; wait until all answer."""
    _finds_faces(home)
    stack = Stack(load(home=home))
    stack.up(lambda what: None if as_json else say(f"  {what}"))
    urls = {name: stack.url(name) for name in stack.ports()}
    if as_json:
        give({"bootstrap": stack.bootstrap, "urls": urls, "pages": pages_of(stack)})
        return
    say(f"up: broker {stack.bootstrap}")
    for name, url in urls.items():
        say(f"  {name}: {url}")
    for line in welcome(stack):
        say(line)
    say(f"certificates: {stack.tls}; next: sealframe camera add gate-1, then sealframe push video.mp4 --camera gate-1")


def down(home: Home = HOME, as_json: AsJson = False) -> None:
    """Stop everything that `up` started; data stay."""
    Stack(load(home=home)).down()
    tell("down", {"down": True}, as_json)


def status(home: Home = HOME, as_json: AsJson = False) -> None:
    """What runs, with its pid."""
    found = Stack(load(home=home)).status()
    if as_json:
        give(found)
    else:
        table = Table("service", "pid")
        for name, pid in found.items():
            table.add_row(name, str(pid) if pid else Text("down", "red"))
        console.print(table)
    if not all(found.values()):
        raise typer.Exit(1)


def doctor(home: Home = HOME, as_json: AsJson = False) -> None:
    """Check what the stack needs on this machine, and say what to do about what is missing."""
    checks: dict[str, Callable[[], str]] = {
        "python": lambda: _say(sys.version_info[:2] == (3, 11), "3.11", "Python 3.11 is needed"),
        "java": lambda: f"{find_java().version}",
        "kafka": kafka_version,
        "detector": lambda: centerface().name,
        "face_detector": lambda: _finds_faces(home),
        "embedder": lambda: resolve(FACE_EMBEDDER, load(home=home).home / "models").name,
        "disk": lambda: _say(_free_bytes(load(home=home).home) > MIN_FREE_BYTES, "enough", "under 2 GiB free"),
    }
    result, failed = {}, False
    for name, look in checks.items():
        try:
            result[name] = look()
        except SealframeError as error:
            result[name], failed = f"missing: {error}", True
    if as_json:
        give({"ok": not failed, **result})
    else:
        for name, found in result.items():
            missing = found.startswith("missing")
            say_lines(f"{name}: {found}", "  no " if missing else "  ok", "red" if missing else "green")
    if failed:
        raise typer.Exit(1)


def _finds_faces(home: Path | None) -> str:
    """The detector of worker and edge, loaded once; raises as `named_detector`."""
    from streams.setup import named_detector

    settings = load(home=home)
    named_detector(settings.face_detector, folder=settings.home / "models")
    return settings.face_detector


def _say(holds: bool, good: str, bad: str) -> str:
    if not holds:
        raise ConfigError(bad)
    return good


def _free_bytes(folder: Path) -> int:
    """Where the folder is, or would be made."""
    place = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.is_dir())
    return shutil.disk_usage(place).free
