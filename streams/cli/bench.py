"""`sealframe bench`: how fast, in ratios of one run."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated, get_args

import typer

from infra.models import FOLDER
from operators.desensitise.policy import DEFAULT, Policy, Preset
from operators.effort import LEVELS, WHOLE
from schemas.errors import UsageError
from streams.cli.output import console, say
from streams.cli.suite import PICTURES, Models, tell
from streams.demo.pictures import people
from streams.evaluate import bench as runs
from streams.evaluate import bench_faces as faces
from streams.evaluate import bench_index as index
from streams.evaluate import bench_log as log
from streams.evaluate import bench_operators as operators
from streams.evaluate import bench_stream as streams
from streams.evaluate import bench_throughput as throughput
from streams.evaluate import stage
from streams.evaluate.report import Figure, report, table, write
from streams.setup import file_policy, finder

Apart = Annotated[bool, typer.Option("--apart", help="evidence as a worker seals it, each set of people by itself; "
                                     "else as file mode does, for one reader")]
CLIPS = 3
"""Clips that live cameras show in turn."""
bench_app = typer.Typer(no_args_is_help=True, help="How fast, in ratios of one run on this machine.")


@bench_app.command("file")
def bench_file(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="video with faces", exists=True, dir_okay=False)],
    out: Annotated[Path | None, typer.Option("--json", help="write the report to this file")] = None,
    frames: Annotated[int, typer.Option(help="of the clip, there and back until there are so many", min=50)] = 300,
    preset: Annotated[list[str] | None, typer.Option(help="x264 preset; may be repeated")] = None,
    deface: Annotated[bool, typer.Option(help="run the peer, too")] = True,
    empty: Annotated[Path | None, typer.Option(
        help="video with nobody in it, too: how fast its chunks pass", exists=True, dir_okay=False)] = None,
) -> None:
    """File mode at 720p and 1080p against decoding and encoding alone, and against deface. Exit code 1: a miss.

    The floor decodes and encodes one frame after the other, on one thread, as file mode's codecs do; beside it stands
    the floor on all cores.
    """
    chosen = _presets(preset)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        found = runs.evaluate(clip, folder, frames, chosen, deface, lambda line: say(f"  {line}"))
        found += runs.evaluate_empty(empty, folder, frames, chosen[0], lambda line: say(f"  {line}")) if empty else []
    _finish("bench file", found, out)


@bench_app.command("operators")
def bench_operators(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="video with faces", exists=True, dir_okay=False)],
    out: Annotated[Path | None, typer.Option("--json", help="write the report to this file")] = None,
    frames: Annotated[int, typer.Option(help="of the clip, there and back until there are so many", min=50)] = 150,
    size: Annotated[str, typer.Option(help=f"scaled to: {', '.join(runs.SIZES)}")] = "720p",
    preset: Annotated[str, typer.Option(help="x264 preset")] = "veryfast",
    level: Annotated[str, typer.Option("--effort", help=f"as for a late camera: {', '.join(LEVELS[:WHOLE])}")] = "full",
    apart: Apart = False,
) -> None:
    """Where each millisecond of CPU time goes, operator by operator. Exit code 1: a miss."""
    if size not in runs.SIZES:
        raise UsageError(f"no size {size!r}; there are {', '.join(runs.SIZES)}")
    if level not in LEVELS[:WHOLE]:
        raise UsageError(f"no effort {level!r}; there are {', '.join(LEVELS[:WHOLE])}")
    policy = _policy(preset, apart)
    with tempfile.TemporaryDirectory() as scratch:
        chunks = runs.chunks_of(clip, Path(scratch) / "clip.mp4", *runs.SIZES[size], frames)
        found = operators.evaluate(chunks, policy, finder(["face"]), LEVELS.index(level))
    _finish("bench operators", found, out)


@bench_app.command("stream")
def bench_stream(
    out: Annotated[Path | None, typer.Option("--json", help="write the report to this file")] = None,
    cameras: Annotated[int, typer.Option(help="live 720p cameras at 25 frames a second", min=1)] = 2,
    preset: Annotated[list[str] | None, typer.Option(help="x264 preset; may be repeated")] = None,
    minutes: Annotated[float, typer.Option(help="how long each preset runs", min=0.2)] = 5.0,
    models: Models = FOLDER,
    pictures: Annotated[Path, typer.Option(help="pictures of the demo's people")] = PICTURES,
) -> None:
    """Live cameras over the whole stack: latency, what was spent on each chunk, drops, leaks. Exit code 1: a miss.

    A worker that can't keep up searches smaller pictures, then masks whole frames, then drops chunks:
    the figures say how often. Without --preset, veryfast and then ultrafast, each in a stack of its own.
    """
    chosen = _presets(preset)
    found: list[Figure] = []
    with tempfile.TemporaryDirectory() as scratch:
        tell("filming")
        clips = stage.crowds(pictures, Path(scratch), width=1280, height=720, count=min(cameras, CLIPS))
        filmed = {f"camera-{n + 1}": clips[n % len(clips)] for n in range(cameras)}
        for one in chosen:
            with stage.fresh_stack(models, tell, preset=one) as stack:
                tell(f"{one}: {cameras} cameras for {minutes:g} minutes")
                found += streams.evaluate(stack, filmed, minutes, one)
    _finish("bench stream", found, out)


@bench_app.command("throughput")
def bench_throughput(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="video with faces", exists=True, dir_okay=False)],
    out: Annotated[Path | None, typer.Option("--json", help="write the report to this file")] = None,
    frames: Annotated[int, typer.Option(help="of the clip, there and back until there are so many", min=50)] = 300,
    preset: Annotated[str, typer.Option(help="x264 preset")] = "veryfast",
    models: Models = FOLDER,
) -> None:
    """Recorded video over the whole stack against file mode, by one camera and by four. Exit code 1: a miss.

    The clip is scaled to 720p. From the push until both platforms have stored everything; the worker's memory beside.
    """
    (chosen,) = _presets([preset])
    with tempfile.TemporaryDirectory() as scratch, stage.fresh_stack(models, tell, preset=chosen) as stack:
        found = throughput.evaluate(stack, clip, Path(scratch), frames, tell)
    _finish("bench throughput", found, out)


@bench_app.command("faces")
def bench_faces(
    out: Annotated[Path | None, typer.Option("--json", help="write the report to this file")] = None,
    preset: Annotated[str, typer.Option(help="x264 preset")] = "veryfast",
    pictures: Annotated[Path, typer.Option(help="pictures of the demo's people")] = PICTURES,
    apart: Apart = False,
) -> None:
    """What a 720p frame costs with one face in it and with thirty, CPU time of one thread. Exit code 1: a miss."""
    (chosen,) = _presets([preset])
    with tempfile.TemporaryDirectory() as scratch:
        found = faces.evaluate(people(pictures), Path(scratch), _policy(chosen, apart), finder(["face"]), tell)
    _finish("bench faces", found, out)


@bench_app.command("log")
def bench_log(
    out: Annotated[Path | None, typer.Option("--json", help="write the report to this file")] = None,
    count: Annotated[int, typer.Option(help="entries of the long log")] = 100_000,
) -> None:
    """Appending to and proving from a long access log, in a database of its own. Exit code 1: a miss.

    Beside it stands what a log without a stored tree would do: read all leaves for each root.
    """
    _finish("bench log", log.evaluate(count, lambda line: say(f"  {line}")), out)


@bench_app.command("index")
def bench_index(
    out: Annotated[Path | None, typer.Option("--json", help="write the report to this file")] = None,
    count: Annotated[int, typer.Option(help="tracks of the crowded video")] = 2000,
) -> None:
    """Merging the faces of a chunk beside many tracks of its video, in a database of its own.

    A live video lasts half an hour at most: on a busy street that is some thousand tracks.
    """
    _finish("bench index", index.evaluate(count, lambda line: say(f"  {line}")), out)


def _presets(named: list[str] | None) -> tuple[str, ...]:
    """The presets asked for; raises UsageError for one that there isn't."""
    chosen = tuple(named or ["veryfast", "ultrafast"])
    unknown = [one for one in chosen if one not in get_args(Preset)]
    if unknown:
        raise UsageError(f"no preset {unknown[0]!r}; there are {', '.join(get_args(Preset))}")
    return chosen


def _policy(preset: str, apart: bool) -> Policy:
    whole = file_policy(method=DEFAULT, quality="high", stride=5, crf=runs.CRF, preset=preset, keep_evidence=True)
    return replace(whole, apart=apart)


def _finish(name: str, found: list[Figure], out: Path | None) -> None:
    if out:
        write(out, report(name.replace(" ", "-"), found))
    console.print(table(name, found), markup=True)
    raise typer.Exit(any(figure.holds is False for figure in found))
