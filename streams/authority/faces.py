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

from infra.models import FACE_EMBEDDER
from operators.detect import FaceDetector
from operators.detect.measure import overlaps
from operators.detect.picture import DETECTION_SIDE, shrunk
from operators.embed import CHIP, CROPS, TIGHT, FaceEmbedder, align, template
from operators.quality import quality
from schemas.errors import MalformedRecord, UsageError
from schemas.frames import Plane, Planes, VideoFormat
from schemas.records import MappedRegion, TrackMapping
from schemas.regions import Array
from streams.authority.blank import MAX_SHARED, OpenPiece, cropped, reaches_into
from streams.authority.picture_size import size_of

MIN_WIDTH = 30.0
"""Box width in pixels from which a face is indexed: below, less than about 85 % are found at rank 1 (LFW)."""
LARGE = 200.0
"""Width from which a larger face gains nothing: the chip has 150 pixels."""
LOOKS, VIEWS = 6, 3
"""How many promising frames of a chunk are looked at, and how many of them are averaged."""
KNOWN_LOOKS, KNOWN_VIEWS = 2, 1
"""The same of somebody who is known from chunks before."""
MARGIN = 0.6
CROWDED = 0.3
"""How much of a face's box another detected face may cover where a chunk shows it no better: eyes, nose and mouth lie
further in."""
CROP_SIDE = 192
"""Longer side at which a view's landmarks are looked for, 87 pixels of them the face: with 96 to 224 as many people are
told apart (LFW), and 320 take 2.4 times as long."""
SAME_FACE = 0.4
NARROW, FLAT, AT_EDGE = 0.6, 1.1, 0.05
"""At the picture's edge (so near, in shares of the longer side) a box less wide than this, in shares of its height, is
cut at the side, a wider one than that above or below: half a face is like nobody, not like its owner."""
MAX_PROBE_SIDE = 4096
ASIDE = 8.0
"""How little a face counts at the side of a picture: in a corner of it 1/5 of its area."""

Rgb = npt.NDArray[np.uint8]
FaceIn = Callable[[Rgb, Sequence[float]], tuple[Array, float] | None]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One look at a face: quality 0..1, the chip that is embedded, and how wide the face is in pixels."""

    track: int
    frame_no: int
    quality: float
    chip: Rgb = field(repr=False)
    width: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """The face of a picture that is searched: its unit vector, and how many other faces the picture shows.

    `box`: where it is in the picture, xyxy in pixels.
    """

    embedding: Array = field(repr=False)
    width: float
    others: int
    box: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A face that a picture shows: box xyxy and landmarks (5, 2) in pixels.

    `weight`: how likely it is meant, its area in pixels, less at the picture's side (`ASIDE`).
    """

    box: tuple[float, ...]
    landmarks: Array = field(repr=False)
    weight: float = 0.0


class Faces:
    """Reads faces: detector and embedder, the same for what is searched and what is indexed."""

    def __init__(self, detector: FaceDetector, embedder: FaceEmbedder, name: str = FACE_EMBEDDER) -> None:
        """`name`: of the embedder; vectors of two embedders never compare."""
        self._detector, self._embedder, self.name = detector, embedder, name

    def embed(self, views: Sequence[View]) -> Array:
        """Unit vectors (n, 128)."""
        chips = np.stack([view.chip for view in views]) if views else np.empty((0, CHIP, CHIP, 3), np.uint8)
        return self._embedder.embed(chips)

    def views(
        self, track: int, regions: Sequence[MappedRegion], opened: Sequence[OpenPiece],
        video: VideoFormat | None = None, known: bool = False,
    ) -> tuple[View, ...]:
        """`best_views`, with landmarks and scores of this detector."""
        return best_views(track, regions, opened, video, self.face_in, known)

    def landmarks(self, rgb: Rgb, box: Sequence[float]) -> Array | None:
        """The five landmarks (5, 2) of the face in a box of a picture; None where none is found there."""
        found = self.face_in(rgb, box)
        return None if found is None else found[0]

    def face_in(self, rgb: Rgb, box: Sequence[float]) -> tuple[Array, float] | None:
        """Landmarks and score of the face in a box of a picture; None where none is found there."""
        small, scale = shrunk(rgb, CROP_SIDE)
        found = self._detector.detect(small)
        over = overlaps(found.boxes / np.float32(scale), np.array([box], np.float32))[:, 0]
        if not len(over) or over.max() < SAME_FACE or not np.isfinite(found.landmarks[over.argmax()]).all():
            return None
        best = int(over.argmax())
        return np.asarray(found.landmarks[best] / scale, np.float32), float(found.scores[best])

    def probe(self, picture: bytes, face: int | None = None) -> Probe:
        """The face of an encoded picture (JPEG or PNG) that is largest and nearest to its middle, or number `face`.

        Raises:
            UsageError: not a picture, or one without such a face that can be read.

        """
        rgb, found = self.found(picture)
        if face is not None and not 1 <= face <= len(found):
            raise UsageError(f"the picture shows {len(found)} faces: number them from 1, left to right")
        chosen = max(found, key=lambda one: one.weight) if face is None else found[face - 1]
        try:
            chips = np.stack([align(rgb, chosen.landmarks, crop) for crop in CROPS])
        except MalformedRecord as error:
            raise UsageError("the face in the picture has no landmarks that can be read") from error
        vector = template(self._embedder.embed(chips))
        return Probe(vector, chosen.box[2] - chosen.box[0], len(found) - 1, chosen.box)

    def found(self, picture: bytes) -> tuple[Rgb, tuple[Seen, ...]]:
        """The decoded picture and its faces, left to right.

        Raises:
            UsageError: not a picture, or one without a face.

        """
        size = size_of(picture)  # before it is decoded: a few bytes can be a picture of gigabytes
        small_enough = size is not None and max(size) <= MAX_PROBE_SIDE
        decoded = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR) if small_enough else None
        if decoded is None or max(decoded.shape[:2]) > MAX_PROBE_SIDE:
            raise UsageError(
                f"not a picture that can be read (JPEG or PNG), or one of more than {MAX_PROBE_SIDE} pixels a side"
            )
        rgb = np.ascontiguousarray(decoded[:, :, ::-1], np.uint8)
        small, scale = shrunk(rgb, DETECTION_SIDE)
        found = self._detector.detect(small)
        if not len(found.boxes):
            raise UsageError("no face is found in the picture")
        areas = (found.boxes[:, 2:] - found.boxes[:, :2]).prod(1) / scale**2
        middle = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2 / (small.shape[1], small.shape[0]) - 0.5
        weights = areas / (1 + ASIDE * (middle**2).sum(1))
        return rgb, tuple(
            Seen(tuple((found.boxes[at] / scale).tolist()), found.landmarks[at] / scale, float(weights[at]))
            for at in np.argsort(found.boxes[:, 0])
        )


