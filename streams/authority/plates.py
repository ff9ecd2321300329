"""Plates out of evidence: the best crops of each track in a chunk, cut straight, and what may be read on them.

Pixels live in memory only. A crop is used only where the track's pieces cover the plate and no other plate reaches
into it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from operators.plate_look import describe
from operators.plate_track import Glimpse, cut, glimpse, rectify
from operators.plates import PlateReader, Rgb
from schemas.errors import MalformedRecord
from schemas.frames import VideoFormat
from schemas.records import MappedRegion, TrackMapping
from schemas.regions import Array
from streams.authority.blank import OpenPiece, cropped, open_where, reaches_into
from streams.authority.looks import pool
from streams.authority.opening import OpenedPart

MIN_HEIGHT = 8.0
"""Height in pixels from which a plate is read: below, no character has more than five lines."""
LOOKS = 8
"""How many frames of a chunk are read, of each track."""
MARGIN = 0.25

Outcome = Literal["glimpsed", "too-small", "unclear"]


@dataclass(frozen=True, slots=True, eq=False)
class Glimpsed:
    """What was seen of a track in a chunk: glimpses by frame, best first, and the vector of its looks with weight.

    Without glimpses `state` says why, and `frame_no` is the first frame.
    """

    track: int
    state: Outcome
    frame_no: int
    glimpses: tuple[tuple[int, Glimpse], ...] = field(default=(), repr=False)
    embedding: Array | None = field(default=None, repr=False)
    weight: float = 0.0


def read_plates(
    reader: PlateReader, parts: Sequence[OpenedPart], video: VideoFormat | None
) -> tuple[Glimpsed, ...]:
    """What each plate's track shows in a chunk; one whose pieces don't hold shows nothing."""
    mappings = [p.content for p in parts if isinstance(p.content, TrackMapping) and p.content.kind == "plate"]
    chosen = {m.track: candidates(m, mappings) for m in mappings}
    opened = open_where(parts, chosen)
    return tuple(_glimpsed(reader, m, chosen[m.track], opened, video) for m in mappings if m.regions)


def candidates(mapping: TrackMapping, plates: Sequence[TrackMapping]) -> list[MappedRegion]:
    """The promising regions of a track that are read, best first: no other one of the chunk's `plates` reaches in."""
    others = [region for other in plates if other.track != mapping.track for region in other.regions]
    return [r for r in promising(mapping) if not any(reaches_into(other, r) for other in others)][:LOOKS]


def promising(mapping: TrackMapping) -> list[MappedRegion]:
    """Regions tall enough to be read, best first by size and score."""
    usable = [r for r in mapping.regions if len(r.box) == 4 and np.isfinite(r.box).all() and _height(r) >= MIN_HEIGHT]
    return sorted(usable, key=lambda r: (-_height(r) * r.score, r.frame_no))


def straight(region: MappedRegion, opened: Sequence[OpenPiece], video: VideoFormat | None) -> Rgb | None:
    """The plate of a region, by its corners if it has them; None where the pieces don't cover it."""
    seen = cropped(region, opened, video, MARGIN)
    if seen is None:
        return None
    moved = np.array([seen.left, seen.top], np.float64)
    try:
        if len(region.landmarks) == 8:
            return rectify(seen.rgb, np.array(region.landmarks, np.float64).reshape(4, 2) - moved)
    except MalformedRecord:
        pass  # corners that cross: the box is as good as it gets
    try:
        x1, y1, x2, y2 = np.array(region.box, np.float64) - np.tile(moved, 2)
        return cut(seen.rgb, (x1, y1, x2, y2))
    except MalformedRecord:
        return None


def _glimpsed(
    reader: PlateReader, mapping: TrackMapping, regions: Sequence[MappedRegion], opened: Sequence[OpenPiece],
    video: VideoFormat | None,
) -> Glimpsed:
    own = [(piece, planes) for piece, planes in opened if mapping.track in piece.tracks]
    crops = [(r.frame_no, crop) for r in regions if (crop := straight(r, own, video)) is not None]
    if not crops:
        state: Outcome = "unclear" if promising(mapping) else "too-small"
        return Glimpsed(mapping.track, state, mapping.regions[0].frame_no)
    seen = glimpse(reader, [crop for _, crop in crops])
    found = [(frame, one) for (frame, _), one in zip(crops, seen, strict=True)]
    found.sort(key=lambda pair: (-pair[1].quality, pair[0]))
    looks = [(v, one.quality) for (_, crop), one in zip(crops, seen, strict=True) if (v := describe(crop)) is not None]
    vector, weight = pool([v for v, _ in looks], [worth for _, worth in looks]) if looks else (None, 0.0)
    return Glimpsed(mapping.track, "glimpsed", found[0][0], tuple(found), vector, weight)


def _height(region: MappedRegion) -> float:
    return region.box[3] - region.box[1]
