"""Bring the original of a granted subject back: fetch desensitised chunks, check them, replace, encode.

Of each chunk: signature, chain and media digest; evidence joined by the chunk's digest; parts counted against the
signed counter; then `operators.restore` looks in the fetched pictures whether each range is desensitised before it
replaces it. A chunk in which nothing is to be replaced passes as the pipeline coded it. Chunks are worked on in
parallel, each on one thread, so bytes repeat. A video is written only when every frame of the subject has been
replaced, unless gaps are expressly allowed.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from infra.postgres import Database
from operators.codec import decode_units, encode
from operators.fragment import fragment, parse_fragment
from operators.restore import restore_frames
from operators.subjects import spans_of
from operators.watermark import burnt
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
from schemas.video_id import start_ms
from streams.authority import store
from streams.authority.reading import EvidenceReader, OpenedChunk
from streams.forensic.proofs import IdentifyAt, during
from streams.verify import Chain, Checked, check_chain, check_record, frames_lost

CRF, PRESET = 12.0, "veryfast"
LOSSLESS_PRESET = "ultrafast"
"""A third of the time of `veryfast` for a third more bytes; every sample comes back in both."""
GROWING_MS = store.MAX_VIDEO_MS + 10 * MINUTE_MS
CUT = "MissingEnd: neither a signed end nor a head covers the tail, so later frames may have been cut off"
How = Literal["restored", "passed", "masked"]


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
class Style:
    """How the restored video is coded: every sample as it is, or playable in browsers; with lines burnt in."""

    lossless: bool = True
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UsedPiece:
    """A piece whose samples were put back: its tracks, its frames, and the digest of its samples as sealed."""

    tracks: tuple[int, ...]
    frames: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Made:
    """A chunk of the restored video. `how`: samples were put back, nothing was to do, or it stayed masked (a gap)."""

    seq: int
    how: How
    media: bytes = field(repr=False)
    frames: int
    replaced: int = 0
    withheld: int = 0
    gaps: tuple[FrameGap, ...] = ()
    pieces: tuple[UsedPiece, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be restored, and what the operating platform says about its video, checked.

    `granted` None: everything that opens. `needed`: chunks in which a granted track has a part. `taken_in`: when the
    first and the last evidence of the video was (ms).
    """

    video_id: str
    tracks: tuple[int, ...]
    granted: frozenset[int] | None
    chain: Chain
    start: Checked
    chunks: Mapping[int, Checked]
    evidence: Mapping[int, int]
    places: Mapping[int, store.Place]
    needed: frozenset[int]
    spans: Mapping[int, Mapping[int, tuple[int, int]]]
    gaps: tuple[FrameGap, ...]
    taken_in: tuple[int, int]

    @property
    def opened(self) -> VideoStart:
        """What the start says."""
        return self.chain.start

    @property
    def frames(self) -> int:
        """How many frames the restored video has."""
        return sum(len(known.body.chunk.pts) for known in self.chunks.values() if known.body.chunk)

    @property
    def lost(self) -> int:
        """How many frames were lost meanwhile, before the pipeline or in it."""
        return frames_lost(tuple(self.chunks.values()))


