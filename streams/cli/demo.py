"""`sealframe demo`: the whole way on this machine, measured."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Annotated

import typer

from infra.models import FOLDER
from infra.settings import load
from streams.cli.output import console, give, say
from streams.demo.pictures import credits, fetch
from streams.demo.run import Demo, Shot, generate
from streams.evaluate.report import report, table, write
from streams.stack import Stack
from streams.welcome import welcome

HOME = Path(".sealframe/demo")
PICTURES = Path(".sealframe/pictures")


def demo(
    out: Annotated[Path, typer.Option(help="folder for videos, picture and report")] = Path("out/demo"),
    seed: Annotated[int, typer.Option(help="draws other people, paths and gaps")] = 1,
    video: Annotated[Path | None, typer.Option(help="your own video instead of the generated ones")] = None,
    fetch_only: Annotated[bool, typer.Option("--fetch", help="only bring the pictures, as set-up does")] = False,
    keep: Annotated[bool, typer.Option(help="leave the stack up, and say where its pages are")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the report as JSON")] = False,
) -> None:
    """Two cameras, two platforms, one broker: hide people, seal them, find one by another photograph, bring it back.

    Writes OUT/original-desensitised-restored.png, the videos and report.json. All security is on, as in production.
    """
    fetch(PICTURES)
    if fetch_only:
        say(f"pictures are in {PICTURES}")
        return
    stack = Stack(load(home=HOME))
    stack.down()
    shutil.rmtree(HOME, ignore_errors=True)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    HOME.mkdir(mode=0o711, parents=True)
    shutil.copytree(FOLDER, HOME / "models")
    began = time.monotonic()

    def tell(what: str) -> None:
        if not as_json:
            say(f" {what}", f"{time.monotonic() - began:5.1f} s", "dim")

    try:
        stack.up(tell)
        tell("filming")
        cast, shots = (None, [Shot("camera-1", video, None)]) if video else generate(PICTURES, HOME, seed)
        run = Demo(stack.settings, stack, out, tell)
        try:
            figures = run.run(shots, cast, began)
        finally:
            run.close()
    finally:
        if not keep:
            stack.down()
    content = report("demo", figures) | {"seed": seed, "pictures": list(credits()) if cast else []}
    write(out / "report.json", content)
    if as_json:
        give(content)
    else:
        console.print(table("demo", figures), markup=True)
        say(f"{out}/original-desensitised-restored.png, desensitised-*.mp4, restored.mp4 and its manifest, report.json")
        if keep:
            for line in [*welcome(stack), f"it runs on until: sealframe down --home {HOME}"]:
                say(line)
        else:
            say("to look around in its pages: make demo KEEP=1")
    if any(figure.holds is False for figure in figures):
        raise typer.Exit(1)
