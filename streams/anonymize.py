"""File mode: a video in, a desensitised one out, the hidden samples in a sealed file beside it. No server.

The same pipeline as in the worker, over one camera; its state lives as long as the call.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from infra.atomic import AtomicFile
from infra.framing import EVIDENCE, framed
from operators.bare import hidden
from operators.masks import unpack_masks
from operators.pipeline import Coding, Outgoing, Pipeline, kept_appearances, seal_draft
from operators.sign import SigningKey
from schemas.codec import decode, pack
from schemas.errors import SealframeError, SourceError
from schemas.frames import FrameChunk
from schemas.records import OperatorBody, OperatorRecord
from schemas.regions import RegionSet
from schemas.state import CameraState, TrackAppearance
from streams.account import Account
from streams.spare import FirstPass

TOPIC = "file"
EPOCH = "file"
Progress = Callable[[int], None]
Begun = tuple[CameraState, RegionSet, Coding]
"""The state that locating a chunk gave, what was found, and what is being coded."""


@dataclass(slots=True)
class FileTotals:
    """What a run took in and gave out; bytes of media."""

    frames_in: int = 0
    frames_out: int = 0
    chunks: int = 0
    chunks_passed: int = 0
    masked_frames: int = 0
    original_bytes: int = 0
    public_bytes: int = 0
    evidence_bytes: int = 0
    alarms: list[str] = field(default_factory=list)
    account: Account = field(default_factory=Account)


def run_pipeline(
    pipeline: Pipeline, chunks: Iterator[FrameChunk]
) -> Iterator[tuple[FrameChunk, RegionSet, Outgoing]]:
    """Every chunk of one camera with what is found in it and what it gives, looking one chunk ahead.

    While a chunk is coded, the next one begins to be, the one after it is located and the third examined, on as many
    cores as there are: codecs and networks leave the interpreter's lock.
    """
    state: CameraState | None = None
    for located, regions, coding in _one_behind(_begun(pipeline, chunks)):
        state = located if state is None else replace(
            state, next_track=located.next_track, tracks=located.tracks, cut=located.cut, format=located.format,
            view=located.view,
        )
        state, outgoing = pipeline.finish(state, coding)
        yield coding.chunk, regions, outgoing


def _begun(pipeline: Pipeline, chunks: Iterator[FrameChunk]) -> Iterator[Begun]:
    """Every chunk located and being coded."""
    coming = _examined_ahead(pipeline, chunks)
    current, following = next(coming, None), next(coming, None)
    if current is None:
        raise SourceError("the source holds no picture")
    shown: tuple[TrackAppearance, ...] = ()
    with ThreadPoolExecutor(1, "locate") as ahead:
        locating = ahead.submit(pipeline.locate, pipeline.initial(current.camera_id), current, following)
        while current is not None:
            located, regions = locating.result()
            taken = [pipeline.examiner.take(current)]
            later = next(coming, None)
            if following is not None:
                seen = replace(located, video_id=current.video_id)
                locating = ahead.submit(pipeline.locate, seen, following, later)
            # Popped, so that nobody else holds the pictures: each is let go once it is painted.
            coding = pipeline.begin(shown, current, regions, taken.pop())
            shown = kept_appearances(shown, current, coding.used)
            yield located, regions, coding
            current, following = following, later


def _one_behind(begun: Iterator[Begun]) -> Iterator[Begun]:
    """Each once the one after it has begun, too; what fails there is raised after it."""
    ready = next(begun, None)
    while ready is not None:
        later, failed = None, None
        try:
            later = next(begun, None)
        except SealframeError as error:
            failed = error
        yield ready
        if failed:
            raise failed
        ready = later


def _examined_ahead(pipeline: Pipeline, chunks: Iterator[FrameChunk]) -> Iterator[FrameChunk]:
    """The same chunks; as one is handed out, a look at the one after it has begun."""
    before: FrameChunk | None = None
    for chunk in chunks:
        pipeline.examiner.begin(chunk)
        if before is not None:
            yield before
        before = chunk
    if before is not None:
        yield before


def anonymize(
    chunks: Iterator[FrameChunk], pipeline: Pipeline, signer: SigningKey, out: Path,
    evidence: Path | None = None, recipient: bytes = b"", progress: Progress | None = None,
    first: FirstPass | None = None,
) -> FileTotals:
    """Write the desensitised video to `out`, and what it hides, sealed for `recipient`, to `evidence`.

    Files appear under their names once whole; a failed run leaves none. `progress` is told frames done. `first`: the
    pass that found the tracks which the pipeline's policy spares.

    Raises:
        SealframeError: the source or the disk refuses.

    """
    totals = FileTotals(account=Account(zones=bool(pipeline.policy.zones)))
    totals.account.spare(first.spared if first else ())
    video_id = ""
    with AtomicFile(out) as video, AtomicFile(evidence) as sealed:
        if sealed.file:
            sealed.file.write(EVIDENCE)
        for number, (chunk, regions, outgoing) in enumerate(run_pipeline(pipeline, chunks)):
            if first:
                first.check(number, regions)
            if video_id and chunk.video_id != video_id:
                raise SourceError(f"after {totals.frames_in} frames the source changes its format, or its time runs"
                                  " back: split it there and run on each part")
            video_id = chunk.video_id
            _count(totals, chunk, outgoing)
            found = hidden(regions, outgoing.bare)
            totals.account.add((*chunk.pts, chunk.end_pts), chunk.format.time_base, found)
            for record in outgoing.operator:
                if video.file:
                    video.file.write(record.media)
                totals.public_bytes += len(record.media)
                if sealed.file:
                    sealed.file.write(framed(pack("operator", OperatorRecord(record.signed))))
            for draft in outgoing.evidence if sealed.file else ():
                signed = seal_draft(draft, EPOCH, [recipient], TOPIC, pipeline.policy.quality, signer)
                data = framed(pack("evidence", signed))
                totals.evidence_bytes += len(data)
                if sealed.file:
                    sealed.file.write(data)
            if progress:
                progress(totals.frames_in)
    return totals


def fresh_signer() -> SigningKey:
    """A key for one file: its public half travels in the evidence."""
    return SigningKey(secrets.token_bytes(32))


def _count(totals: FileTotals, chunk: FrameChunk, outgoing: Outgoing) -> None:
    totals.frames_in += len(chunk.units)
    totals.original_bytes += sum(len(unit.data) for unit in chunk.units)
    totals.alarms += [alarm.text for alarm in outgoing.alarms]
    for record in outgoing.operator:
        body = decode(OperatorBody, record.signed.body)
        if body.chunk:
            totals.chunks += 1
            totals.chunks_passed += body.chunk.passed
            totals.frames_out += len(body.chunk.pts)
            masks = unpack_masks(body.chunk.masks, len(body.chunk.pts), chunk.format)
            totals.masked_frames += sum(bool(mask.any()) for mask in masks)
            totals.account.leave_bare(body.chunk, chunk.format)