def best_views(
    track: int, regions: Sequence[MappedRegion], opened: Sequence[OpenPiece], video: VideoFormat | None = None,
    face_in: FaceIn = lambda rgb, box: None, known: bool = False,
) -> tuple[View, ...]:
    """The few best views of a track in a chunk, best first, out of its `candidates`; of who is `known` one.

    `face_in` looks for a face in a box of a picture: landmarks and score; where it finds none, the worker's are taken.
    From pieces that this track claims, alone or with others.
    """
    own = [(piece, planes) for piece, planes in opened if track in piece.tracks]
    views = [view for region in regions if (view := _view(track, region, own, video, face_in)) is not None]
    return tuple(sorted(views, key=lambda view: (-view.quality, view.frame_no))[: KNOWN_VIEWS if known else VIEWS])


def candidates(
    mapping: TrackMapping, faces: Sequence[TrackMapping], video: VideoFormat | None = None, known: bool = False
) -> list[MappedRegion]:
    """The promising regions of a track in a chunk, best first; `faces`: all faces of the chunk; few of who is `known`.

    Frames in which another detected face reaches into its box are left out, or, if that leaves none, those in which it
    reaches far; a region that is only guessed to be another's shows nobody.
    """
    others = [
        region for other in faces if other.track != mapping.track for region in other.regions
        if region.source == "detected"
    ]
    whole = [r for r in promising(mapping) if video is None or not cut_by_edge(r, video)]
    free = _free(whole, others, MAX_SHARED) or _free(whole, others, CROWDED)
    return free[: KNOWN_LOOKS if known else LOOKS]


def _free(regions: Sequence[MappedRegion], others: Sequence[MappedRegion], most: float) -> list[MappedRegion]:
    """Those into which no other one reaches further than that."""
    return [region for region in regions if not any(reaches_into(other, region, most) for other in others)]


def promising(mapping: TrackMapping) -> list[MappedRegion]:
    """Regions with landmarks, wide enough to be indexed, best first by size and score."""
    usable = [
        r for r in mapping.regions
        if len(r.landmarks) == 10 and len(r.box) == 4 and width_of(r) >= MIN_WIDTH and np.isfinite(r.box).all()
    ]
    return sorted(usable, key=lambda r: (-min(width_of(r), LARGE) * r.score, r.frame_no))


def cut_by_edge(region: MappedRegion, video: VideoFormat) -> bool:
    """The picture's edge takes a good part of a face away."""
    x1, y1, x2, y2 = region.box
    width, height = x2 - x1, y2 - y1
    near = AT_EDGE * max(width, height)
    beside = min(x1, video.width - x2) < near and width < NARROW * height
    return beside or (min(y1, video.height - y2) < near and width > FLAT * height)


def width_of(region: MappedRegion) -> float:
    """Width of a region's box in pixels."""
    return region.box[2] - region.box[0]


def _view(
    track: int, region: MappedRegion, opened: Sequence[OpenPiece], video: VideoFormat | None, face_in: FaceIn
) -> View | None:
    seen = cropped(region, opened, video, MARGIN)
    if seen is None:
        return None
    corner = np.array([seen.left, seen.top], np.float64)
    own = face_in(seen.rgb, (np.reshape(region.box, (2, 2)) - corner).ravel().tolist())
    points = np.array(region.landmarks, np.float64).reshape(5, 2) if own is None else own[0] + corner
    score = region.score if own is None else own[1]
    try:
        chip = align(seen.rgb, points - corner, TIGHT)
    except MalformedRecord:
        return None
    worth = quality(region.box, points, score, _luma(seen.picture, region, seen.video)) * seen.covered
    return View(track, region.frame_no, worth, chip, width_of(region))


def _luma(picture: Planes, region: MappedRegion, video: VideoFormat) -> Plane:
    """Luma of a region's box inside the picture, in limited range."""
    x1, y1, x2, y2 = (max(0, round(value)) for value in region.box)
    luma = picture.y[y1:y2, x1:x2]
    return np.asarray(16 + luma * (219 / 255), np.uint8) if video.full_range else luma

