"""`sealframe eval`: every figure that the documents claim, measured again."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from infra.models import FOLDER, PYRAMID_FACE, face_embedder
from operators.desensitise.policy import Policy
from operators.detect import PLATE_SCORE, PlateDetector
from operators.embed import FaceEmbedder
from operators.plates import WEIGHTS, PlateReader
from operators.spare import SpareSettings
from schemas.errors import UsageError
from streams.authority.faces import Faces
from streams.cli.eval_attack import app as attacks
from streams.cli.eval_bits import eval_bits
from streams.cli.eval_events import eval_events
from streams.cli.eval_faces import FACES, eval_faces, eval_search
from streams.cli.eval_hiding import eval_hiding
from streams.cli.eval_methods import eval_methods
from streams.cli.eval_quality import eval_quality
from streams.cli.eval_replacement import eval_replacement
from streams.cli.eval_subjects import eval_subjects
from streams.cli.eval_utility import eval_utility
from streams.cli.eval_view import eval_view
from streams.cli.output import console, progress, say
from streams.evaluate import (
    cost,
    detect,
    evasion,
    faces,
    files,
    identities,
    kill,
    latency,
    leak,
    memory,
    plate_clips,
    plate_detection,
    plate_leak,
    plate_search,
    plate_tracks,
    plates,
    restoration,
    spare,
    stage,
    tracks,
)
from streams.evaluate import stack as whole
from streams.evaluate.report import Figure, report, table, write
from streams.evaluate.worst import Worst
from streams.setup import FACE_MODELS, FINDS_FACES, detector, finder, named_detector, plate_detector

PICTURES = Path(".sealframe/pictures")
Models = Annotated[Path, typer.Option(help="converted models, as `sealframe models setup` makes them")]
DEFAULT = Policy({})
Out = Annotated[Path | None, typer.Option("--json", help="write the report to this file")]
Page = Annotated[Path | None, typer.Option("--page", help="write the barest faces, as pictures, to this HTML file")]
app = typer.Typer(no_args_is_help=True, help="Measure again what the documents claim; see FIGURES.md.")
app.command("bits")(eval_bits)
app.command("view")(eval_view)
app.command("methods")(eval_methods)
app.command("utility")(eval_utility)
app.command("faces", help=FACES)(eval_faces)
app.command("search")(eval_search)
app.command("hiding")(eval_hiding)
app.add_typer(attacks)
app.command("events")(eval_events)
app.command("quality")(eval_quality)
app.command("subjects")(eval_subjects)
app.command("replacement")(eval_replacement)


@app.command("files")
def eval_files(
    data: Annotated[Path, typer.Option(help="folder with clips, searched through", exists=True, file_okay=False)],
    out: Annotated[Path | None, typer.Option("--json", help="write the report to this file")] = None,
    quality: Annotated[str, typer.Option(help="evidence: high or lossless")] = "high",
) -> None:
    """File mode over every clip: frames, times, restoration, bytes."""
    if not files.clips(data):
        raise UsageError(f"{data} holds no video ({', '.join(files.SUFFIXES)})")
    figures, results = files.evaluate(data, quality, lambda name: say(f"  {name}"))
    rows = Table("clip", "frames", "masked", "passed", "original", "public", "evidence", "evid/pub", "bits ratio",
                 "restored dB", "outside loss dB", title="clips")
    for r in results:
        rows.add_row(r.name, f"{r.frames_out}/{r.frames_in}", str(r.masked_frames), f"{r.passed}/{r.chunks}",
                     f"{r.original_bytes:,}", f"{r.public_bytes:,}", f"{r.evidence_bytes:,}",
                     f"{r.evidence_bytes / r.public_bytes:.2f}", f"{r.public_bytes / max(r.unmasked_bytes, 1):.2f}",
                     f"{r.restored_db:.1f}", f"{r.outside_loss_db:+.2f}")
    console.print(rows)
    console.print(table(f"eval files ({quality})", figures))
    if out:
        write(out, report(f"files-{quality}", figures))
    if any(figure.holds is False for figure in figures):
        raise typer.Exit(1)


@app.command("stack")
def eval_stack(
    data: Annotated[Path, typer.Option(help="folder with clips, searched through", exists=True, file_okay=False)],
    out: Out = None,
    models: Models = FOLDER,
) -> None:
    """Every clip the whole way over broker and platforms; then its disk, searched for bare pictures."""
    if not files.clips(data):
        raise UsageError(f"{data} holds no video ({', '.join(files.SUFFIXES)})")
    with stage.fresh_stack(models, _tell) as stack:
        figures, results = whole.evaluate(stack, data, _tell)
    rows = Table("clip", "chunks", "frames", "times wrong", "samples", "public", "evidence", "seconds", title="clips")
    for r in results:
        rows.add_row(r.name, str(r.chunks), f"{r.frames_recorded}/{r.frames_in}", str(r.times_wrong),
                     f"{r.totals.samples_equal:,}/{r.totals.samples:,}", f"{r.totals.public_bytes:,}",
                     f"{r.totals.evidence_bytes:,}", f"{r.seconds:.1f}")
    console.print(rows)
    _finish("stack", figures, out)


@app.command("kill")
def eval_kill(
    data: Annotated[Path, typer.Option(help="folder with clips, searched through", exists=True, file_okay=False)],
    out: Out = None,
    kills: Annotated[int, typer.Option(help="how often the service is killed", min=1)] = 20,
    seed: Annotated[int, typer.Option(help="draws the moments")] = 1,
    service: Annotated[str, typer.Option(help="who is killed: worker | operator | authority")] = "worker",
    models: Models = FOLDER,
) -> None:
    """SIGKILL of a service at random moments under four cameras: what both stores lost, doubled or broke."""
    if service not in kill.SERVICES:
        raise UsageError(f"--service is one of {', '.join(kill.SERVICES)}")
    if not files.clips(data):
        raise UsageError(f"{data} holds no video ({', '.join(files.SUFFIXES)})")
    with stage.fresh_stack(models, _tell) as stack:
        figures = kill.evaluate(stack, files.clips(data), kills, seed, service, _tell)
    _finish(f"kill-{service}", figures, out)


@app.command("latency")
def eval_latency(
    seconds: Annotated[float, typer.Option(help="at least so long, to the end of a turn of 9 s", min=1)] = 60.0,
    out: Out = None,
    models: Models = FOLDER,
    pictures: Annotated[Path, typer.Option(help="pictures of the demo's people")] = PICTURES,
) -> None:
    """One 640x360 camera at 25 frames a second and real time: from push to a consumer of the operator's topic."""
    with tempfile.TemporaryDirectory() as scratch, stage.fresh_stack(models, _tell) as stack:
        _tell("filming")
        [clip] = stage.cameras(pictures, Path(scratch), width=640, height=360, count=1)
        figures = latency.evaluate(stack, {"camera-1": clip}, seconds)
    _finish("latency", figures, out)


