"""Faces out of evidence: best views of tracks, their vectors; and the face of a picture that is searched.

The authority's own detector says where eyes, nose and mouth are, in what is searched and in what is indexed alike:
vectors compare only if chips are cut alike, whatever detector a camera's worker has. Pixels live in memory only. A view
is used only where the track's pieces cover the face and no other face reaches into it: blocks that two tracks claim may
show somebody else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from operators.detect import FaceDetector
from operators.detect.measure import overlaps
from operators.embed import CHIP, FaceEmbedder, align
from operators.quality import quality
from schemas.errors import MalformedRecord, UsageError
from schemas.frames import Plane, Planes, VideoFormat
from schemas.records import MappedRegion, TrackMapping
from schemas.regions import Array
from streams.authority.blank import OpenPiece, cropped, reaches_into

MIN_WIDTH = 30.0
"""Box width in pixels from which a face is indexed: below, less than about 85 % are found at rank 1 (LFW)."""
LARGE = 200.0
"""Width from which a larger face gains nothing: the chip has 150 pixels."""
LOOKS, VIEWS = 6, 3
"""How many promising frames of a chunk are looked at, and how many of them are averaged."""
MARGIN = 0.6
CROP_SIDE, SAME_FACE = 320, 0.4
MAX_PROBE_SIDE = 4096
ASIDE = 8.0
"""How little a face counts at the side of a picture: in a corner of it 1/5 of its area."""

Rgb = npt.NDArray[np.uint8]
Landmarks = Callable[[Rgb, Sequence[float]], Array | None]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One look at a face: quality 0..1, and the chip that is embedded."""

    track: int
    frame_no: int
    quality: float
    chip: Rgb = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """The face of a picture that is searched: its unit vector, and how many other faces the picture shows.

    `box`: where it is in the picture, xyxy in pixels.
    """

    embedding: Array = field(repr=False)
    width: float
    others: int
    box: tuple[float, ...] = ()


class Faces:
    """Reads faces: detector and embedder, the same for what is searched and what is indexed."""

    def __init__(self, detector: FaceDetector, embedder: FaceEmbedder) -> None:
        self._detector, self._embedder = detector, embedder

    def embed(self, views: Sequence[View]) -> Array:
        """Unit vectors (n, 128)."""
        chips = np.stack([view.chip for view in views]) if views else np.empty((0, CHIP, CHIP, 3), np.uint8)
        return self._embedder.embed(chips)

    def views(
        self, mapping: TrackMapping, faces: Sequence[TrackMapping], opened: Sequence[OpenPiece],
        video: VideoFormat | None = None,
    ) -> tuple[View, ...]:
        """`best_views`, with landmarks of this detector."""
        return best_views(mapping, faces, opened, video, self.landmarks)

    def landmarks(self, rgb: Rgb, box: Sequence[float]) -> Array | None:
        """The five landmarks (5, 2) of the face in a box of a picture; None where none is found there."""
        scale = min(1.0, CROP_SIDE / max(rgb.shape[:2]))
        small = rgb if scale == 1 else cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        found = self._detector.detect(np.ascontiguousarray(small, np.uint8))
        over = overlaps(found.boxes / np.float32(scale), np.array([box], np.float32))[:, 0]
        if not len(over) or over.max() < SAME_FACE or not np.isfinite(found.landmarks[over.argmax()]).all():
            return None
        return np.asarray(found.landmarks[over.argmax()] / scale, np.float32)

    def probe(self, picture: bytes) -> Probe:
        """The face of an encoded picture (JPEG, PNG, ...) that is largest and nearest to its middle.

        Raises:
            UsageError: not a picture, or one without a face that can be read.

        """
        decoded = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR) if picture else None
        if decoded is None or max(decoded.shape[:2]) > MAX_PROBE_SIDE:
            raise UsageError(f"not a picture that can be read, or one of more than {MAX_PROBE_SIDE} pixels a side")
        rgb = np.ascontiguousarray(decoded[:, :, ::-1], np.uint8)
        scale = min(1.0, 640 / max(rgb.shape[:2]))
        small = rgb if scale == 1 else cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        found = self._detector.detect(np.asarray(small, np.uint8))
        if not len(found.boxes):
            raise UsageError("no face is found in the picture")
        sizes = (found.boxes[:, 2:] - found.boxes[:, :2]) / scale
        middle = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2 / (small.shape[1], small.shape[0]) - 0.5
        best = int((sizes.prod(1) / (1 + ASIDE * (middle**2).sum(1))).argmax())
        try:
            chip = align(rgb, found.landmarks[best] / scale)
        except MalformedRecord as error:
            raise UsageError("the face in the picture has no landmarks that can be read") from error
        box = tuple((found.boxes[best] / scale).tolist())
        return Probe(self._embedder.embed(chip[None])[0], float(sizes[best, 0]), len(sizes) - 1, box)


def best_views(
    mapping: TrackMapping, faces: Sequence[TrackMapping], opened: Sequence[OpenPiece],
    video: VideoFormat | None = None, landmarks: Landmarks = lambda rgb, box: None,
) -> tuple[View, ...]:
    """The few best views of a track in a chunk, best first; `faces`: all faces of the chunk.

    `landmarks` looks for a face in a box of a picture; where it finds none, the worker's are taken.

    From pieces that this track claims, alone or with others: frames in which another face reaches into its box are
    left out.
    """
    own = [(piece, planes) for piece, planes in opened if mapping.track in piece.tracks]
    others = [region for other in faces if other.track != mapping.track for region in other.regions]
    free = [r for r in promising(mapping) if not any(reaches_into(other, r) for other in others)]
    seen = (_view(mapping.track, region, own, video, landmarks) for region in free[:LOOKS])
    views = [view for view in seen if view is not None]
    return tuple(sorted(views, key=lambda view: (-view.quality, view.frame_no))[:VIEWS])


def promising(mapping: TrackMapping) -> list[MappedRegion]:
    """Regions with landmarks, wide enough to be indexed, best first by size and score."""
    usable = [
        r for r in mapping.regions
        if len(r.landmarks) == 10 and len(r.box) == 4 and width_of(r) >= MIN_WIDTH and np.isfinite(r.box).all()
    ]
    return sorted(usable, key=lambda r: (-min(width_of(r), LARGE) * r.score, r.frame_no))


def width_of(region: MappedRegion) -> float:
    """Width of a region's box in pixels."""
    return region.box[2] - region.box[0]


def _view(
    track: int, region: MappedRegion, opened: Sequence[OpenPiece], video: VideoFormat | None, landmarks: Landmarks
) -> View | None:
    seen = cropped(region, opened, video, MARGIN)
    if seen is None:
        return None
    corner = np.array([seen.left, seen.top], np.float64)
    own = landmarks(seen.rgb, (np.reshape(region.box, (2, 2)) - corner).ravel().tolist())
    points = np.array(region.landmarks, np.float64).reshape(5, 2) if own is None else own + corner
    try:
        chip = align(seen.rgb, points - corner)
    except MalformedRecord:
        return None
    worth = quality(region.box, points, region.score, _luma(seen.picture, region, seen.video)) * seen.covered
    return View(track, region.frame_no, worth, chip)


def _luma(picture: Planes, region: MappedRegion, video: VideoFormat) -> Plane:
    """Luma of a region's box inside the picture, in limited range."""
    x1, y1, x2, y2 = (max(0, round(value)) for value in region.box)
    luma = picture.y[y1:y2, x1:x2]
    return np.asarray(16 + luma * (219 / 255), np.uint8) if video.full_range else luma

