"""`sealframe anonymize`: a file in, a desensitised file out, without any server."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from infra.camera import open_source
from infra.recipients import read_recipient
from operators.codec import encode
from operators.desensitise.policy import Zone, is_zone
from operators.pipeline import Pipeline
from schemas.errors import UsageError
from streams.account import GROUNDS, Account
from streams.anonymize import FileTotals, fresh_signer
from streams.anonymize import anonymize as run
from streams.cli.output import give, progress, say
from streams.setup import FINDS_FACES, file_policy, finder

SHOWN = 5


def anonymize(
    source: Annotated[str, typer.Argument(metavar="IN", help="video file, raw stream, GIF or folder of pictures")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="desensitised video (fragmented MP4)")],
    evidence: Annotated[Path | None, typer.Option(help="write what is hidden to this file, sealed")] = None,
    recipient: Annotated[str, typer.Option(help="public key, or a file with it, that the evidence is sealed for")] = "",
    method: Annotated[str, typer.Option(help="how faces are hidden: solid, mosaic or blur; plates are solid")] = "blur",
    quality: Annotated[str, typer.Option(help="evidence: high (at least 45 dB) or lossless")] = "high",
    stride: Annotated[int, typer.Option(help="examine every so manieth frame; tracking fills the rest")] = 5,
    crf: Annotated[int, typer.Option(help="x264 quality of the public video: lower is better")] = 23,
    preset: Annotated[str, typer.Option(help="x264 preset of the public video")] = "veryfast",
    chunk_ms: Annotated[int, typer.Option(help="length of a chunk in ms; longer ones compress better")] = 2000,
    hide: Annotated[list[str] | None, typer.Option(help="face or plate; may be repeated; default: face")] = None,
    faces: Annotated[str, typer.Option("--detector", help="finds faces: see `sealframe models list`")] = FINDS_FACES,
    zone: Annotated[list[str] | None, typer.Option(
        help="always masked: left,top,right,bottom as shares of the picture; may be repeated")] = None,
    heads: Annotated[bool, typer.Option("--heads", help="hide whole heads: hair and ears with the face")] = False,
    report: Annotated[Path | None, typer.Option(help="write what the masks rest on, and the weakest moments")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print totals as JSON")] = False,
) -> None:
    """Hide every face of a video, and plates with `--hide plate`; keep the way back only for the holder of a key.

    Make a key with `sealframe keys create me.key`, which prints its recipient, then
    `sealframe anonymize in.mp4 out.mp4 --evidence out.sealed --recipient sealframe-recipient-1:...`.
    """
    if (evidence is None) != (not recipient):
        raise UsageError("--evidence and --recipient belong together: evidence is always sealed for somebody")
    public = read_recipient(recipient) if recipient else b""
    policy = file_policy(method=method, quality=quality, stride=stride, crf=crf, preset=preset,
                         keep_evidence=evidence is not None, zones=tuple(map(_zone, zone or ())), whole_heads=heads)
    signer = fresh_signer()
    pipeline = Pipeline(policy, finder(hide or ["face"], faces), signer)
    began = time.monotonic()
    with progress("frames", quiet=as_json) as bar:
        chunks = open_source(source, encode=encode, chunk_ms=chunk_ms, camera_id="file")
        totals = run(iter(chunks), pipeline, signer, out, evidence, public,
                     lambda done: bar.update(bar.task_ids[0], completed=done))
    if report:
        totals.account.write(report)
    _report(totals, time.monotonic() - began, out, evidence, as_json)


def _zone(text: str) -> Zone:
    try:
        left, top, right, bottom = map(float, text.split(","))
        if not is_zone((left, top, right, bottom)):
            raise ValueError
    except ValueError:
        raise UsageError(f"--zone {text!r}: left,top,right,bottom are shares, such as 0,0,0.25,0.5") from None
    return left, top, right, bottom


def _report(totals: FileTotals, seconds: float, out: Path, evidence: Path | None, as_json: bool) -> None:
    result = {
        "frames_in": totals.frames_in, "frames_out": totals.frames_out, "frames_masked": totals.masked_frames,
        "chunks": totals.chunks, "chunks_passed": totals.chunks_passed, "original_bytes": totals.original_bytes,
        "public_bytes": totals.public_bytes, "evidence_bytes": totals.evidence_bytes, "seconds": round(seconds, 3),
        "alarms": totals.alarms, "account": totals.account.as_json(),
    }
    if as_json:
        give(result)
        return
    for alarm in totals.alarms:
        say(f"[yellow]alarm:[/yellow] {alarm}")
    say(f"{out}: {totals.frames_out} frames, {totals.masked_frames} of them with masks, {totals.public_bytes:,} bytes "
        f"(original {totals.original_bytes:,}); {seconds:.1f} s")
    _say_account(totals.account)
    if evidence:
        say(f"{evidence}: {totals.evidence_bytes:,} bytes, sealed; back with `sealframe restore-file`")


def _say_account(account: Account) -> None:
    """What the masks rest on, and where to look first."""
    say("frames: " + ", ".join(f"{account.frames[ground]} {ground}" for ground in GROUNDS if account.frames[ground]))
    longest = sorted(account.weakest(), key=lambda one: one.start_s - one.end_s)[:SHOWN]
    for one in sorted(longest, key=lambda one: one.start_s):
        say(f"look at {one.start_s:.1f} to {one.end_s:.1f} s: {one.kind} {one.track} is {one.ground}")
