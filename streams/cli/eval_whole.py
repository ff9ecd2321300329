"""Suites of `sealframe eval` that go the whole way: file mode, and the stack with broker and platforms."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from infra.models import FOLDER
from schemas.errors import UsageError
from streams.cli.output import console
from streams.cli.suite import PICTURES, Clips, Models, Out, People, clips_in, finish, tell
from streams.evaluate import files, identities, kill, latency, memory, restoration, stage
from streams.evaluate import stack as whole


def eval_files(
    data: Clips,
    out: Out = None,
    quality: Annotated[str, typer.Option(help="evidence: high or lossless")] = "high",
) -> None:
    """File mode over every clip: frames, times, restoration, bytes."""
    clips_in(data)
    figures, results = files.evaluate(data, quality, tell)
    rows = Table("clip", "frames", "masked", "passed", "original", "public", "evidence", "evid/pub", "bits ratio",
                 "restored dB", "outside loss dB", title="clips")
    for r in results:
        rows.add_row(r.name, f"{r.frames_out}/{r.frames_in}", str(r.masked_frames), f"{r.passed}/{r.chunks}",
                     f"{r.original_bytes:,}", f"{r.public_bytes:,}", f"{r.evidence_bytes:,}",
                     f"{r.evidence_bytes / r.public_bytes:.2f}", f"{r.public_bytes / max(r.unmasked_bytes, 1):.2f}",
                     f"{r.restored_db:.1f}", f"{r.outside_loss_db:+.2f}")
    console.print(rows)
    finish(f"files-{quality}", figures, out)


def eval_stack(
    data: Clips,
    out: Out = None,
    models: Models = FOLDER,
) -> None:
    """Every clip the whole way over broker and platforms; then its disk, searched for bare pictures."""
    clips_in(data)
    with stage.fresh_stack(models, tell) as stack:
        figures, results = whole.evaluate(stack, data, tell)
    rows = Table("clip", "chunks", "frames", "times wrong", "samples", "public", "evidence", "seconds", title="clips")
    for r in results:
        rows.add_row(r.name, str(r.chunks), f"{r.frames_recorded}/{r.frames_in}", str(r.times_wrong),
                     f"{r.totals.samples_equal:,}/{r.totals.samples:,}", f"{r.totals.public_bytes:,}",
                     f"{r.totals.evidence_bytes:,}", f"{r.seconds:.1f}")
    console.print(rows)
    finish("stack", figures, out)


def eval_kill(
    data: Clips,
    out: Out = None,
    kills: Annotated[int, typer.Option(help="how often the service is killed", min=1)] = 20,
    seed: Annotated[int, typer.Option(help="draws the moments")] = 1,
    service: Annotated[str, typer.Option(help="who is killed: worker | operator | authority")] = "worker",
    models: Models = FOLDER,
) -> None:
    """SIGKILL of a service at random moments under four cameras: what both stores lost, doubled or broke."""
    if service not in kill.SERVICES:
        raise UsageError(f"--service is one of {', '.join(kill.SERVICES)}")
    clips_in(data)
    with stage.fresh_stack(models, tell) as stack:
        figures = kill.evaluate(stack, files.clips(data), kills, seed, service, tell)
    finish(f"kill-{service}", figures, out)


def eval_latency(
    seconds: Annotated[float, typer.Option(help="at least so long, to the end of a turn of 9 s", min=1)] = 60.0,
    out: Out = None,
    models: Models = FOLDER,
    pictures: Annotated[Path, typer.Option(help="pictures of the demo's people")] = PICTURES,
) -> None:
    """One 640x360 camera at 25 frames a second and real time: from push to a consumer of the operator's topic."""
    with tempfile.TemporaryDirectory() as scratch, stage.fresh_stack(models, tell) as stack:
        tell("filming")
        [clip] = stage.cameras(pictures, Path(scratch), width=640, height=360, count=1)
        figures = latency.evaluate(stack, {"camera-1": clip}, seconds)
    finish("latency", figures, out)


def eval_memory(
    minutes: Annotated[float, typer.Option(help="how long to film", min=0.2)] = 10.0,
    out: Out = None,
    models: Models = FOLDER,
    pictures: Annotated[Path, typer.Option(help="pictures of the demo's people")] = PICTURES,
) -> None:
    """Two looping 720p cameras at real time: memory of the worker's process, and whether it keeps up."""
    with tempfile.TemporaryDirectory() as scratch, stage.fresh_stack(models, tell) as stack:
        tell("filming")
        clips = stage.cameras(pictures, Path(scratch), width=1280, height=720, count=2)
        figures = memory.evaluate(stack, {f"camera-{n}": clip for n, clip in enumerate(clips, 1)}, minutes)
    finish("memory", figures, out)


def eval_identities(
    data: People,
    out: Out = None,
    n: Annotated[int, typer.Option(help="people filmed, and as many strangers", min=1)] = 20,
    seed: Annotated[int, typer.Option(help="draws people, photographs and paths")] = 0,
    models: Models = FOLDER,
) -> None:
    """People filmed by four cameras, searched by other photographs of them; strangers too."""
    with tempfile.TemporaryDirectory() as scratch, stage.fresh_stack(models, tell) as stack:
        results = identities.evaluate(stack, data / "identities", Path(scratch), n, seed, tell)
    rows = Table("person", "first match", "right", "photographs that name somebody", title="not as it should be")
    for one, wanted in [(p, True) for p in results.people] + [(p, False) for p in results.strangers]:
        if (one.similarity is not None) != wanted or one.right != wanted:
            similarity = "none" if one.similarity is None else f"{one.similarity:.3f}"
            rows.add_row(one.label, similarity, str(one.right), f"{one.photographs[0]} of {one.photographs[1]}")
    if rows.rows:
        console.print(rows)
    finish("identities", identities.figures(results, seed), out)


def eval_restore(
    out: Out = None,
    seconds: Annotated[int, typer.Option(help="how long the video is", min=10)] = 60,
    pictures: Annotated[Path, typer.Option(help="of people, as `sealframe demo` fetched them")] = PICTURES,
    models: Models = FOLDER,
) -> None:
    """One subject of a 720p video brought back over the whole stack: the time, and every sample compared."""
    with tempfile.TemporaryDirectory() as scratch, stage.fresh_stack(models, tell) as stack:
        figures = restoration.evaluate(stack, pictures, Path(scratch), seconds, tell)
    finish("restore", figures, out)