class Restorer:
    """Restores with one authority's evidence and the operating platform's video. Safe for several threads."""

    def __init__(
        self, authority: str, database: Database, reader: EvidenceReader, source: OperatorSource, identify: IdentifyAt,
        clock: Callable[[], int],
    ) -> None:
        """`clock` gives milliseconds since 1970: a video without an end may still grow for 40 minutes."""
        self._authority, self._database, self._reader = authority, database, reader
        self._source, self._identify, self._clock = source, identify, clock

    def plan(
        self, video_id: str, tracks: Sequence[int], *, all_subjects: bool = False, with_gaps: bool = False
    ) -> Plan:
        """What a restoration of these tracks (with `all_subjects` of everything that opens) has to do.

        From the platform's signed records and the authority's index, over the chunks in which the tracks are.

        Raises:
            IntegrityError: the video's records or its chain don't hold: nothing of it is used.
            ServiceUnavailable, AccessDenied: the operating platform is out of reach or refuses.
            UsageError: the tracks are nowhere in the video.

        """
        with self._database.connection() as db:
            taken_in = store.taken_in(db, video_id)
        if taken_in is None:
            raise UsageError(f"{video_id}: no evidence of it was taken in")
        identify = during(self._identify, taken_in)
        records = [check_record(r, identify, media=False) for r in self._source.records(video_id)]
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
            places = store.places(db, video_id, min(spans), max(spans))
            needed = frozenset(places) if all_subjects else store.chunks_with(db, video_id, tracks)
        stretch = {seq: chunks[seq] for seq in sorted(chunks) if min(spans) <= seq <= max(spans)}
        return Plan(
            video_id, tuple(tracks), None if all_subjects else frozenset(tracks), chain, records[0], stretch, evidence,
            places, needed, spans, self._known_gaps(chain, spans, stretch), taken_in,
        )

    def made(self, plan: Plan, seqs: Sequence[int] | Mapping[int, object], style: Style) -> Iterator[Made]:
        """These chunks of the restored video in order, made on all cores, a few ahead."""
        workers = os.cpu_count() or 1
        with ThreadPoolExecutor(workers, "restore") as pool:
            coming: deque[Future[Made]] = deque()
            try:
                for seq in seqs:
                    coming.append(pool.submit(self.chunk, plan, seq, style))
                    if len(coming) > workers + 1:
                        yield coming.popleft().result()
                while coming:
                    yield coming.popleft().result()
            finally:
                for future in coming:
                    future.cancel()

    def chunk(self, plan: Plan, seq: int, style: Style) -> Made:
        """One chunk of the restored video; what doesn't hold leaves it as it is, with a gap.

        Raises:
            IntegrityError: the operating platform's chunk isn't the one of the checked chain.

        """
        known = plan.chunks[seq]
        body = known.body.chunk
        if body is None:
            raise ChainBroken(f"{known.where} is not a chunk")
        media = self._fetched(plan, known)
        try:
            made = self._worked(plan, known, body, media, style)
        except (IntegrityError, PoisonError, NotForMe) as error:
            gap = FrameGap(body.first_frame, _last(body), f"{type(error).__name__}: {error}")
            made = Made(seq, "masked", media, len(body.pts), gaps=(gap,))
        if made.how != "restored" and style.lines:
            made = replace(made, media=_coded(plan, body, _decoded(plan, body, media), style))
        return made

    def _worked(self, plan: Plan, known: Checked, body: OperatorChunk, media: bytes, style: Style) -> Made:
        place, count = _joined(plan, body.chunk_seq, known), len(body.pts)
        if place is None or body.chunk_seq not in plan.needed:
            return Made(body.chunk_seq, "passed", media, count, withheld=place.parts if place else 0)
        with self._database.connection() as db:
            opened = self._reader.chunk(db, plan.video_id, body.chunk_seq, plan.granted)
        replaced, gaps = _looked_over(plan, body, opened)
        if not opened.pieces:
            return Made(body.chunk_seq, "passed", media, count, 0, len(opened.withheld), tuple(gaps))
        frames = restore_frames(body, plan.opened.format, _decoded(plan, body, media), opened.pieces)
        pieces = tuple(UsedPiece(piece.tracks, len(piece.frames), piece.sealed_digest) for piece in opened.pieces)
        media = _coded(plan, body, frames, style)
        return Made(body.chunk_seq, "restored", media, count, replaced, len(opened.withheld), tuple(gaps), pieces)

    def _fetched(self, plan: Plan, known: Checked) -> bytes:
        """A chunk's media from the operating platform: of the very record that stands in the checked chain."""
        seq = known.body.chunk.chunk_seq if known.body.chunk else -1
        record = check_record(self._source.chunk(plan.video_id, seq), during(self._identify, plan.taken_in))
        if record.digest != known.digest:
            raise DigestMismatch(f"{known.where}: another version than the one in the checked chain")
        return record.record.media

    def _growing(self, video_id: str) -> bool:
        return self._clock() - start_ms(video_id) < GROWING_MS

    def _known_gaps(
        self, chain: Chain, spans: Mapping[int, Mapping[int, tuple[int, int]]], stretch: Mapping[int, Checked]
    ) -> tuple[FrameGap, ...]:
        """Gaps that show before anything is opened."""
        whole = chain.end is not None or chain.covered >= chain.next_seq or self._growing(chain.start.video_id)
        gaps = [] if whole else [FrameGap(chain.next_frame, chain.next_frame, CUT)]
        gaps += [
            FrameGap(first, last, f"track {track}: the operating platform no longer holds chunk {seq}")
            for seq, tracks in spans.items() if seq not in stretch for track, (first, last) in tracks.items()
        ]
        return tuple(gaps)


