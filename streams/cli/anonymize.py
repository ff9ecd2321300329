"""`sealframe anonymize`: a file in, a desensitised file out, without any server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from infra.camera import open_source
from infra.camera_input import is_live
from infra.models import FOLDER, face_embedder
from infra.recipients import asked_recipient
from infra.settings import load
from operators.codec import encode
from operators.desensitise.policy import DEFAULT, METHODS, Policy
from operators.desensitise.replace import REPLACE
from operators.embed import FaceEmbedder
from operators.pipeline import Pipeline
from schemas.errors import UsageError
from schemas.frames import FrameChunk
from streams.account import GROUNDS, Account
from streams.anonymize import FileTotals, fresh_signer
from streams.anonymize import anonymize as run
from streams.authority.faces import Faces
from streams.cli.left_out import Taken, left_out, say_left_out
from streams.cli.output import give, progress, say
from streams.cli.paths import check_paths, report_of
from streams.donors import read_donors
from streams.setup import FINDS_FACES, detector, file_policy, finder
from streams.spare import FirstPass, first_pass, read_consent
from streams.zones import bare_zones, zone_of

SHOWN = 5


def anonymize(
    source: Annotated[str, typer.Argument(metavar="IN", help="video file, raw stream, GIF or folder of pictures")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="desensitised video (fragmented MP4)")],
    evidence: Annotated[Path | None, typer.Option(help="write what is hidden to this file, sealed")] = None,
    recipient: Annotated[str, typer.Option(help="public key, or a file with it, that the evidence is sealed for")] = "",
    method: Annotated[str, typer.Option(
        help=f"how faces are hidden: {', '.join(METHODS)}; plates are solid")] = DEFAULT,
    insist: Annotated[bool, typer.Option("--insist", help="take a method that attacks broke all the same")] = False,
    donors: Annotated[Path | None, typer.Option(
        help="folder of photographs whose faces `--method replace` shows; default: drawn faces of nobody")] = None,
    quality: Annotated[str, typer.Option(help="evidence: high (at least 45 dB) or lossless")] = "high",
    stride: Annotated[int, typer.Option(help="examine every so manieth frame; tracking fills the rest")] = 5,
    crf: Annotated[int, typer.Option(help="x264 quality of the public video: lower is better")] = 23,
    preset: Annotated[str, typer.Option(help="x264 preset of the public video")] = "veryfast",
    chunk_ms: Annotated[int, typer.Option(help="length of a chunk in ms; longer ones compress better")] = 2000,
    hide: Annotated[list[str] | None, typer.Option(help="face or plate; may be repeated; default: face")] = None,
    faces: Annotated[str, typer.Option("--detector", help="finds faces: see `sealframe models list`")] = FINDS_FACES,
    zone: Annotated[list[str] | None, typer.Option(
        help="always masked: left,top,right,bottom as shares of the picture; may be repeated")] = None,
    bare: Annotated[list[Path] | None, typer.Option("--bare-zones",
        help="never masked: a file that two approvers signed, see `sealframe zones`; may be repeated")] = None,
    camera: Annotated[str, typer.Option(help="the camera's name, which such a file has to name")] = "file",
    spare: Annotated[list[Path] | None, typer.Option(
        help="picture of somebody who consented: their face stays visible; may be repeated")] = None,
    models: Annotated[Path, typer.Option(help="converted models, which --spare needs")] = FOLDER,
    heads: Annotated[bool, typer.Option("--heads", help="hide whole heads: hair and ears with the face")] = False,
    report: Annotated[Path | None, typer.Option(help="write what the masks rest on, and the weakest moments")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print totals as JSON")] = False,
) -> None:
    """Hide every face of a video, and plates with `--hide plate`; keep the way back only for the holder of a key.

    Sound isn't taken along: neither OUT nor the evidence has any.

    Make a key with `sealframe keys create me.key`, which prints its recipient, then
    `sealframe anonymize in.mp4 out.mp4 --evidence out.sealed --recipient sealframe-recipient-1:...`.
    """
    if (evidence is None) != (not recipient):
        raise UsageError("--evidence and --recipient belong together: evidence is always sealed for somebody")
    check_paths(
        [("IN", source), ("--recipient", recipient or None), *(("--spare", one) for one in spare or ()),
         *(("--bare-zones", one) for one in bare or ()), ("--donors", donors)],
        [("OUT", out), ("--evidence", evidence), *report_of(report)])
    public = asked_recipient(recipient) if recipient else b""
    policy = file_policy(method=method, quality=quality, stride=stride, crf=crf, preset=preset,
                         keep_evidence=evidence is not None, zones=tuple(map(zone_of, zone or ())), whole_heads=heads,
                         bare=bare_zones(bare, load().approvers) if bare else (), insist=insist)
    policy = _with_donors(policy, method, donors) if donors else policy
    signer, finds, began = fresh_signer(), finder(hide or ["face"], faces), time.monotonic()
    taken = Taken(source)

    def chunks() -> Iterator[FrameChunk]:
        return taken.of(open_source(source, encode=encode, chunk_ms=chunk_ms, camera_id=camera, whole=True))

    first = _first_pass(source, chunks, Pipeline(policy, finds, signer), spare, models) if spare else None
    policy = replace(policy, spared=tuple(one.track for one in first.spared)) if first else policy
    with progress("frames", quiet=as_json) as bar:
        totals = run(chunks(), Pipeline(policy, finds, signer), signer, out, evidence, public,
                     lambda done: bar.update(bar.task_ids[0], completed=done), first)
    if report:
        totals.account.write(report)
    _report(taken, totals, time.monotonic() - began, out, evidence, as_json)


def _with_donors(policy: Policy, method: str, folder: Path) -> Policy:
    if method != REPLACE.name:
        raise UsageError(f"--donors belongs to --method {REPLACE.name}")
    return replace(policy, donors=read_donors(folder, detector()))


def _first_pass(
    source: str, chunks: Callable[[], Iterator[FrameChunk]], pipeline: Pipeline, pictures: Sequence[Path], models: Path
) -> FirstPass:
    if is_live(source):
        raise UsageError("--spare looks through the whole source before it paints: a file, not a camera")
    faces = Faces(detector(), FaceEmbedder(face_embedder(models)))
    consents = [read_consent(path, faces) for path in pictures]
    say("looking for who consented")
    return first_pass(chunks(), pipeline, faces, consents)


def _report(
    taken: Taken, totals: FileTotals, seconds: float, out: Path, evidence: Path | None, as_json: bool
) -> None:
    if as_json:
        give({
            "frames_in": totals.frames_in, "frames_out": totals.frames_out, "frames_masked": totals.masked_frames,
            "chunks": totals.chunks, "chunks_passed": totals.chunks_passed, "original_bytes": totals.original_bytes,
            "public_bytes": totals.public_bytes, "evidence_bytes": totals.evidence_bytes,
            "seconds": round(seconds, 3), "alarms": totals.alarms, "account": totals.account.as_json(),
            **left_out(taken),
        })
        return
    for alarm in totals.alarms:
        say(alarm, "alarm:", "yellow")
    say(f"{out}: {totals.frames_out} frames, {totals.masked_frames} of them with masks, {totals.public_bytes:,} bytes "
        f"(original {totals.original_bytes:,}); {seconds:.1f} s")
    say_left_out(taken)
    _say_account(totals.account)
    if evidence:
        say(f"{evidence}: {totals.evidence_bytes:,} bytes, sealed; back with `sealframe restore-file`")


def _say_account(account: Account) -> None:
    """What the masks rest on, and where to look first."""
    say("frames: " + ", ".join(f"{account.frames[ground]} {ground}" for ground in GROUNDS if account.frames[ground]))
    for bare in account.bare():
        say(f"never masked, {bare.frames} frames: {bare.regions} found there were left bare")
    for one in account.spared:
        say(f"visible by consent, {one.start_s:.1f} to {one.end_s:.1f} s: track {one.track.track}, "
            f"likeness {one.track.score:.3f}")
    longest = sorted(account.weakest(), key=lambda one: one.start_s - one.end_s)[:SHOWN]
    for weak in sorted(longest, key=lambda one: one.start_s):
        say(f"look at {weak.start_s:.1f} to {weak.end_s:.1f} s: {weak.kind} {weak.track} is {weak.ground}")
