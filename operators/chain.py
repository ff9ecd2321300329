"""Open and close videos in the operator's chain of digests.

Each chunk carries the SHA-256 of the signed body before it (the first one that of the start), so a cut, swapped or
dropped chunk shows; heads and the end show a cut tail.
"""

from __future__ import annotations

from dataclasses import replace

from operators.fragment import init_segment
from operators.sign import SigningKey, digest, sign
from schemas.codec import encode
from schemas.errors import ClockJump, MalformedRecord
from schemas.frames import FrameChunk
from schemas.records import OperatorBody, OperatorRecord, VideoEnd, VideoStart
from schemas.state import CameraState

PIPELINE = "pipeline"
RECORD = "operator"
CLOSED = 8
"""So many closed videos of a camera are remembered: their stragglers, of a push that was begun anew, open nothing."""


def record(body: OperatorBody, signer: SigningKey, media: bytes = b"") -> OperatorRecord:
    """A signed record of the operator topic."""
    return OperatorRecord(sign(encode(body), RECORD, signer), media)


def check_goes_on(state: CameraState, chunk: FrameChunk) -> None:
    """Refuse a chunk that can't come next in the state's video; one of another video may.

    Raises:
        ClockJump: its times, number or frames run backwards.
        MalformedRecord: its pictures have another format than the video that was begun.

    """
    if chunk.video_id != state.video_id:
        return
    where = f"{chunk.video_id} chunk {chunk.chunk_seq}"
    if chunk.capture_ms < state.last_capture_ms:
        raise ClockJump(f"{where}: captured before the chunk ahead of it")
    if chunk.chunk_seq <= state.last_seq or chunk.first_frame < state.frames:
        raise ClockJump(f"{where}: comes after chunk {state.last_seq} and frame {state.frames - 1}")
    if state.format is not None and chunk.format != state.format:
        raise MalformedRecord(f"{where}: of another format than its video; a camera begins a new one then")


def open_video(
    state: CameraState, chunk: FrameChunk, signer: SigningKey
) -> tuple[CameraState, tuple[OperatorRecord, ...]]:
    """Start the chunk's video if it is another than the state's, and close the one that was left open.

    Raises:
        ClockJump: the video was closed when a later one began: its start can't be told twice.

    """
    if chunk.video_id == state.video_id:
        return state, ()
    if chunk.video_id in state.closed:
        raise ClockJump(f"{chunk.video_id} chunk {chunk.chunk_seq}: of a video that was closed before {state.video_id}")
    state, ending = end_video(state, chunk.camera_id, signer)
    media = init_segment(chunk.format)
    start = VideoStart(
        chunk.camera_id, chunk.video_id, chunk.format, chunk.capture_ms, chunk.pts[0], digest(media)
    )
    opened = record(OperatorBody(start=start), signer, media)
    fresh = replace(
        state, video_id=chunk.video_id, last_seq=-1, last_digest=digest(opened.signed.body), evidence=(),
        frames=0, reached=0, last_head_ms=chunk.capture_ms, origin_pts=chunk.pts[0], ended=False, last_capture_ms=0,
        appearances=(), format=chunk.format,  # tracks end with their video, and their numbers never come again
        closed=(state.video_id, *state.closed)[:CLOSED] if state.video_id else (),
    )
    return fresh, (*ending, opened)


def end_video(
    state: CameraState, camera_id: str, signer: SigningKey
) -> tuple[CameraState, tuple[OperatorRecord, ...]]:
    """Close the state's video, unless it is closed."""
    if state.ended:
        return state, ()
    end = VideoEnd(
        camera_id, state.video_id, state.last_seq + 1, state.frames, state.last_digest, state.evidence,
        tail_lost(state),
    )
    return replace(state, ended=True), (record(OperatorBody(end=end), signer),)


def lose(
    state: CameraState, chunk: FrameChunk, signer: SigningKey
) -> tuple[CameraState, tuple[OperatorRecord, ...]]:
    """Count the frames of a chunk that goes to quarantine: its video goes on without it, or closes if it was the last.

    Nobody is followed over it. A chunk of a video that isn't open is no part of any: nothing has been signed that it
    could be missing from.
    """
    if state.ended or chunk.video_id != state.video_id:
        return state, ()
    state = replace(state, reached=max(state.reached, chunk.first_frame + len(chunk.units)), tracks=(), cut=True)
    return end_video(state, chunk.camera_id, signer) if chunk.end else (state, ())


def tail_lost(state: CameraState) -> int:
    """How many frames of the state's video, captured after the last chunk that was delivered, went to quarantine."""
    return max(0, state.reached - state.frames)
