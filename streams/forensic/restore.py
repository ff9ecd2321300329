"""Bring the original of a granted subject back: fetch desensitised chunks, check them, replace, encode.

Of each chunk: signature, chain and media digest; evidence joined by the chunk's digest; parts counted against the
signed counter; then `operators.restore` looks in the fetched pictures whether each range is desensitised before it
replaces it. A video is written only when every frame of the subject has been replaced, unless gaps are expressly
allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from infra.atomic import AtomicFile
from infra.postgres import Database
from operators.codec import decode_units, encode
from operators.fragment import fragment, init_segment, parse_fragment
from operators.restore import restore_frames
from operators.subjects import spans_of
from schemas.errors import (
    ChainBroken,
    DigestMismatch,
    IntegrityError,
    MissingEvidence,
    NotForMe,
    PoisonError,
    UsageError,
)
from schemas.frames import Planes
from schemas.records import OperatorChunk, OperatorRecord, VideoStart
from schemas.topics import MINUTE_MS
from streams.authority import store
from streams.authority.reading import EvidenceReader, OpenedChunk
from streams.verify import Chain, Checked, Identify, check_chain, check_record

CRF = 12.0
GROWING_MS = store.MAX_VIDEO_MS + 10 * MINUTE_MS
CUT = "MissingEnd: neither a signed end nor a head covers the tail, so later frames may have been cut off"


class OperatorSource(Protocol):
    """The operating platform as a restoration needs it."""

    def records(self, video_id: str, /) -> Sequence[OperatorRecord]:
        """A video's records without their media: start, chunks, heads, end where there is one."""
        ...

    def chunk(self, video_id: str, seq: int, /) -> OperatorRecord:
        """One chunk's record with its media."""
        ...


