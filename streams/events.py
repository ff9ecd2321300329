"""A video's movement as a video of its own: `sealframe events`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from infra.atomic import AtomicFile
from operators.codec import decode, encode
from operators.desensitise.events import EventView
from operators.fragment import fragment, init_segment
from schemas.errors import SourceError
from schemas.frames import FrameChunk, RawFrame

Progress = Callable[[int], None]


@dataclass(slots=True)
class EventTotals:
    """What a run read and wrote; bytes of media."""

    frames: int = 0
    original_bytes: int = 0
    public_bytes: int = 0


def events(
    chunks: Iterator[FrameChunk], out: Path, system: str, crf: float, preset: str, progress: Progress | None = None
) -> EventTotals:
    """Write the movement of a video to `out`; errors as `EventView`, and SourceError where the video changes."""
    totals, view, video, origin = EventTotals(), None, "", 0
    before: RawFrame | None = None
    with AtomicFile(out) as whole:
        for number, chunk in enumerate(chunks):
            if view is None:
                view, video, origin = EventView(chunk.format, system), chunk.video_id, chunk.pts[0]
            if chunk.video_id != video:
                raise SourceError("the source changes its format, or its time runs back: split it there")
            frames = decode(chunk).frames
            shown = (frame.planes for frame in view.shown(frames, before))
            units = encode(shown, chunk.pts, chunk.format, crf=crf, preset=preset)
            media = fragment(units, chunk.end_pts, number + 1, chunk.format, origin)
            if whole.file:
                whole.file.write((b"" if number else init_segment(chunk.format)) + media)
            before = frames[-1]
            totals.frames += len(frames)
            totals.public_bytes += len(media)
            totals.original_bytes += sum(len(unit.data) for unit in chunk.units)
            if progress:
                progress(totals.frames)
    if not totals.frames:
        raise SourceError("the source holds no picture")
    return totals
