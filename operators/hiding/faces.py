"""What is hidden of a chunk: its regions as 64x64 videos, coded as finely as the room allows.

Each frame keeps at least one of its regions while any fits; where not all fit, those that cover most frames stay, then
the largest. Where not even one track fits, every second, fourth ... of its pictures stays: one good picture says more
than many that match nobody. A picture shows the square about the region's box, a quarter wider than the box, so that a
face detector finds its landmarks again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import cv2
import numpy as np

from operators.codec import decode_units, encode
from operators.pixels import freeze
from schemas.codec import encode as encode_record
from schemas.errors import MalformedRecord
from schemas.frames import CodedUnit, Plane, Planes, VideoFormat
from schemas.records import HiddenPictures, HiddenTrack, PieceUnit
from schemas.regions import Region

SIDE = 64
WIDER = 1.25
CRFS = (20, 24, 28, 31, 34, 37, 40)
FINE, STEPS = (20, 24, 28, 31), (2, 4, 8, 16)
"""Up to these CRFs a face still matches itself; more tracks or pictures are not worth coarser ones."""
FORMAT = VideoFormat(SIDE, SIDE, Fraction(1, 25))
_MOST_FRAMES = 4096


@dataclass(slots=True)
class _Seen:
    """A track's small pictures, by frame of the chunk, and the area of its boxes."""

    kind: str
    frames: list[int] = field(default_factory=list)
    pictures: list[Planes] = field(default_factory=list)
    area: float = 0.0
    coded: dict[int, HiddenTrack] = field(default_factory=dict)


def small_pictures(frames: Sequence[Planes], regions: Sequence[Sequence[Region]], room: int) -> bytes:
    """`HiddenPictures` of a chunk in at most `room` bytes; regions left out are counted in it."""
    seen = _gathered(frames, regions)
    order = _order(seen)
    empty = HiddenPictures(len(frames), (), len(order))
    best = encode_record(empty)
    for count in range(1, len(order) + 1):
        tracks = [(track, seen[track]) for track in order[:count]]
        fitting = _finest(tracks, len(frames), len(order) - count, room, FINE)
        if fitting is None and count == 1:
            fitting = _thinned(order[0], seen[order[0]], len(frames), len(order) - 1, room)
        if fitting is None:
            break
        best = fitting
    return best if len(best) <= room else b""


def pictures_of(track: HiddenTrack) -> list[Planes]:
    """The pictures of a hidden track, in the order of its frames.

    Raises:
        MalformedRecord: counts that don't fit together.
        UndecodableChunk: the coded pictures don't decode.

    """
    if not 0 < len(track.units) == len(track.frames) <= _MOST_FRAMES:
        raise MalformedRecord("a hidden track needs one coded picture a frame")
    return decode_units([CodedUnit(unit.pts, unit.data) for unit in track.units], "h264", SIDE, SIDE)


def _gathered(frames: Sequence[Planes], regions: Sequence[Sequence[Region]]) -> dict[int, _Seen]:
    seen: dict[int, _Seen] = {}
    for index, (planes, found) in enumerate(zip(frames, regions, strict=True)):
        for region in found:
            one = seen.setdefault(region.track, _Seen(region.kind))
            x1, y1, x2, y2 = region.box
            one.frames.append(index)
            one.pictures.append(_square(planes, ((x1 + x2) / 2, (y1 + y2) / 2), WIDER * max(x2 - x1, y2 - y1)))
            one.area += (x2 - x1) * (y2 - y1)
    return seen


def _square(planes: Planes, middle: tuple[float, float], side: float) -> Planes:
    """The square about a point, 64 samples wide; past the edge its last samples are repeated."""
    return freeze(Planes(*(
        _scaled(plane, middle[0] / part, middle[1] / part, side / part, SIDE // part)
        for plane, part in zip(planes.all(), (1, 2, 2), strict=True)
    )))


def _scaled(plane: Plane, x: float, y: float, side: float, size: int) -> Plane:
    columns = np.clip(np.arange(round(x - side / 2), round(x + side / 2) + 1), 0, plane.shape[1] - 1)
    rows = np.clip(np.arange(round(y - side / 2), round(y + side / 2) + 1), 0, plane.shape[0] - 1)
    how = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(plane[np.ix_(rows, columns)], (size, size), interpolation=how), np.uint8)


def _order(seen: dict[int, _Seen]) -> list[int]:
    """Tracks, each the one that covers most frames not yet covered, then the largest."""
    order: list[int] = []
    covered: set[int] = set()
    while len(order) < len(seen):
        left = (track for track in seen if track not in order)
        following = max(left, key=lambda track: (len(set(seen[track].frames) - covered), seen[track].area, -track))
        order.append(following)
        covered |= set(seen[following].frames)
    return order


def _finest(
    tracks: Sequence[tuple[int, _Seen]], frames: int, left_out: int, room: int, crfs: Sequence[int]
) -> bytes | None:
    """The finest coding of these tracks that fits; None where none does."""
    for crf in crfs:
        coded = encode_record(HiddenPictures(frames, tuple(_coded(n, one, crf) for n, one in tracks), left_out))
        if len(coded) <= room:
            return coded
    return None


def _thinned(track: int, one: _Seen, frames: int, left_out: int, room: int) -> bytes | None:
    """The most pictures of a track that fit well enough; else one, however coarse; None where not even that fits."""
    for step in (*STEPS, len(one.frames)):
        fewer = _Seen(one.kind, one.frames[::step], one.pictures[::step])
        crfs = CRFS if step == len(one.frames) else FINE
        if (fitting := _finest([(track, fewer)], frames, left_out, room, crfs)) is not None:
            return fitting
    return None


def _coded(track: int, one: _Seen, crf: int) -> HiddenTrack:
    if crf not in one.coded:
        units = encode(one.pictures, range(len(one.pictures)), FORMAT, crf=crf, preset="slow", tune="psnr")
        parts = tuple(PieceUnit(unit.pts, unit.data) for unit in units)
        one.coded[crf] = HiddenTrack(track, one.kind, tuple(one.frames), parts)
    return one.coded[crf]
