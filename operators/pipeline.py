"""The operators in a row: one pure step over a chunk, `detect -> track -> desensitise -> cohere -> split`, then `seal`.

`step` is `locate` (detect, track) and then `protect` (desensitise, cohere, split); the topology may be cut between
them. Sealing needs fresh keys and the authorities' keys of the epoch, so it stands apart.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import accumulate

import cv2

from operators import annexb, chain, effort
from operators.alarms import alarms_of, tail_lost
from operators.bare import LeftBare, hidden, left_bare
from operators.codec import encode
from operators.cohere import Layout, lay_out
from operators.desensitise.paint import appearance_keys, appearances, masks, paint
from operators.desensitise.policy import Policy
from operators.detect import Finder, is_blind, is_cut
from operators.examine import Examined, Examiner
from operators.fragment import fragment
from operators.grey import all_grey, all_whole
from operators.masks import pack_masks
from operators.movement import movement
from operators.piece_video import beside
from operators.pieces import code, gather, shares
from operators.seal import OpenPart, new_evidence, seal_evidence
from operators.sign import SigningKey, digest, sign
from operators.split import Keyed, route
from operators.track import Tracker, TrackerState, TrackSettings
from operators.view import guard, zones_of
from schemas.codec import encode as encode_record
from schemas.errors import MalformedRecord
from schemas.frames import CodedUnit, DecodedChunk, DesensitisedFrame, FrameChunk, Planes, RawFrame
from schemas.movement import to_json
from schemas.records import (
    Alarm,
    EvidenceCount,
    OperatorBody,
    OperatorChunk,
    OperatorRecord,
    Piece,
    Quality,
    Signed,
    VideoHead,
)
from schemas.regions import Place, RegionSet
from schemas.state import MAX_STATE_BYTES, CameraState, LoadState, TrackAppearance, ViewState

HEAD_MS = 10_000
KEEP_APPEARANCE_CHUNKS = 10
MOST_APPEARANCE_BYTES, APPEARANCE_HEAD = MAX_STATE_BYTES // 4, 32
"""Of a camera's state; a track whose appearance is let go gets another one."""
SHARES = 2
"""In so many threads a chunk's pieces are coded: in a crowd they take longer than all else together."""


