"""`sealframe eval`: every figure that the documents claim, measured again. A suite is an entry of `SUITES`."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Annotated, Literal

import typer

from schemas.errors import SealframeError, UsageError
from streams.cli.eval_attack import eval_attack, eval_attack_networks, eval_attack_plates, eval_attack_structure
from streams.cli.eval_bits import eval_bits
from streams.cli.eval_events import eval_events
from streams.cli.eval_faces import eval_faces, eval_search
from streams.cli.eval_hiding import eval_hiding
from streams.cli.eval_leak import (
    eval_clip_leak,
    eval_cost,
    eval_detect,
    eval_evasion,
    eval_leak,
    eval_plate_leak,
    eval_spare,
    eval_tracks,
)
from streams.cli.eval_methods import eval_methods
from streams.cli.eval_plates import eval_plate_search, eval_plate_tracks, eval_plates
from streams.cli.eval_quality import eval_quality
from streams.cli.eval_replacement import eval_replacement
from streams.cli.eval_silhouette import eval_silhouette
from streams.cli.eval_subjects import eval_subjects
from streams.cli.eval_utility import eval_utility
from streams.cli.eval_view import eval_view
from streams.cli.eval_whole import (
    eval_files,
    eval_identities,
    eval_kill,
    eval_latency,
    eval_memory,
    eval_restore,
    eval_stack,
)
from streams.cli.suite import Out, clips_in, finish, tell
from streams.evaluate.together import RUNS, Run, evaluate

SUITES: dict[str, dict[str, Callable[..., None]]] = {
    "The whole way": {
        "files": eval_files, "stack": eval_stack, "kill": eval_kill, "restore": eval_restore,
        "latency": eval_latency, "memory": eval_memory,
    },
    "What stays visible": {
        "leak": eval_leak, "clip-leak": eval_clip_leak, "plate-leak": eval_plate_leak, "tracks": eval_tracks,
        "detect": eval_detect, "cost": eval_cost, "evasion": eval_evasion, "view": eval_view, "spare": eval_spare,
    },
    "What masks say": {
        "attack": eval_attack, "attack-structure": eval_attack_structure, "attack-networks": eval_attack_networks,
        "attack-plates": eval_attack_plates,
    },
    "What methods cost and leave": {
        "methods": eval_methods, "bits": eval_bits, "utility": eval_utility, "replacement": eval_replacement,
        "silhouette": eval_silhouette, "hiding": eval_hiding, "events": eval_events,
    },
    "Whom a search finds": {
        "faces": eval_faces, "quality": eval_quality, "identities": eval_identities, "subjects": eval_subjects,
        "search": eval_search,
    },
    "Plates": {"plates": eval_plates, "plate-tracks": eval_plate_tracks, "plate-search": eval_plate_search},
}
app = typer.Typer(
    no_args_is_help=True,
    help="Measure again what the documents claim; see FIGURES.md. Every suite prints its figures beside their targets, "
         "writes them with --json, and ends with 1 where one is missed.",
)
for _panel, _suites in SUITES.items():
    for _name, _suite in _suites.items():
        app.command(_name, rich_help_panel=_panel)(_suite)


@app.command("all")
def eval_all(
    data: Annotated[Path, typer.Option(
        help="folder that holds clips, and folders identities, faceboxes and plates", exists=True, file_okay=False)],
    out: Out = None,
    folder: Annotated[Path, typer.Option(
        help="reports and logs of the suites; what has a report here isn't measured again")] = Path("out/eval"),
    only: Annotated[list[str] | None, typer.Option(
        help="this suite alone, by its report's name; may be repeated")] = None,
    clip: Annotated[Path | None, typer.Option(
        help="for `methods`: video with faces; else the first of the folder", exists=True, dir_okay=False)] = None,
    profile: Annotated[Literal["default"], typer.Option(help="the settings that are shipped")] = "default",
) -> None:
    """All suites in turn, with the options of FIGURES.md, in one table. Hours; it goes on where it stopped."""
    names = [run.name for run in RUNS]
    unknown = sorted(set(only or ()) - set(names))
    if unknown:
        raise UsageError(f"no suite {unknown[0]!r}: choose from {', '.join(names)}")
    suites = {name: suite for panel in SUITES.values() for name, suite in panel.items()}

    def arguments(run: Run) -> list[str]:
        if "clip" in signature(suites[run.suite]).parameters:
            return [str(clip or clips_in(data)[0])]
        return ["--data", str(data)] if "data" in signature(suites[run.suite]).parameters else []

    folder.mkdir(parents=True, exist_ok=True)
    chosen = [run for run in RUNS if not only or run.name in only]
    figures, failed = evaluate(chosen, arguments, folder, tell)
    finish("all", figures, out, beside={"not_measured": failed}, ends=not failed)
    if failed:
        raise SealframeError("\n".join(["not measured:", *failed]))
