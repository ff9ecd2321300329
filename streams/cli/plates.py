"""`sealframe plates read`: licence plates in pictures, one line a plate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from operators.plates import WEIGHTS, PlateReader
from schemas.errors import SourceError
from streams.cli.output import give, say
from streams.plate_pictures import Found, load_picture, read_picture
from streams.setup import plate_detector

app = typer.Typer(no_args_is_help=True, help="Licence plates in pictures: found and read on this machine, not kept.")
READ = (
    "Find and read the licence plates of pictures; one line a plate.\n\n"
    "With --json each line is an object on standard output: file, text, confidence (of the whole text, 0 to 1), "
    "characters (the confidence of each), box (x1, y1, x2, y2 in pixels), corners (four x, y from the top left, "
    "clockwise as the plate is read; null where only the box is known) and score (the detector's; null where the "
    "picture was read whole).\n\n"
    "A picture that is itself the crop of a plate is read whole. Latin letters, digits, Chinese provinces, Hangul; "
    "plates of two lines aren't read. Text has no spaces or hyphens.\n\n"
    "A file that can't be read is named, the others are read all the same. Exit code 0: all files were read, also "
    "where they show no plate; 1: some were not; 2: wrong use.\n\n"
    "Example: sealframe plates read car.jpg crops/*.png --json"
)


@app.callback()
def _group() -> None:
    """Keeps the sub-command's name."""


@app.command("read", help=READ)
def read(
    pictures: Annotated[list[Path], typer.Argument(metavar="IMG...", help="JPEG, PNG and what OpenCV reads else")],
    as_json: Annotated[bool, typer.Option("--json", help="print each plate as a line of JSON")] = False,
) -> None:
    """Parse and call."""
    reader, detector = PlateReader(WEIGHTS), plate_detector()
    failed = 0
    for path in pictures:
        try:
            found = read_picture(load_picture(path), reader, detector)
        except SourceError as error:
            failed += 1
            say(str(error), f"{path}:", "red")
            continue
        if not found:
            say(f"{path}: no plate")
        for one in found:
            if as_json:
                give(line(path, one))
            else:
                box = " ".join(f"{value:.0f}" for value in one.box)
                text = one.reading.text or "not readable"
                say(f"{path}: {text}  confidence {one.reading.confidence:.2f}  box {box}")
    if failed:
        raise typer.Exit(1)


def line(path: Path, one: Found) -> dict[str, object]:
    """A plate as `--json` prints it."""
    return {
        "file": str(path), "text": one.reading.text, "confidence": round(one.reading.confidence, 4),
        "characters": [round(sure, 4) for sure in one.reading.characters],
        "box": [round(value, 1) for value in one.box],
        "corners": [[round(x, 1), round(y, 1)] for x, y in one.corners] or None,
        "score": None if one.score is None else round(one.score, 4),
    }
