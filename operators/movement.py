"""What the operating platform may know of who moves: how many, of which kind, from where to where within one chunk."""

from __future__ import annotations

from collections import Counter

from schemas.frames import FrameChunk, VideoFormat
from schemas.movement import Movement, Way
from schemas.regions import Region, RegionSet


def movement(chunk: FrameChunk, regions: RegionSet) -> Movement:
    """The movement of a chunk. Its ways are in the order of where they begin, so that no track can be told by it."""
    counted = [Counter(region.kind for region in frame) for frame in regions.frames]
    kinds = sorted({kind for frame in counted for kind in frame})
    return Movement(
        chunk.camera_id, chunk.video_id, chunk.chunk_seq, chunk.capture_ms, chunk.length_ms,
        tuple(frame.total() for frame in counted), {kind: tuple(frame[kind] for frame in counted) for kind in kinds},
        tuple(sorted(regions.failed)), _ways(regions, chunk.format),
    )


def _ways(regions: RegionSet, format: VideoFormat) -> tuple[Way, ...]:
    begun: dict[int, tuple[int, Region]] = {}
    last: dict[int, tuple[int, Region]] = {}
    for index, frame in enumerate(regions.frames):
        for region in frame:
            begun.setdefault(region.track, (index, region))
            last[region.track] = index, region
    ways = (
        Way(region.kind, first, last[track][0], _middle(region, format), _middle(last[track][1], format))
        for track, (first, region) in begun.items()
    )
    return tuple(sorted(ways, key=lambda way: (way.first, way.begin, way.last, way.end, way.kind)))


def _middle(region: Region, format: VideoFormat) -> tuple[int, int]:
    """The middle of a box, kept within the picture."""
    left, top, right, bottom = region.box
    x, y = round((left + right) / 2), round((top + bottom) / 2)
    return min(max(x, 0), format.width - 1), min(max(y, 0), format.height - 1)
