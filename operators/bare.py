"""What is found and yet stays as it is: regions wholly in a never-masked zone, and tracks of who consented.

Zones are judged frame by frame, and only for what would be masked there: the region with all its padding, heads and
doubt included, cut to the picture. What crosses the zone's border is masked. So is whatever touches an always-masked
zone, and every frame that is masked whole. Blocks that another track claims stay masked. Tracks: `operators/spare.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace

from operators.cohere import zone_blocks
from operators.desensitise.policy import Policy
from operators.pixels import touch
from operators.reach import Box, in_doubt, reaches
from operators.spare import consented
from schemas.frames import BLOCK, FrameChunk, VideoFormat
from schemas.records import BareZone, Rectangle
from schemas.regions import Place, RegionSet


@dataclass(frozen=True, slots=True)
class LeftBare:
    """Which regions of a chunk stay as they are; the zones in force there, each with its count, and that of consent."""

    places: frozenset[Place] = frozenset()
    zones: tuple[BareZone, ...] = ()
    spared: int = 0


def left_bare(regions: RegionSet, chunk: FrameChunk, policy: Policy) -> LeftBare:
    """The regions that zones, by the time of capture, and consent leave bare; `policy` as it holds at this camera."""
    end_ms = chunk.capture_ms + round((chunk.end_pts - chunk.pts[0]) * chunk.format.time_base * 1000)
    zones = [
        (zone, one.statement) for one in policy.bare if one.hold(chunk.camera_id, chunk.capture_ms, end_ms)
        for zone in one.zones
    ]
    consent = consented(regions, chunk.first_frame, policy.spared)
    if not zones and not consent:
        return LeftBare()
    reach = reaches(regions, chunk.format, policy, _in_doubt(regions, chunk.format))
    masked = [rect for zone in policy.zones if (rect := _always(zone, chunk.format))]
    inside: dict[Place, int] = {}
    spared: set[Place] = set()
    for i, frame in enumerate(regions.frames):
        for region in () if i in regions.failed else frame:
            place = i, region.track
            box = _inside(reach[place], chunk.format)
            index = _holding(box, zones, chunk.format)
            if any(touch(box, one) for one in masked):
                continue
            if index is not None:
                inside[place] = index
            elif place in consent:
                spared.add(place)
    counts = Counter(inside.values())
    totals = tuple(BareZone(zone, digest, counts[i]) for i, (zone, digest) in enumerate(zones))
    return LeftBare(frozenset(inside) | spared, totals, len(spared))


def hidden(regions: RegionSet, bare: Set[Place]) -> RegionSet:
    """Without what stays bare: only what is hidden is evidence."""
    if not bare:
        return regions
    frames = tuple(tuple(r for r in frame if (i, r.track) not in bare) for i, frame in enumerate(regions.frames))
    return replace(regions, frames=frames)


def _in_doubt(regions: RegionSet, format: VideoFormat) -> dict[int, set[int]]:
    """What masks are in doubt about, and all that coasts."""
    out = in_doubt(regions, format)
    for i, frame in enumerate(regions.frames):
        for region in frame:
            if region.source == "coasting":
                out.setdefault(region.track, set()).add(i)
    return out


def _inside(box: Box, format: VideoFormat) -> Box:
    """What of a box lies in the picture."""
    x1, y1, x2, y2 = box
    return max(0, x1), max(0, y1), min(format.width, x2), min(format.height, y2)


def _holding(box: Box, zones: Sequence[tuple[Rectangle, bytes]], format: VideoFormat) -> int | None:
    """The first zone that holds all of the box."""
    for index, (zone, _) in enumerate(zones):
        left, right = zone.left * format.width, zone.right * format.width
        top, bottom = zone.top * format.height, zone.bottom * format.height
        if left <= box[0] < box[2] <= right and top <= box[1] < box[3] <= bottom:
            return index
    return None


def _always(zone: Box, format: VideoFormat) -> Box | None:
    """An always-masked zone as it is painted: whole blocks."""
    rect = zone_blocks(zone, format)
    return (rect.left * BLOCK, rect.top * BLOCK, rect.right * BLOCK, rect.bottom * BLOCK) if rect else None
