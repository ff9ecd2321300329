"""What a key alone brings back: the coarse view of each scrambled track, out of the decoded public picture.

The cells are read in every frame of the chunk, and each takes the level that most frames show: what the codec smeared
in one frame, or another mask painted over, is outvoted. No piece is needed, so this works when evidence was dropped.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from operators import pixels
from operators.desensitise.scramble import LEVELS, SCRAMBLE
from operators.pixels import BlockRect
from schemas.errors import MalformedRecord
from schemas.frames import Planes, VideoFormat
from schemas.records import OperatorChunk, TrackMapping


def coarse_frames(
    chunk: OperatorChunk, format: VideoFormat, frames: Sequence[Planes], mappings: Sequence[TrackMapping]
) -> list[Planes]:
    """The chunk's pictures with the coarse views of all tracks whose key is known; others stay as they are.

    Raises:
        MalformedRecord: a region lies outside the chunk or the picture.

    """
    shown = [pixels.copy(frame) for frame in frames]
    for mapping in sorted(mappings, key=lambda one: one.track):
        if not mapping.appearance_key:
            continue
        places = _places(mapping, chunk, format)
        appearance = _voted([SCRAMBLE.read(pixels.view(frames[i], rect)) for i, rect in places])
        for i, rect in places:
            region = pixels.view(shown[i], rect)
            height, width = region.y.shape
            view = SCRAMBLE.decrypt(appearance, mapping.appearance_key, width, height)
            for to, of in zip(region.all(), view.all(), strict=True):
                to[:] = of
    return shown


def _places(mapping: TrackMapping, chunk: OperatorChunk, format: VideoFormat) -> list[tuple[int, BlockRect]]:
    """Index of each frame in which the track claims blocks, and which."""
    rows, columns = format.blocks
    found = []
    for region in mapping.regions:
        if not region.blocks:
            continue
        index = region.frame_no - chunk.first_frame
        if len(region.blocks) != 4 or not 0 <= index < len(chunk.pts):
            raise MalformedRecord(f"{chunk.video_id} chunk {chunk.chunk_seq}: a region outside the chunk")
        rect = BlockRect(*region.blocks)
        if not (rect.top < rect.bottom <= rows and rect.left < rect.right <= columns):
            raise MalformedRecord(f"{chunk.video_id}/{region.frame_no}: blocks outside the picture")
        found.append((index, rect))
    return found


def _voted(read: Sequence[bytes]) -> bytes:
    """Of each cell the level that most frames show; the lowest of those that are equally often shown."""
    levels = np.array([np.frombuffer(one, np.uint8) for one in read])
    counts = np.stack([(levels == level).sum(0) for level in range(LEVELS)])
    return counts.argmax(0).astype(np.uint8).tobytes()