@app.command("memory")
def eval_memory(
    minutes: Annotated[float, typer.Option(help="how long to film", min=0.2)] = 10.0,
    out: Out = None,
    models: Models = FOLDER,
    pictures: Annotated[Path, typer.Option(help="pictures of the demo's people")] = PICTURES,
) -> None:
    """Two looping 720p cameras at real time: memory of the worker's process, and whether it keeps up."""
    with tempfile.TemporaryDirectory() as scratch, stage.fresh_stack(models, _tell) as stack:
        _tell("filming")
        clips = stage.cameras(pictures, Path(scratch), width=1280, height=720, count=2)
        figures = memory.evaluate(stack, {f"camera-{n}": clip for n, clip in enumerate(clips, 1)}, minutes)
    _finish("memory", figures, out)


@app.command("identities")
def eval_identities(
    data: Annotated[Path, typer.Option(help="folder that holds identities/labels.tsv", exists=True, file_okay=False)],
    out: Out = None,
    n: Annotated[int, typer.Option(help="people filmed, and as many strangers", min=1)] = 20,
    seed: Annotated[int, typer.Option(help="draws people, photographs and paths")] = 0,
    models: Models = FOLDER,
) -> None:
    """People filmed by four cameras, searched by other photographs of them; strangers too."""
    with tempfile.TemporaryDirectory() as scratch, stage.fresh_stack(models, _tell) as stack:
        results = identities.evaluate(stack, data / "identities", Path(scratch), n, seed, _tell)
    rows = Table("person", "first match", "right", "photographs that name somebody", title="not as it should be")
    for one, wanted in [(p, True) for p in results.people] + [(p, False) for p in results.strangers]:
        if (one.similarity is not None) != wanted or one.right != wanted:
            similarity = "none" if one.similarity is None else f"{one.similarity:.3f}"
            rows.add_row(one.label, similarity, str(one.right), f"{one.photographs[0]} of {one.photographs[1]}")
    if rows.rows:
        console.print(rows)
    _finish("identities", identities.figures(results, seed), out)


