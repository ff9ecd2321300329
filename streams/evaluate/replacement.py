"""`sealframe eval replacement`: does a replaced face pass for a face, and for somebody else? How fast is it?

Photographs of people: the region is the found face with the policy's padding, on the grid of blocks; painted, coded as
one picture (x264 veryfast CRF 23), decoded. The detector that looks through videos searches the public picture: a box
that overlaps the region by `SAME_PLACE` of both is the replaced face. The authority's own way of reading faces gives
vectors of the original and of what is shown in its place. Clips: the same search in every fifth frame of what file mode
shows, coded by chunk. Speed: CPU time of `paint` for three faces a frame of 1280x720, 120 to 240 samples high.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from operators import pixels
from operators.cohere import blocks
from operators.colour import planes_of
from operators.desensitise.base import Method, Spot
from operators.desensitise.policy import Policy
from operators.detect import FaceDetector, Finder
from operators.detect.measure import overlaps
from operators.detect.picture import rgb_of
from operators.embed import SAME, FaceEmbedder, align
from operators.pipeline import Pipeline
from operators.pixels import BlockRect
from schemas.errors import MalformedRecord
from schemas.frames import BLOCK, Planes, VideoFormat
from schemas.regions import Array, Region
from streams.evaluate.files import first_chunks
from streams.evaluate.passages import Coded
from streams.evaluate.report import Figure
from streams.hide import seen_frames

FOUND, OTHERS, LEAST_FPS = 0.95, 0.98, 25.0
SAME_PLACE, LEAST_HEIGHT, EVERY = 0.3, 24, 5
SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm")
HD = VideoFormat(1280, 720, Fraction(1, 25))
Tell = Callable[[str], None]


@dataclass(slots=True)
class Totals:
    """Counts: replaced faces, those found as one, those read by the embedder, and the likenesses to who is hidden."""

    photographs: int = 0
    found: int = 0
    likenesses: list[float] = field(default_factory=list)
    regions: int = 0
    found_in_clips: int = 0


def photographs(
    paths: Iterable[Path], method: Method, finder: Finder, reader: FaceDetector, embedder: FaceEmbedder, total: Totals
) -> None:
    """One replacement in each picture in which a face is found."""
    for number, path in enumerate(paths):
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is None:
            continue
        height, width = (side // 2 * 2 for side in picture.shape[:2])
        rgb = np.ascontiguousarray(picture[:height, :width, ::-1], np.uint8)
        seen = _largest(reader, rgb)
        if seen is None:
            continue
        box, marks = seen
        format = VideoFormat(width, height, Fraction(1, 25), matrix=1)
        rect = blocks((box[0], box[1], box[2], box[3]), format, Policy({}).padding_of("face"))
        if rect is None:
            continue
        shown = _public(planes_of(np.asarray(rgb / 255, np.float32), format), rect, number, box, method, format)
        total.photographs += 1
        total.found += _is_found(shown, rect, format, finder)
        likeness = _likeness(rgb, marks, rgb_of(shown, format, width, height), reader, embedder)
        if likeness is not None:
            total.likenesses.append(likeness)


def clips(
    paths: Iterable[Path], frames: int, make: Callable[[], Pipeline], finder: Finder, total: Totals,
    tell: Tell = lambda _: None,
) -> None:
    """What file mode shows of clips."""
    for path in paths:
        before = total.found_in_clips, total.regions
        for chunk, seen in seen_frames(make(), iter(first_chunks(path, frames))):
            public = Coded(23)([one.shown.planes for one in seen], chunk.format)
            for index in range(0, len(seen), EVERY):
                for rect in _counted(seen[index].regions, chunk.format):
                    total.regions += 1
                    total.found_in_clips += _is_found(public[index], rect, chunk.format, finder)
        tell(f"{path.name}: {total.found_in_clips - before[0]} of {total.regions - before[1]} found")


def speed(method: Method, frames: int = 100) -> tuple[float, int]:
    """Frames a second of `paint` alone, three tracks new at the start; and of how many frames."""
    picture = pixels.blank(HD.width, HD.height, 90)
    rects = [BlockRect(2, 4, 10, 10), BlockRect(10, 30, 21, 38), BlockRect(5, 55, 20, 67)]
    spent = 0.0
    for number in range(frames):
        for track, rect in enumerate(rects):
            moved = BlockRect(rect.top, rect.left + number // 25, rect.bottom, rect.right + number // 25)
            region = Region(1000 + track, "face", (0, 0, 1, 1), 1, "detected")
            spot = Spot(pixels.view(picture, moved), moved.left * BLOCK, moved.top * BLOCK, region)
            began = time.process_time()
            method.paint(spot, method.prepare(spot, b""))
            spent += time.process_time() - began
    return frames / spent, frames


def figures(total: Totals, fps: tuple[float, int]) -> list[Figure]:
    """Against the targets."""
    likenesses = np.array(total.likenesses or [0.0])
    in_clips = [
        Figure("replacement_found_clips", total.found_in_clips / total.regions, "", ">=", FOUND, total.regions,
               f"regions of clips from {LEAST_HEIGHT} px, wholly in the picture and alone, as coded"),
    ] if total.regions else []
    return [
        *in_clips,
        Figure("replacement_found", total.found / max(total.photographs, 1), "", ">=", FOUND, total.photographs,
               "photographs, as coded"),
        Figure("replacement_somebody_else", float((likenesses < SAME).mean()), "", ">=", OTHERS, len(likenesses),
               f"likeness to who is hidden below {SAME}; highest {likenesses.max():.3f}, mean {likenesses.mean():.3f}"),
        Figure("replacement_fps_720p", fps[0], "frames a second", ">=", LEAST_FPS, fps[1],
               "three faces a frame, one core, CPU time"),
    ]


def pictures_in(folder: Path) -> list[Path]:
    """Every photograph under a folder."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def _counted(regions: Sequence[Region], format: VideoFormat) -> Iterator[BlockRect]:
    """Places of regions that are large enough, wholly in the picture, and not covered in part by another one."""
    for region in regions:
        x1, y1, x2, y2 = region.box
        rect = blocks(region.box, format, Policy({}).padding_of("face"))
        alone = not any(pixels.touch(region.box, other.box) for other in regions if other is not region)
        whole = x1 >= 0 and y1 >= 0 and x2 <= format.width and y2 <= format.height
        if rect is not None and alone and whole and y2 - y1 >= LEAST_HEIGHT:
            yield rect