def _joined(plan: Plan, seq: int, known: Checked) -> store.Place | None:
    """Where the chunk's evidence lies; None where the signed counter says that there is none.

    Raises:
        MissingEvidence, DigestMismatch, ChainBroken: it isn't here, or isn't the one that was signed for.

    """
    expected, place = plan.evidence.get(seq, 0), plan.places.get(seq)
    if place is None:
        if expected:
            raise MissingEvidence(f"{plan.video_id}: no evidence of chunk {seq}")
        return None
    if place.operator_digest != known.digest:
        raise DigestMismatch(f"{known.where}: the evidence belongs to another run of the pipeline")
    if place.parts < expected:
        raise MissingEvidence(f"{known.where}: {place.parts} of {expected} signed parts")
    if place.parts > expected:
        raise ChainBroken(f"{known.where}: {place.parts} parts, {expected} signed")
    return place


def _decoded(plan: Plan, body: OperatorChunk, media: bytes) -> list[Planes]:
    units, _ = parse_fragment(media, plan.opened.format, plan.opened.origin_pts)
    return decode_units(units, "h264", plan.opened.format.width, plan.opened.format.height)


def _coded(plan: Plan, body: OperatorChunk, frames: Sequence[Planes], style: Style) -> bytes:
    """A fragment of these pictures, at the place of the chunk's."""
    format, origin = plan.opened.format, plan.opened.origin_pts
    marked = (burnt(frame, style.lines) for frame in frames) if style.lines else frames
    preset = LOSSLESS_PRESET if style.lossless else PRESET
    units = encode(marked, body.pts, format, crf=CRF, preset=preset, lossless=style.lossless)
    return fragment(units, body.end_pts, body.chunk_seq + 1, format, origin)


def _looked_over(plan: Plan, body: OperatorChunk, opened: OpenedChunk) -> tuple[int, list[FrameGap]]:
    """How many frames got samples back, and in which frames a wanted track (with all granted: any) got none."""
    replaced = {place.frame_no for piece in opened.pieces for place in piece.frames}
    gaps, mapped = [], {mapping.track: mapping for mapping in opened.mappings}
    for track, (first, last) in plan.spans.get(body.chunk_seq, {}).items():
        if track not in mapped:
            gaps.append(FrameGap(first, last, f"track {track}: its evidence doesn't open"))
            continue
        own = {place.frame_no for piece in opened.pieces if track in piece.tracks for place in piece.frames}
        lost = [region.frame_no for region in mapped[track].regions if region.frame_no not in own]
        reason = f"track {track}: all its blocks are shared with tracks that aren't granted, or closed"
        gaps += [FrameGap(a, b, reason) for a, b in spans_of(lost)]
    if plan.granted is None:
        gaps += [
            FrameGap(body.first_frame, _last(body), f"a part of tracks {list(tracks)} is closed: {state}")
            for state, tracks in opened.closed
        ]
    return len(replaced), gaps


def _last(body: OperatorChunk) -> int:
    return body.first_frame + len(body.pts) - 1