@app.command("restore")
def eval_restore(
    out: Out = None,
    seconds: Annotated[int, typer.Option(help="how long the video is", min=10)] = 60,
    pictures: Annotated[Path, typer.Option(help="of people, as `sealframe demo` fetched them")] = PICTURES,
    models: Models = FOLDER,
) -> None:
    """One subject of a 720p video brought back over the whole stack: the time, and every sample compared."""
    with tempfile.TemporaryDirectory() as scratch, stage.fresh_stack(models, _tell) as stack:
        figures = restoration.evaluate(stack, pictures, Path(scratch), seconds, _tell)
    _finish("restore", figures, out)


@app.command("leak")
def eval_leak(
    data: Annotated[Path, typer.Option(help="folder that holds identities/labels.tsv", exists=True, file_okay=False)],
    out: Out = None,
    seeds: Annotated[int, typer.Option(help="casts of 20 people, four clips of 11 s each", min=1)] = 20,
    variants: Annotated[int, typer.Option(help="casts filmed in changed light, colour and noise", min=0)] = 1,
    parts: Annotated[int, typer.Option(help="casts followed without CamShift, Kalman, look-ahead", min=0)] = 1,
    padding: Annotated[float, typer.Option(help="share of a box masked beyond it", min=0, max=1)] = DEFAULT.padding,
    doubt: Annotated[float, typer.Option(help="so much more where a face is in doubt", min=0, max=1)] = DEFAULT.doubt,
    hold: Annotated[float, typer.Option(help="price of moving a mask, in frames of its area", min=0)] = DEFAULT.hold,
    page: Page = None,
    name: Annotated[str, typer.Option("--detector", help="finds faces: see `sealframe models list`")] = FINDS_FACES,
) -> None:
    """Faces that stay bare, frame by frame, on generated clips whose truth is known for every pixel."""
    policy, worst = replace(DEFAULT, padding=padding, doubt=doubt, hold=hold), Worst()
    with tempfile.TemporaryDirectory() as scratch:
        figures = leak.evaluate(data / "identities", Path(scratch), seeds, variants, parts, policy, _tell, name, worst)
    if page:
        worst.write(page, "Generated clips")
    _finish("leak", figures, out)


@app.command("clip-leak")
def eval_clip_leak(
    data: Annotated[Path, typer.Option(help="folder of clips, searched through", exists=True, file_okay=False)],
    out: Out = None,
    frames: Annotated[int, typer.Option(help="of each clip, from its beginning; whole chunks", min=1)] = 60,
    page: Page = None,
    name: Annotated[str, typer.Option("--detector", help="finds faces: see `sealframe models list`")] = FINDS_FACES,
) -> None:
    """Faces of real clips that stay bare, against an offline ensemble of detectors; deface beside it. Slow."""
    from streams.evaluate import clip_leak

    ensemble, worst = [detector(one) for one in FACE_MODELS], Worst()
    figures = clip_leak.evaluate(files.clips(data), frames, finder(["face"], name), ensemble, DEFAULT, _tell, worst)
    if page:
        worst.write(page, "Real clips")
    _finish("clip-leak", figures, out)


@app.command("cost")
def eval_cost(
    data: Annotated[Path, typer.Option(help="folder of clips, searched through", exists=True, file_okay=False)],
    out: Out = None,
    frames: Annotated[int, typer.Option(help="of each clip, from its beginning; whole chunks", min=1)] = 60,
    name: Annotated[str, typer.Option("--detector", help="finds faces: see `sealframe models list`")] = FINDS_FACES,
) -> None:
    """CPU time of finding and following faces, against searching every frame with the same network."""
    _finish("cost", cost.evaluate(files.clips(data), frames, finder(["face"], name), DEFAULT, _tell), out)


@app.command("evasion")
def eval_evasion(
    data: Annotated[Path, typer.Option(help="folder that holds identities/labels.tsv", exists=True, file_okay=False)],
    out: Out = None,
    clips: Annotated[int, typer.Option(help="clips of 11 s, some six minutes each", min=1)] = 2,
) -> None:
    """Faces that an attacker who has the detector's file uncovers, with and without tracking. Needs torch."""
    with tempfile.TemporaryDirectory() as scratch:
        _finish("evasion", evasion.evaluate(data / "identities", Path(scratch), clips, DEFAULT, _tell), out)