def _largest(reader: FaceDetector, rgb: np.ndarray) -> tuple[list[float], Array] | None:
    found = reader.detect(rgb)
    if not len(found.boxes):
        return None
    best = int((found.boxes[:, 2:] - found.boxes[:, :2]).prod(1).argmax())
    return found.boxes[best].tolist(), found.landmarks[best]


def _public(
    planes: Planes, rect: BlockRect, number: int, box: Sequence[float], method: Method, format: VideoFormat
) -> Planes:
    painted = pixels.copy(planes)
    region = Region(number, "face", (box[0], box[1], box[2], box[3]), 1, "detected")
    appearance = method.prepare(Spot(pixels.view(planes, rect), found=region), b"")
    method.paint(Spot(pixels.view(painted, rect), found=region), appearance)
    return Coded(23)([painted], format)[0]


def _is_found(planes: Planes, rect: BlockRect, format: VideoFormat, finder: Finder) -> bool:
    look = finder.detect_planes(planes, format, max(format.width, format.height))
    place = np.array([[rect.left, rect.top, rect.right, rect.bottom]], np.float32) * BLOCK
    return any(
        len(found.boxes) and float(overlaps(found.boxes, place).max()) >= SAME_PLACE
        for found in (look if isinstance(look, tuple) else (look,))
    )


def _likeness(
    rgb: np.ndarray, marks: Array, shown: np.ndarray, reader: FaceDetector, embedder: FaceEmbedder
) -> float | None:
    seen = _largest(reader, shown)
    if seen is None:
        return None
    try:
        one, two = embedder.embed(np.stack([align(rgb, marks), align(shown, seen[1])]))
    except MalformedRecord:
        return None
    return float(one @ two)