@dataclass(frozen=True, slots=True)
class FrameGap:
    """Frames (first to last) that could not be restored, and why."""

    first_frame: int
    last_frame: int
    reason: str


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restoration did. `path` is None where nothing was written; `replaced`: frames with samples put back."""

    video_id: str
    tracks: tuple[int, ...]
    frames: int
    replaced: int
    gaps: tuple[FrameGap, ...]
    path: Path | None
    withheld: int = 0
    live: bool = False

    @property
    def complete(self) -> bool:
        """Every frame of the subject was replaced."""
        return not self.gaps


@dataclass(frozen=True, slots=True)
class _Job:
    """What is being restored, and what the operating platform says about its video."""

    video_id: str
    tracks: tuple[int, ...]
    granted: frozenset[int] | None
    start: VideoStart
    chunks: Mapping[int, Checked]
    evidence: Mapping[int, int]
    spans: Mapping[int, Mapping[int, tuple[int, int]]]


class Restorer:
    """Restores with one authority's evidence and the operating platform's video."""

    def __init__(
        self, authority: str, database: Database, reader: EvidenceReader, source: OperatorSource, identify: Identify,
        clock: Callable[[], int],
    ) -> None:
        """`clock` gives milliseconds since 1970: a video without an end may still grow for 40 minutes."""
        self._authority, self._database, self._reader = authority, database, reader
        self._source, self._identify, self._clock = source, identify, clock

    def restore(
        self, video_id: str, tracks: Sequence[int], out: Path, *, all_subjects: bool = False, with_gaps: bool = False,
        lossless: bool = True,
    ) -> Restored:
        """Restore these tracks (with `all_subjects` everything that opens) in the chunks in which they are.

        Raises:
            IntegrityError: the video's records or its chain don't hold: nothing of it is used.
            ServiceUnavailable, AccessDenied: the operating platform is out of reach or refuses.
            UsageError: the tracks are nowhere in the video.

        """
        chain, job = self._job(video_id, tuple(tracks), all_subjects, with_gaps)
        gaps = [] if self._whole(chain) else [FrameGap(chain.next_frame, chain.next_frame, CUT)]
        gaps += [
            FrameGap(first, last, f"track {track}: the operating platform no longer holds chunk {seq}")
            for seq, spans in job.spans.items() if seq not in job.chunks for track, (first, last) in spans.items()
        ]
        counts = [0, 0, 0]
        with AtomicFile(out.with_name(out.name + ".unfinished")) as part:
            if part.file is None or part.path is None:
                raise UsageError("a restoration needs a file to write")
            part.file.write(init_segment(job.start.format))
            for body, frames, replaced, withheld, found in self._chunks(job):
                units = encode(frames, body.pts, job.start.format, crf=CRF, preset="veryfast", lossless=lossless)
                origin = job.start.origin_pts
                part.file.write(fragment(units, body.end_pts, body.chunk_seq + 1, job.start.format, origin))
                counts = [a + b for a, b in zip(counts, (len(frames), replaced, withheld), strict=True)]
                gaps += found
        if gaps and not with_gaps:
            part.path.unlink()
        else:
            part.path.replace(out)
        return Restored(
            video_id, job.tracks, counts[0], counts[1], tuple(gaps), None if gaps and not with_gaps else out, counts[2],
            chain.end is None,
        )

    def _job(self, video_id: str, tracks: tuple[int, ...], all_subjects: bool, with_gaps: bool) -> tuple[Chain, _Job]:
        records = [check_record(r, self._identify, media=False) for r in self._source.records(video_id)]
        first = min((r.body.chunk.chunk_seq for r in records if r.body.chunk), default=0)
        chain = check_chain(records, first=first, live=with_gaps or self._growing(video_id))
        if chain.start.video_id != video_id:
            raise ChainBroken(f"asked for {video_id}, got records of {chain.start.video_id}")
        chunks = {r.body.chunk.chunk_seq: r for r in records if r.body.chunk}
        evidence = {
            seq: count.parts for seq, r in chunks.items() if r.body.chunk
            for count in r.body.chunk.evidence if count.authority == self._authority
        }
        with self._database.connection() as db:
            spans = store.chunk_spans(db, video_id, tracks)
        if not spans:
            raise UsageError(f"{video_id}: none of these tracks is in it")
        stretch = {seq: chunks[seq] for seq in sorted(chunks) if min(spans) <= seq <= max(spans)}
        granted = None if all_subjects else frozenset(tracks)
        return chain, _Job(video_id, tracks, granted, chain.start, stretch, evidence, spans)

    def _growing(self, video_id: str) -> bool:
        return self._clock() - store.start_ms(video_id) < GROWING_MS

    def _whole(self, chain: Chain) -> bool:
        """Nothing can have been cut off: there is an end, a head covers the tail, or the video still grows."""
        return chain.end is not None or chain.covered >= chain.next_seq or self._growing(chain.start.video_id)

    def _chunks(self, job: _Job) -> Iterator[tuple[OperatorChunk, list[Planes], int, int, list[FrameGap]]]:
        for seq, known in job.chunks.items():
            body = known.body.chunk
            if body is None:
                raise ChainBroken(f"{known.where} is not a chunk")
            frames = self._fetched(job, known)
            try:
                opened = self._opened(job, seq, known)
                restored = restore_frames(body, job.start.format, frames, opened.pieces) if opened else frames
            except (IntegrityError, PoisonError, NotForMe) as error:
                gap = FrameGap(body.first_frame, _last(body), f"{type(error).__name__}: {error}")
                yield body, frames, 0, 0, [gap]
                continue
            replaced, gaps = _looked_over(job, body, opened) if opened else (0, [])
            yield body, restored, replaced, len(opened.withheld) if opened else 0, gaps

    def _fetched(self, job: _Job, known: Checked) -> list[Planes]:
        """A chunk's pictures from the operating platform: the very record that stands in the checked chain."""
        body = known.body.chunk
        record = check_record(self._source.chunk(job.video_id, body.chunk_seq if body else -1), self._identify)
        if record.digest != known.digest:
            raise DigestMismatch(f"{known.where}: another version than the one in the checked chain")
        units, _ = parse_fragment(record.record.media, job.start.format, job.start.origin_pts)
        return decode_units(units, "h264", job.start.format.width, job.start.format.height)

    def _opened(self, job: _Job, seq: int, known: Checked) -> OpenedChunk | None:
        """A chunk's granted pieces; None where the signed counter says that there is no evidence."""
        expected = job.evidence.get(seq, 0)
        with self._database.connection() as db:
            if not expected and seq not in store.places(db, job.video_id, seq, seq):
                return None
            opened = self._reader.chunk(db, job.video_id, seq, job.granted)
        if opened.operator_digest != known.digest:
            raise DigestMismatch(f"{known.where}: the evidence belongs to another run of the pipeline")
        if opened.parts < expected:
            raise MissingEvidence(f"{known.where}: {opened.parts} of {expected} signed parts")
        if opened.parts > expected:
            raise ChainBroken(f"{known.where}: {opened.parts} parts, {expected} signed")
        return opened


def _looked_over(job: _Job, body: OperatorChunk, opened: OpenedChunk) -> tuple[int, list[FrameGap]]:
    """How many frames got samples back, and in which frames a wanted track (with all granted: any) got none."""
    replaced = {place.frame_no for piece in opened.pieces for place in piece.frames}
    gaps, mapped = [], {mapping.track: mapping for mapping in opened.mappings}
    for track, (first, last) in job.spans.get(body.chunk_seq, {}).items():
        if track not in mapped:
            gaps.append(FrameGap(first, last, f"track {track}: its evidence doesn't open"))
            continue
        own = {place.frame_no for piece in opened.pieces if track in piece.tracks for place in piece.frames}
        lost = [region.frame_no for region in mapped[track].regions if region.frame_no not in own]
        reason = f"track {track}: all its blocks are shared with tracks that aren't granted, or closed"
        gaps += [FrameGap(a, b, reason) for a, b in spans_of(lost)]
    if job.granted is None:
        gaps += [
            FrameGap(body.first_frame, _last(body), f"a part of tracks {list(tracks)} is closed: {state}")
            for state, tracks in opened.closed
        ]
    return len(replaced), gaps


def _last(body: OperatorChunk) -> int:
    return body.first_frame + len(body.pts) - 1
