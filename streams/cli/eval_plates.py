"""Suites of `sealframe eval` for plates: found and read, along a track, searched in a library."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from operators.detect import PLATE_SCORE, PlateDetector
from operators.plates import WEIGHTS, PlateReader
from streams.cli.suite import Out, finish, tell
from streams.evaluate import plate_clips, plate_detection, plate_search, plate_tracks, plates
from streams.setup import plate_detector


def eval_plates(
    data: Annotated[Path, typer.Option(help="folder with labels.tsv, or with plates/labels.tsv", file_okay=False)],
    out: Out = None,
    model: Annotated[Path | None, typer.Option(help="another reader's ONNX file", dir_okay=False)] = None,
    finder: Annotated[Path | None, typer.Option(help="another detector's ONNX file", dir_okay=False)] = None,
    whole: Annotated[bool, typer.Option("--all", help="also the half that training may have seen")] = False,
) -> None:
    """Plates kept back from training: read from labelled crops; found in pictures, covered, and read end to end.

    labels.tsv (tab-separated; columns file, x, y, w, h, text, part) lists pictures relative to its folder. Without a
    box the picture is the plate; without a text it is only looked for. A part gives exact_, cer_ (labelled crops),
    recall_, ap50_, covered_ (whole pictures) and end_to_end_. Exit code 1: a target is missed.
    """

    def make(score: float | None) -> PlateDetector:
        return PlateDetector(finder, PLATE_SCORE if score is None else score) if finder else plate_detector(score)

    figures = plates.evaluate(data, model or WEIGHTS, whole, tell)
    figures += plate_detection.evaluate(data, make, PlateReader(model or WEIGHTS), whole, tell)
    finish("plates", figures, out)


def eval_plate_tracks(
    out: Out = None,
    n: Annotated[int, typer.Option(help="tracks that count, at least; as many of every layout", min=1)] = 70,
    seed: Annotated[int, typer.Option(help="draws plates and their ways")] = 1,
    data: Annotated[Path | None, typer.Option(help="folder that holds clips/clips.tsv", file_okay=False)] = None,
) -> None:
    """Plates read along generated tracks: joined, beside the surest frame and the majority of frames.

    With --data also clips whose plate is known: the column `plates` of clips.tsv says "readable: TEXT".
    """
    figures = plate_tracks.evaluate(n, seed, tell)
    if data:
        figures += plate_clips.evaluate(data, plate_detector(), PlateReader(WEIGHTS), tell)
    finish("plate-tracks", figures, out)


def eval_plate_search(
    out: Out = None,
    plates: Annotated[int, typer.Option(help="lines of the library, at least 1,000", min=1000)] = 1_000_000,
    queries: Annotated[int, typer.Option(help="of each sort", min=20)] = 300,
    seed: Annotated[int, typer.Option(help="draws plates and queries")] = 0,
) -> None:
    """Search of a plate library in a database of its own: how long each sort takes, and whether the plate is found."""
    finish("plate-search", plate_search.evaluate(plates, queries, seed, tell), out)
