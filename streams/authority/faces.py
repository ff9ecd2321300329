"""Faces out of evidence: blank pictures with the sealed pieces in their places, best views of tracks, their vectors.

Pixels live in memory only. A view is used only where the track's pieces cover the face and no other face reaches into
it: blocks that two tracks claim may show somebody else.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import cv2
import numpy as np
import numpy.typing as npt

from operators import pixels
from operators.detect import FaceDetector
from operators.detect.picture import crop_rgb
from operators.embed import CHIP, FaceEmbedder, align
from operators.pieces import block_mask, canvases
from operators.quality import quality
from schemas.errors import IntegrityError, MalformedRecord, PoisonError, UsageError
from schemas.frames import BLOCK, Plane, Planes, VideoFormat
from schemas.records import MappedRegion, Piece, TrackMapping
from schemas.regions import Array

MIN_WIDTH = 30.0
"""Box width in pixels from which a face is indexed: below, less than about 85 % are found at rank 1 (LFW)."""
LARGE = 200.0
"""Width from which a larger face gains nothing: the chip has 150 pixels."""
MIN_COVERED = 0.9
MAX_SHARED = 0.1
"""Share of a face's box that another face may cover: more may be somebody else's features."""
LOOKS, VIEWS = 6, 3
"""How many promising frames of a chunk are looked at, and how many of them are averaged."""
MARGIN = 0.6
MAX_PROBE_SIDE = 4096
ASIDE = 8.0
"""How little a face counts at the side of a picture: in a corner of it 1/5 of its area."""

Rgb = npt.NDArray[np.uint8]
OpenPiece = tuple[Piece, Sequence[Planes]]
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One look at a face: quality 0..1, and the chip that is embedded."""

    track: int
    frame_no: int
    quality: float
    chip: Rgb = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """The face of a picture that is searched: its unit vector, and how many other faces the picture shows."""

    embedding: Array = field(repr=False)
    width: float
    others: int


class Faces:
    """Reads faces: detector for pictures that are searched, embedder for all."""

    def __init__(self, detector: FaceDetector, embedder: FaceEmbedder) -> None:
        self._detector, self._embedder = detector, embedder

    def embed(self, views: Sequence[View]) -> Array:
        """Unit vectors (n, 128)."""
        chips = np.stack([view.chip for view in views]) if views else np.empty((0, CHIP, CHIP, 3), np.uint8)
        return self._embedder.embed(chips)

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
        return Probe(self._embedder.embed(chip[None])[0], float(sizes[best, 0]), len(sizes) - 1)


def blank_frame(
    opened: Sequence[OpenPiece], frame_no: int, video: VideoFormat | None = None
) -> tuple[Planes, pixels.Mask, VideoFormat] | None:
    """A blank picture with the blocks of these pieces in their places, which blocks those are, and its format.

    Without `video` the picture ends with the last block and is read as limited range. None where no piece has this
    frame, or one reaches over the picture's edge.
    """
    placed = [
        (piece, place, planes[at])
        for piece, planes in opened
        for at, place in enumerate(piece.frames) if place.frame_no == frame_no
    ]
    if not placed:
        return None
    if video is None:
        rows = max(place.row + piece.height // BLOCK for piece, place, _ in placed)
        columns = max(place.column + piece.width // BLOCK for piece, place, _ in placed)
        video = VideoFormat(columns * BLOCK, rows * BLOCK, Fraction(1, 25))
    picture = pixels.blank(video.width, video.height, 0 if video.full_range else 16)
    shown = pixels.no_blocks(video)
    for piece, place, canvas in placed:
        own = block_mask(place, piece)
        rect = pixels.BlockRect(place.row, place.column, place.row + own.shape[0], place.column + own.shape[1])
        if rect.bottom > shown.shape[0] or rect.right > shown.shape[1]:
            return None
        mask = pixels.no_blocks(video)
        mask[rect.top : rect.bottom, rect.left : rect.right] = own
        height, width = video.height - rect.top * BLOCK, video.width - rect.left * BLOCK
        inside = Planes(
            canvas.y[:height, :width], canvas.u[: height // 2, : width // 2], canvas.v[: height // 2, : width // 2]
        )
        pixels.paste_rect(picture, inside, rect, mask)
        shown |= mask
    return picture, shown, video


def open_all(pieces: Iterable[Piece]) -> list[OpenPiece]:
    """Pieces with their canvases; one that doesn't hold is left out."""
    opened: list[OpenPiece] = []
    for piece in pieces:
        try:
            opened.append((piece, canvases(piece)))
        except (PoisonError, IntegrityError) as error:
            log.warning("a piece of tracks %s can't be indexed: %s", list(piece.tracks), type(error).__name__)
    return opened


def best_views(
    mapping: TrackMapping, faces: Sequence[TrackMapping], opened: Sequence[OpenPiece], video: VideoFormat | None = None
) -> tuple[View, ...]:
    """The few best views of a track in a chunk, best first; `faces`: all faces of the chunk.

    From pieces that this track claims, alone or with others: frames in which another face reaches into its box are
    left out.
    """
    own = [(piece, planes) for piece, planes in opened if mapping.track in piece.tracks]
    others = [region for other in faces if other.track != mapping.track for region in other.regions]
    free = [r for r in promising(mapping) if not any(_reaches_into(other, r) for other in others)]
    views = [view for region in free[:LOOKS] if (view := _view(mapping.track, region, own, video)) is not None]
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
    track: int, region: MappedRegion, opened: Sequence[OpenPiece], video: VideoFormat | None
) -> View | None:
    built = blank_frame(opened, region.frame_no, video)
    if built is None:
        return None
    picture, shown, video = built
    wanted = pixels.blocks_of(region.box, 0.0, video)
    covered = float(shown[wanted].mean()) if wanted.any() else 0.0
    if covered < MIN_COVERED:
        return None
    x1, y1, x2, y2 = region.box
    rgb, left, top = crop_rgb(picture, video, (x1, y1, x2, y2), MARGIN)
    points = np.array(region.landmarks, np.float64).reshape(5, 2)
    try:
        chip = align(rgb, points - (left, top))
    except MalformedRecord:
        return None
    worth = quality(region.box, points, region.score, _luma(picture, region, video)) * covered
    return View(track, region.frame_no, worth, chip)


def _reaches_into(other: MappedRegion, region: MappedRegion) -> bool:
    if other.frame_no != region.frame_no or len(other.box) != 4:
        return False
    (a1, b1, a2, b2), (x1, y1, x2, y2) = other.box, region.box
    width, height = min(a2, x2) - max(a1, x1), min(b2, y2) - max(b1, y1)
    return width > 0 and height > 0 and width * height > MAX_SHARED * (x2 - x1) * (y2 - y1)


def _luma(picture: Planes, region: MappedRegion, video: VideoFormat) -> Plane:
    """Luma of a region's box inside the picture, in limited range."""
    x1, y1, x2, y2 = (max(0, round(value)) for value in region.box)
    luma = picture.y[y1:y2, x1:x2]
    return np.asarray(16 + luma * (219 / 255), np.uint8) if video.full_range else luma

