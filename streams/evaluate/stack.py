"""`sealframe eval stack`: every clip of a folder the whole way, from push to restoration, over broker and platforms.

What was pushed is compared with what the operating platform has signed and written (another reader, FFmpeg, reads its
file) and with what the authority's evidence gives back; then the home folder is searched for bare pictures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from operators import pixels
from schemas.errors import SealframeError
from streams.demo import measure
from streams.demo.run import Demo, Filmed, Shot
from streams.evaluate import disk
from streams.evaluate.disk import Probes
from streams.evaluate.files import clips, compare_times
from streams.evaluate.report import Figure
from streams.stack import Stack
from streams.verify import Checked, check_chain

ARRIVAL_SECONDS = 900.0
AT_ONCE = 2
Tell = Callable[[str], None]


@dataclass(slots=True)
class ClipRun:
    """What one clip gave; `fault` says why it didn't come through."""

    name: str
    chunks: int = 0
    frames_in: int = 0
    frames_recorded: int = 0
    frames_lost: int = 0
    times_wrong: int = 0
    seconds: float = 0.0
    fault: str = ""
    totals: measure.Totals = field(default_factory=measure.Totals)


def evaluate(stack: Stack, folder: Path, tell: Tell) -> tuple[list[Figure], list[ClipRun]]:
    """Push every clip as a camera of its own, two at once; `stack` must be up and fresh."""
    run, probes = Demo(stack.settings, stack, stack.home, tell), Probes()
    began = time.monotonic()
    try:
        shots = [Shot(f"clip-{number}", path, None) for number, path in enumerate(clips(folder), 1)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            results = list(pool.map(lambda shot: _clip(run, shot, probes), shots))
    finally:
        run.close()
    seconds = time.monotonic() - began
    tell("searching the disk")
    return [*_figures(results, seconds), *disk.figures(probes, stack.home)], results


def _clip(run: Demo, shot: Shot, probes: Probes) -> ClipRun:
    result = ClipRun(shot.path.name)
    run.tell(shot.path.name)
    began = time.monotonic()
    try:
        filmed = run.push(shot)
        result.chunks, result.frames_in = len(filmed.originals), sum(len(c.units) for c in filmed.originals)
        result.frames_lost = result.frames_in
        records = run.arrived(filmed, ARRIVAL_SECONDS)
        result.seconds = time.monotonic() - began
        check_chain(records)
        _compare(run, filmed, records, result, probes)
    except SealframeError as error:
        result.fault = f"{type(error).__name__}: {error}"
        run.tell(f"{shot.path.name}: {result.fault}")
    return result


def _compare(run: Demo, filmed: Filmed, records: Sequence[Checked], result: ClipRun, probes: Probes) -> None:
    home, authority = run.stack.home, run.authority
    recorded = {r.body.chunk.chunk_seq: len(r.body.chunk.pts) for r in records if r.body.chunk}
    result.frames_recorded = sum(recorded.values())
    result.frames_lost = sum(abs(len(c.units) - recorded.get(c.chunk_seq, 0)) for c in filmed.originals)
    read, result.times_wrong = compare_times(home / "operator" / f"{filmed.video_id}.mp4", filmed.originals)
    result.times_wrong += abs(read - result.frames_in)
    evidence = home / "authority" / authority / f"{filmed.video_id}.evidence"
    result.totals.evidence_bytes = evidence.stat().st_size if evidence.exists() else 0
    result.totals.public_bytes = len(run.operator.start(filmed.video_id).media)
    reader, store = run.reader()
    with store:
        for seen in measure.chunks(filmed.originals, records, run.operator, reader, run.database):
            measure.add_restored(result.totals, seen)
            probes.add(seen, run.operator.chunk(filmed.video_id, seen.chunk.chunk_seq).media)


def _figures(results: Sequence[ClipRun], seconds: float) -> list[Figure]:
    whole = [r for r in results if not r.fault]
    totals, n = [r.totals for r in whole], len(results)
    faults = "; ".join(r.fault for r in results if r.fault)
    frames = sum(r.frames_in for r in results)
    samples, equal = sum(t.samples for t in totals), sum(t.samples_equal for t in totals)
    inside = sum(t.inside[0] for t in totals), sum(t.inside[1] for t in totals)
    public, evidence = sum(t.public_bytes for t in totals), sum(t.evidence_bytes for t in totals)
    return [
        Figure("stack_clips_processed", len(whole), "clips", "==", n, n, faults),
        Figure("stack_frames_lost", sum(r.frames_lost for r in results), "frames", "==", 0, frames,
               "chunks pushed against operator records"),
        Figure("stack_times_wrong", sum(r.times_wrong for r in results), "frames", "==", 0, frames,
               "over 1 ms off in the platform's file, or missing there, as FFmpeg reads it"),
        Figure("stack_samples_equal", equal / max(samples, 1), "", "==", 1.0, samples, "restored against sealed"),
        Figure("stack_psnr_regions_db", pixels.psnr_of(*inside) if inside[1] else float("inf"), "dB", ">=", 45.0,
               inside[1], "restored against the original, all clips together"),
        Figure("stack_public_bytes", public, "bytes", "<=", None, n),
        Figure("stack_evidence_bytes", evidence, "bytes", "<=", None, n),
        Figure("stack_evidence_ratio", evidence / max(public, 1), "", "<=", None, n, "of the sums"),
        Figure("stack_seconds", seconds, "s", "<=", None, n, "with measuring; other work on the machine counts"),
    ]
