"""Alarms of the pipeline: cameras that are late, blind, moved, or masked whole, each with what to do about it."""

from __future__ import annotations

from operators import effort
from operators.chain import PIPELINE
from schemas.frames import FrameChunk
from schemas.records import Alarm
from schemas.regions import RegionSet

LATE = {
    effort.SPARSE: "most searches are at half the size, masks are larger",
    effort.COARSE: "most searches are at half the size, masks are larger, "
    "evidence of people whose masks meet is sealed together, in a crowd of everybody",
    effort.WHOLE: "its frames are masked whole",
    effort.DROPPED: "its frames are dropped from the video and sealed to the custodian",
}


def alarms_of(chunk: FrameChunk, regions: RegionSet, blind: bool, before: int, lost: int) -> tuple[Alarm, ...]:
    """That a camera is late, or frames are masked whole or lost, and why.

    `before`: the effort of the chunk before; `lost`: frames before this chunk that never came. Whose chunks are masked
    whole or dropped is said to be late as it is.
    """
    late: tuple[Alarm, ...] = (overload(chunk, regions.effort),) if regions.effort > min(before, effort.COARSE) else ()
    if regions.effort >= effort.WHOLE:
        return late
    late += (_lost(chunk, lost),) if lost else ()
    if not regions.failed:
        return late
    why = "no contrast: see what covers or dazzles the camera" if blind else "check the detector's model and the scene"
    if chunk.format.rotation:
        why = "faces are known upright alone: the camera, or who sends for it, has to turn its pictures"
    if regions.moved:
        why = "the camera shows another view: turn it back, or set its zones anew"
    text = f"{chunk.video_id} chunk {chunk.chunk_seq}: {len(regions.failed)} frames masked whole; {why}"
    if regions.moved:
        return (*late, Alarm("moved", PIPELINE, chunk.camera_id, chunk.capture_ms, text))
    return (*late, Alarm("blind" if blind else "masked-whole", PIPELINE, chunk.camera_id, chunk.capture_ms, text))


def overload(chunk: FrameChunk, level: int) -> Alarm:
    """That a camera is late, from a new level on and with every chunk that is masked whole or dropped."""
    text = f"{chunk.video_id}: the camera is late, {LATE[level]}; give it more cores"
    return Alarm("overload", PIPELINE, chunk.camera_id, chunk.capture_ms, text)


def tail_lost(camera_id: str, video_id: str, frames: int, time_ms: int) -> tuple[Alarm, ...]:
    """That a video is closed without its last frames; nothing where there are none."""
    text = f"{video_id}: its last {frames} frames went to quarantine, and are signed as a gap; " \
        "see there what was wrong with them"
    return (Alarm("lost", PIPELINE, camera_id, time_ms, text),) if frames else ()


def _lost(chunk: FrameChunk, frames: int) -> Alarm:
    text = f"{chunk.video_id} chunk {chunk.chunk_seq}: {frames} frames before it never came, " \
        "and are signed as a gap; see that broker and workers keep up"
    return Alarm("lost", PIPELINE, chunk.camera_id, chunk.capture_ms, text)