@dataclass(frozen=True, slots=True)
class EvidenceDraft:
    """One authority's evidence of one chunk before it is sealed: it must not leave the process."""

    authority: str
    chunk: FrameChunk = field(repr=False)
    operator_digest: bytes
    previous: int
    parts: tuple[OpenPart, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Coding:
    """A chunk whose desensitised pictures and pieces are being coded: nothing of it has been sent.

    `used`: by track the appearance that hides it, `keys` those that give it back; `masks`: packed, of the frames.
    """

    chunk: FrameChunk
    regions: RegionSet
    policy: Policy
    bare: LeftBare
    layout: Layout
    used: dict[int, bytes] = field(repr=False)
    keys: Mapping[int, bytes] = field(repr=False)
    masks: bytes = field(repr=False)
    blind: bool
    public: Future[tuple[tuple[CodedUnit, ...], bool]] = field(repr=False)
    pieces: Sequence[Future[tuple[Piece, ...]]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What a step sends: operator records in order, drafts of evidence to seal, alarms, JSON events.

    `bare`, which isn't sent: regions that were found and left as they are.
    """

    operator: tuple[OperatorRecord, ...] = ()
    evidence: tuple[EvidenceDraft, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    events: tuple[bytes, ...] = ()
    bare: frozenset[Place] = frozenset()


class Pipeline:
    """All operators under one policy; the same input gives the same output."""

    name = "pipeline"

    def __init__(
        self, policy: Policy, detector: Finder, signer: SigningKey, tracking: TrackSettings | None = None,
        at_once: int | None = None,
    ) -> None:
        """`at_once`: so many chunks are looked at and so many coded at a time, with their pieces; None: one a core.

        Each takes memory of its own: a look the pictures of a chunk, x264 about 70 MiB at 720p.
        """
        cv2.setNumThreads(1)
        self.policy, self._signer, self._tracker = policy, signer, Tracker(tracking)
        at_once = at_once or os.cpu_count() or 1
        self.examiner = Examiner(policy, detector, at_once)
        self._coding = ThreadPoolExecutor(at_once, "code")
        self._beside = ThreadPoolExecutor(SHARES * at_once, "pieces")

    def initial(self, key: str) -> CameraState:
        """A camera that was never seen."""
        return CameraState()

    def step(
        self, state: CameraState, chunk: FrameChunk, following: FrameChunk | None
    ) -> tuple[CameraState, Outgoing]:
        """Process one chunk, with `following` (of the same camera) to look ahead.

        Raises:
            PoisonError: the chunk can't be processed; the state stays as it was.

        """
        chain.check_goes_on(state, chunk)
        located, regions = self.locate(state, chunk, following)
        return self.protect(located, chunk, regions)

    def locate(
        self, state: CameraState, chunk: FrameChunk, following: FrameChunk | None
    ) -> tuple[CameraState, RegionSet]:
        """Detect and track, with as much effort as the state says; errors as `step`."""
        load = state.load or LoadState()
        same = state.format is not None and _size(state.format) == _size(chunk.format)
        if load.level >= effort.WHOLE or chunk.format.rotation:
            state = replace(state, tracks=(), cut=True)
            state = state if same else replace(state, format=chunk.format, view=None)
            return state, _unseen(chunk, min(load.level, effort.WHOLE))
        if load.ahead >= effort.WHOLE or (following and following.format != chunk.format):
            following = None
        here, ahead = self.examiner.of(chunk, following, load.level, load.ahead)
        tracks = state.tracks if same and state.video_id == chunk.video_id else ()
        after = _cuts_after(here, ahead)
        tracked, regions = self._tracker.step(
            TrackerState(state.next_track, tracks), here.decoded, here.found,
            ahead.decoded if ahead else None, ahead.found if ahead else None,
            here.cuts | (frozenset({0}) if state.cut else frozenset()) | after,
        )
        cut = len(here.decoded.frames) in after
        located = replace(state, next_track=tracked.next_track, tracks=tracked.tracks, cut=cut)
        located = replace(located, format=chunk.format, view=None) if not same else located
        return self._guarded(located, chunk, here, replace(regions, effort=effort.coded(load)))

    def _guarded(
        self, state: CameraState, chunk: FrameChunk, here: Examined, regions: RegionSet
    ) -> tuple[CameraState, RegionSet]:
        """Of a fixed camera: whether it has been moved; then all of the chunk is masked."""
        policy = self.policy.at(chunk.camera_id)
        if not policy.fixed:
            return replace(state, view=None), regions
        view, moved = guard(state.view or ViewState(), here.edges, zones_of(policy, chunk), chunk.capture_ms)
        if moved:
            regions = replace(regions, failed=frozenset(range(len(regions.frames))), moved=True)
        return replace(state, view=view), regions

    def protect(self, state: CameraState, chunk: FrameChunk, regions: RegionSet) -> tuple[CameraState, Outgoing]:
        """Desensitise, cohere, split, sign; errors as `step`."""
        chain.check_goes_on(state, chunk)
        decoded = self.examiner.take(chunk)
        shown = state.appearances if state.methods == self.policy.at(chunk.camera_id).methods_text else ()
        coding = self.begin(shown, chunk, regions, decoded)
        del decoded
        return self.finish(state, coding)

    def begin(
        self, shown: Sequence[TrackAppearance], chunk: FrameChunk, regions: RegionSet, decoded: DecodedChunk
    ) -> Coding:
        """The first half of `protect`: lay out, and let coding begin. `shown`: the camera's appearances so far.

        Pictures of `decoded` that nobody else holds are let go one by one, as they are painted.
        """
        if len(regions.frames) != len(decoded.frames):
            raise MalformedRecord(f"{chunk.video_id} chunk {chunk.chunk_seq}: regions of another chunk")
        policy = effort.eased(self.policy.at(chunk.camera_id), regions.effort)
        bare = left_bare(regions, chunk, policy)
        layout, regions = lay_out(regions, chunk.format, policy, bare.places), hidden(regions, bare.places)
        known = {a.track: a.appearance for a in shown}
        keys = appearance_keys(layout, chunk, policy, self._signer.secret("appearances"))
        used = appearances(decoded, layout, known, policy, keys)
        pieces = self._code(decoded, layout, policy, regions.effort) if policy.keeps_evidence else []
        looked_at = regions.failed if regions.effort < effort.WHOLE else ()
        blind = any(is_blind(decoded.frames[i].planes) for i in looked_at)
        frames = paint(_released(deque(decoded.frames)), layout, chunk.format, used, policy, passing=True)
        del decoded
        packed = pack_masks(masks(layout, chunk.format))
        public = self._coding.submit(_public_units, chunk, frames, packed, policy, layout)
        return Coding(chunk, regions, policy, bare, layout, used, keys, packed, blind, public, pieces)

    def finish(self, state: CameraState, coding: Coding) -> tuple[CameraState, Outgoing]:
        """The second half of `protect`: wait for what is coded, split and sign it, in the order of chunks."""
        chunk, regions, before = coding.chunk, coding.regions, state
        state, opening = chain.open_video(state, chunk, self._signer)
        chain.check_goes_on(state, chunk)
        pieces = _coded(coding.pieces)
        parts = route(chunk, regions, pieces, coding.policy, _keyed(coding)) if coding.pieces else {}
        record, body = self._operator_chunk(state, coding, parts)
        alarms = _closing(before, chunk.camera_id, chunk.capture_ms) if len(opening) > 1 else ()
        alarms += alarms_of(chunk, regions, coding.blind, state.effort, chunk.first_frame - state.frames)
        methods = self.policy.at(chunk.camera_id).methods_text
        state = _after(state, chunk, digest(body), parts, coding.used, regions.effort, methods)
        drafts = tuple(_draft(chunk, digest(body), body_counts, parts) for body_counts in _sent(record[1].evidence))
        state, closing = self._close(state, chunk)
        return state, Outgoing(
            (*opening, record[0], *closing), drafts, alarms, (to_json(movement(chunk, regions)),), coding.bare.places,
        )

    def lose(self, state: CameraState, chunk: FrameChunk) -> tuple[CameraState, Outgoing]:
        """A chunk that goes to quarantine: its frames are counted, and if it was its video's last, that is closed."""
        after, closing = chain.lose(state, chunk, self._signer)
        return after, Outgoing(closing, (), _closing(after, chunk.camera_id, chunk.capture_ms) if closing else ())

    def close(self, state: CameraState, camera_id: str) -> tuple[CameraState, Outgoing]:
        """Close the state's video where it stands: nothing of it will come any more."""
        after, closing = chain.end_video(state, camera_id, self._signer)
        return after, Outgoing(closing, (), _closing(state, camera_id, state.last_capture_ms) if closing else ())

    def _code(
        self, decoded: DecodedChunk, layout: Layout, policy: Policy, level: int
    ) -> list[Future[tuple[Piece, ...]]]:
        """The pieces, coded beside the public video: their samples are copied, so that the pictures can be let go."""
        sharing = effort.sharing(policy, level)
        gathered, settings = gather(decoded, layout, sharing), beside(policy.preset, sharing)
        return [self._beside.submit(code, share, policy.quality, settings) for share in shares(gathered, SHARES)]

    def _operator_chunk(
        self, state: CameraState, coding: Coding, parts: dict[str, tuple[OpenPart, ...]]
    ) -> tuple[tuple[OperatorRecord, OperatorChunk], bytes]:
        chunk, bare, packed = coding.chunk, coding.bare, coding.masks
        units, passed = coding.public.result()
        media = fragment(units, chunk.end_pts, chunk.chunk_seq + 1, chunk.format, state.origin_pts)
        previous = {count.authority: count.previous for count in state.evidence}
        counts = tuple(EvidenceCount(name, len(mine), previous.get(name, 0)) for name, mine in parts.items())
        methods = ",".join(sorted(set(coding.policy.methods.values()))) if packed else ""
        body = OperatorChunk(
            chunk.camera_id, chunk.video_id, chunk.chunk_seq, chunk.first_frame, chunk.capture_ms, chunk.pts,
            chunk.end_pts, packed, methods, counts, digest(media), len(media), state.last_digest, passed,
            chunk.gaps + chunk.first_frame - state.frames, bare.zones, bare.spared, coding.regions.effort,
        )
        encoded = encode_record(OperatorBody(chunk=body))
        return (OperatorRecord(sign(encoded, chain.RECORD, self._signer), media), body), encoded

    def _close(self, state: CameraState, chunk: FrameChunk) -> tuple[CameraState, tuple[OperatorRecord, ...]]:
        records: tuple[OperatorRecord, ...] = ()
        if chunk.capture_ms - state.last_head_ms >= HEAD_MS:
            head = VideoHead(chunk.camera_id, chunk.video_id, chunk.chunk_seq, state.last_digest, chunk.capture_ms)
            records = (chain.record(OperatorBody(head=head), self._signer),)
            state = replace(state, last_head_ms=chunk.capture_ms)
        if chunk.end:
            state, ending = chain.end_video(state, chunk.camera_id, self._signer)
            records += ending
        return state, records


def _coded(coding: Iterable[Future[tuple[Piece, ...]]]) -> list[Piece]:
    """All pieces, by their tracks."""
    return sorted((piece for share in coding for piece in share.result()), key=lambda piece: piece.tracks)


def _public_units(
    chunk: FrameChunk, frames: Iterable[DesensitisedFrame], packed: bytes, policy: Policy, layout: Layout
) -> tuple[tuple[CodedUnit, ...], bool]:
    """The operator's coded pictures, and whether they are the camera's own: nothing is masked in them."""
    if not packed and policy.pass_through and annexb.passable(chunk):
        return _stripped(chunk), True
    if all_whole(layout, chunk.format):
        return all_grey(chunk.pts, chunk.format, policy.crf, policy.preset), False
    return encode_public(frames, chunk, policy, layout), False


def encode_public(
    frames: Iterable[DesensitisedFrame], chunk: FrameChunk, policy: Policy, layout: Layout
) -> tuple[CodedUnit, ...]:
    """The operator's coded pictures; takes desensitised frames only."""
    easy = ([claim.rect for claim in claims if policy.method(claim.kind).easy] for claims in layout)
    return encode(map(_public, frames), chunk.pts, chunk.format, crf=policy.crf, preset=policy.preset, easy=easy)


def _released(frames: deque[RawFrame]) -> Iterator[RawFrame]:
    """The pictures one by one, none held after it has been read."""
    while frames:
        yield frames.popleft()


def _public(frame: DesensitisedFrame) -> Planes:
    if not isinstance(frame, DesensitisedFrame):
        raise MalformedRecord("only desensitised pictures are encoded for the operator")
    return frame.planes


def seal_draft(
    draft: EvidenceDraft, epoch: str, recipients: Sequence[bytes], topic: str, quality: Quality, signer: SigningKey
) -> Signed:
    """A draft sealed for these public keys and signed, ready to leave."""
    evidence = new_evidence(draft.authority, draft.chunk, draft.operator_digest, draft.previous, epoch, quality)
    sealed = seal_evidence(evidence, draft.parts, recipients, topic)
    return sign(encode_record(sealed), "evidence", signer)


def _cuts_after(here: Examined, ahead: Examined | None) -> frozenset[int]:
    """Where scenes begin in the next chunk, counted on from this one; at its first frame too."""
    if ahead is None or not here.decoded.frames or not ahead.decoded.frames:
        return frozenset()
    count = len(here.decoded.frames)
    border = is_cut(here.decoded.frames[-1].planes, ahead.decoded.frames[0].planes)
    return frozenset({count + i for i in ahead.cuts} | ({count} if border else set()))


def _stripped(chunk: FrameChunk) -> tuple[CodedUnit, ...]:
    return tuple(CodedUnit(unit.pts, annexb.strip(unit.data)) for unit in chunk.units)


def _keyed(coding: Coding) -> Keyed:
    blocks = {
        (i, claim.track): (claim.rect.top, claim.rect.left, claim.rect.bottom, claim.rect.right)
        for i, claims in enumerate(coding.layout) for claim in claims if claim.track in coding.keys
    }
    return Keyed(coding.keys, blocks)


def _sent(counts: Sequence[EvidenceCount]) -> list[EvidenceCount]:
    return [count for count in counts if count.parts]


def _draft(
    chunk: FrameChunk, operator_digest: bytes, count: EvidenceCount, parts: dict[str, tuple[OpenPart, ...]]
) -> EvidenceDraft:
    return EvidenceDraft(count.authority, chunk, operator_digest, count.previous, parts[count.authority])


def _closing(state: CameraState, camera_id: str, time_ms: int) -> tuple[Alarm, ...]:
    """What is to be told where the state's video is closed."""
    return tail_lost(camera_id, state.video_id, chain.tail_lost(state), time_ms)


def _after(
    state: CameraState, chunk: FrameChunk, body_digest: bytes, parts: dict[str, tuple[OpenPart, ...]],
    used: dict[int, bytes], level: int, methods: str,
) -> CameraState:
    totals = {count.authority: count for count in state.evidence}
    for name, mine in parts.items():
        before = totals.get(name, EvidenceCount(name, 0, 0))
        last = chunk.chunk_seq + 1 if mine else before.previous
        totals[name] = EvidenceCount(name, before.parts + len(mine), last)
    return replace(
        state, last_seq=chunk.chunk_seq, last_digest=body_digest, evidence=tuple(totals[n] for n in sorted(totals)),
        frames=chunk.first_frame + len(chunk.units), reached=0, last_capture_ms=chunk.capture_ms, flushed=False,
        appearances=kept_appearances(state.appearances, chunk, used), effort=level, methods=methods,
    )


def kept_appearances(
    known: Sequence[TrackAppearance], chunk: FrameChunk, used: Mapping[int, bytes]
) -> tuple[TrackAppearance, ...]:
    """What hides tracks after this chunk: what it used and what the last chunks did, the newest, as far as they fit."""
    kept = {a.track: a for a in known if chunk.chunk_seq - a.last_seq <= KEEP_APPEARANCE_CHUNKS}
    kept |= {track: TrackAppearance(track, shown, chunk.chunk_seq) for track, shown in used.items()}
    newest = sorted(kept.values(), key=lambda one: (one.last_seq, one.track), reverse=True)
    room = accumulate(len(one.appearance) + APPEARANCE_HEAD for one in newest)
    fitting = [one for one, size in zip(newest, room, strict=True) if size <= MOST_APPEARANCE_BYTES]
    return tuple(sorted(fitting, key=lambda one: one.track))


def _unseen(chunk: FrameChunk, level: int) -> RegionSet:
    """The regions of a chunk that nobody looks at, or where faces aren't upright: every frame is masked whole."""
    count = len(chunk.units)
    return RegionSet(
        chunk.camera_id, chunk.video_id, chunk.chunk_seq, ((),) * count, frozenset(range(count)),
        effort=level,
    )  # fmt: skip


def _size(format: object) -> tuple[int, int]:
    return format.width, format.height  # type: ignore[attr-defined]
