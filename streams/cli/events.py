"""`sealframe events`: what moves in a video, and nothing else of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from infra.camera import open_source
from operators.codec import encode
from streams.cli.left_out import Taken, left_out, say_left_out
from streams.cli.output import give, progress, say
from streams.cli.paths import check_paths
from streams.events import events as run
from streams.setup import check_coding


def events(
    source: Annotated[str, typer.Argument(metavar="IN", help="video file, raw stream, GIF or folder of pictures")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="video of the movement (fragmented MP4)")],
    colours: Annotated[str, typer.Option(help="munsell (still is grey), hsv (black) or wheel (white)")] = "munsell",
    crf: Annotated[float, typer.Option(help="x264 quality: lower is better")] = 23,
    preset: Annotated[str, typer.Option(help="x264 preset")] = "veryfast",
    chunk_ms: Annotated[int, typer.Option(help="length of a chunk in ms; longer ones compress better")] = 2000,
    as_json: Annotated[bool, typer.Option("--json", help="print totals as JSON")] = False,
) -> None:
    """Show where and how fast things move, cell by cell of 8x8 pixels; no texture, no face, no plate is in it.

    Direction is the colour's hue, speed its strength: by Munsell's system equal steps look equally large. To watch a
    room without seeing who is in it, to label actions, to train on. Nothing is sealed, sound isn't
    taken along, and there is no way back: `sealframe events in.mp4 out.mp4`.
    """
    check_coding(crf, preset)
    check_paths([("IN", source)], [("OUT", out)])
    began = time.monotonic()
    taken = Taken(source)
    chunks = taken.of(open_source(source, encode=encode, chunk_ms=chunk_ms, camera_id="file", whole=True))
    with progress("frames", quiet=as_json) as bar:
        totals = run(chunks, out, colours, crf, preset, lambda done: bar.update(bar.task_ids[0], completed=done))
    seconds = time.monotonic() - began
    if as_json:
        give({"frames": totals.frames, "original_bytes": totals.original_bytes, "public_bytes": totals.public_bytes,
              "seconds": round(seconds, 3), **left_out(taken)})
    else:
        say(f"{out}: {totals.frames} frames, {totals.public_bytes:,} bytes (original {totals.original_bytes:,}); "
            f"{seconds:.1f} s")
        say_left_out(taken)
