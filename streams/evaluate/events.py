"""`sealframe eval events`: what the view of movement costs, how still it is, and whether faces are left in it.

The same frames as clips give them, coded alike (x264 veryfast CRF 23, one chunk): the original, and the view. Faces are
searched in both, as coded, by the detector that looks through videos: one is left where a box in the view overlaps one
of the original by `SAME_PLACE` of both; boxes elsewhere are false alarms, and counted beside. Speed is CPU time of flow
and drawing on one core, on pictures of 1280x720 (scaled to it).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from operators.codec import decode, decode_units, encode
from operators.desensitise.events import EventView
from operators.detect import Finder
from operators.detect.measure import overlaps
from operators.motion import CELL, Motion
from operators.pixels import freeze
from schemas.frames import CodedUnit, Planes, RawFrame, VideoFormat
from schemas.regions import Array
from streams.evaluate.files import first_chunks
from streams.evaluate.report import Figure

LEAST_FPS, EVERY, SAME_PLACE = 25.0, 5, 0.3
HD = VideoFormat(1280, 720, Fraction(1, 25))
_MOST = 2**31
Tell = Callable[[str], None]


@dataclass(slots=True)
class Totals:
    """Over clips: ratios of bits by clip, shares of still cells, faces found, CPU seconds of 720p frames."""

    ratios: list[float] = field(default_factory=list)
    still: list[float] = field(default_factory=list)
    frames: int = 0
    faces: int = 0
    left: int = 0
    boxes: int = 0
    spent: float = 0.0
    timed: int = 0


def evaluate(
    clips: Iterable[Path], frames: int, finder: Finder, system: str, tell: Tell = lambda _: None
) -> list[Figure]:
    """The first frames of every clip."""
    total = Totals()
    for path in clips:
        chunks = first_chunks(path, frames)
        raw = [frame for chunk in chunks for frame in decode(chunk).frames][:frames]
        _measure(raw, chunks[0].format, finder, system, total)
        tell(f"{path.name}: {total.ratios[-1]:.2f} of the bits, {total.still[-1]:.0%} still")
    return _figures(total)


def _measure(raw: Sequence[RawFrame], format: VideoFormat, finder: Finder, system: str, total: Totals) -> None:
    shown = [frame.planes for frame in EventView(format, system).shown(raw)]
    plain = [frame.planes for frame in raw]
    coded = [_coded(pictures, format) for pictures in (plain, shown)]
    original, view = (sum(len(unit.data) for unit in units) for units in coded)
    total.ratios.append(view / original)
    pairs = list(zip(plain, plain[1:], strict=False))
    total.still.append(float(np.mean([(Motion().cells(a.y, b.y) == 0).mean() for a, b in pairs])))
    total.frames += len(raw)
    for before, after in zip(*(_faces(units, format, finder) for units in coded), strict=True):
        total.faces, total.boxes = total.faces + len(before), total.boxes + len(after)
        total.left += int((overlaps(before, after) >= SAME_PLACE).any(1).sum())
    sized = [RawFrame(i, i, _sized(planes)) for i, planes in enumerate(plain)]
    view_720, began = EventView(HD, system), time.process_time()
    total.timed += len(list(view_720.shown(sized)))
    total.spent += time.process_time() - began


def _coded(pictures: Sequence[Planes], format: VideoFormat) -> tuple[CodedUnit, ...]:
    timed = VideoFormat(format.width, format.height, Fraction(1, 25), full_range=format.full_range)
    return encode(pictures, range(len(pictures)), timed)


def _faces(units: Sequence[CodedUnit], format: VideoFormat, finder: Finder) -> list[Array]:
    """Boxes of every fifth picture."""
    pictures = decode_units(units, "h264", format.width, format.height, _MOST, _MOST)[::EVERY]
    looks = (finder.detect_planes(planes, format) for planes in pictures)
    return [np.concatenate([one.boxes for one in (look if isinstance(look, tuple) else (look,))]) for look in looks]


def _sized(planes: Planes) -> Planes:
    sizes = ((HD.width, HD.height), (HD.width // 2, HD.height // 2), (HD.width // 2, HD.height // 2))
    return freeze(Planes(*(
        np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.uint8)
        for plane, size in zip(planes.all(), sizes, strict=True)
    )))


def _figures(total: Totals) -> list[Figure]:
    n = len(total.ratios)
    return [
        Figure("events_fps_720p", total.timed / total.spent, "frames a second", ">=", LEAST_FPS, total.timed,
               "flow and drawing, one core, CPU time"),
        Figure("events_bits_ratio", float(np.mean(total.ratios)), "", n=n,
               note=f"against the original coded alike; {min(total.ratios):.2f} to {max(total.ratios):.2f}"),
        Figure("events_still", float(np.mean(total.still)), "", n=total.frames,
               note=f"share of cells of {CELL}x{CELL}; {min(total.still):.2f} to {max(total.still):.2f} by clip"),
        Figure("events_faces_left", total.left, "faces", "==", 0, total.faces,
               f"found in the view too; n: in the originals, every 5th frame; {total.boxes} false alarms in the view"),
    ]