@app.command("plate-leak")
def eval_plate_leak(
    out: Out = None,
    clips: Annotated[int, typer.Option(help="road clips of 9 s, six cars each", min=1)] = 30,
) -> None:
    """Plates that stay bare, frame by frame, on generated roads whose truth is known for every pixel."""
    with tempfile.TemporaryDirectory() as scratch:
        figures = plate_leak.evaluate(Path(scratch), clips, finder(["plate"]), DEFAULT, _tell)
    _finish("plate-leak", figures, out)


@app.command("tracks")
def eval_tracks(
    data: Annotated[Path, typer.Option(help="folder that holds identities/labels.tsv", exists=True, file_okay=False)],
    out: Out = None,
    seeds: Annotated[int, typer.Option(help="casts of 20 people, four clips of 11 s each", min=1)] = 3,
) -> None:
    """Tracks that go over from one person to another, on generated clips in which people cross."""
    with tempfile.TemporaryDirectory() as scratch:
        figures = tracks.evaluate(data / "identities", Path(scratch), seeds, _tell)
    _finish("tracks", figures, out)


@app.command("detect")
def eval_detect(
    data: Annotated[Path, typer.Option(help="folder that holds faceboxes/labels.tsv", exists=True, file_okay=False)],
    out: Out = None,
    also: Annotated[list[str] | None, typer.Option(help="mtcnn, or an added model; may be repeated")] = None,
    models: Models = FOLDER,
) -> None:
    """Every face detector on labelled photographs: average precision, recall, time; our own against the others.

    The scores that notes name are the network's own, as `sealframe models add --score` takes them.
    """
    makers = {name: partial(named_detector, name, folder=models) for name in (*FACE_MODELS, *(also or ()))}
    _finish("detect", detect.evaluate(data, PYRAMID_FACE, makers, _tell), out)


@app.command("spare")
def eval_spare(
    data: Annotated[Path, typer.Option(help="folder with labels.tsv, or with identities/labels.tsv", file_okay=False)],
    out: Out = None,
    clips: Annotated[int, typer.Option(help="casts of 18 people, three a clip; 0: photographs alone", min=0)] = 1,
    models: Models = FOLDER,
) -> None:
    """Consent by picture: how often a track of somebody else is spared, and how often one's own."""
    with progress("pictures", quiet=False) as bar, tempfile.TemporaryDirectory() as scratch:
        faces_ = Faces(detector(), FaceEmbedder(face_embedder(models)))
        figures = spare.photographs(
            data, faces_, SpareSettings(),
            lambda done, of: bar.update(bar.task_ids[0], completed=done, total=of),
        )
        if clips:
            figures += spare.clips(faces.folder_of(data), Path(scratch), finder(["face"]), faces_, clips, _tell)
    _finish("spare", figures, out)


@app.command("plates")
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

    figures = plates.evaluate(data, model or WEIGHTS, whole, _tell)
    figures += plate_detection.evaluate(data, make, PlateReader(model or WEIGHTS), whole, _tell)
    _finish("plates", figures, out)


@app.command("plate-tracks")
def eval_plate_tracks(
    out: Out = None,
    n: Annotated[int, typer.Option(help="tracks that count, at least; as many of every layout", min=1)] = 70,
    seed: Annotated[int, typer.Option(help="draws plates and their ways")] = 1,
    data: Annotated[Path | None, typer.Option(help="folder that holds clips/clips.tsv", file_okay=False)] = None,
) -> None:
    """Plates read along generated tracks: joined, beside the surest frame and the majority of frames.

    With --data also clips whose plate is known: the column `plates` of clips.tsv says "readable: TEXT".
    """
    figures = plate_tracks.evaluate(n, seed, _tell)
    if data:
        figures += plate_clips.evaluate(data, plate_detector(), PlateReader(WEIGHTS), _tell)
    _finish("plate-tracks", figures, out)


@app.command("plate-search")
def eval_plate_search(
    out: Out = None,
    plates: Annotated[int, typer.Option(help="lines of the library, at least 1,000", min=1000)] = 1_000_000,
    queries: Annotated[int, typer.Option(help="of each sort", min=20)] = 300,
    seed: Annotated[int, typer.Option(help="draws plates and queries")] = 0,
) -> None:
    """Search of a plate library in a database of its own: how long each sort takes, and whether the plate is found."""
    _finish("plate-search", plate_search.evaluate(plates, queries, seed, _tell), out)


def _tell(what: str) -> None:
    say(f"  {escape(what)}")


def _finish(suite: str, figures: Sequence[Figure], out: Path | None) -> None:
    console.print(table(f"eval {suite}", figures))
    if out:
        write(out, report(suite, figures))
    if any(figure.holds is False for figure in figures):
        raise typer.Exit(1)
