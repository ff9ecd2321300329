"""Faces out of evidence: blank pictures with the sealed pieces in their places, best views of tracks, their vectors.

Pixels live in memory only. A view is used only where the track's own pieces cover the face: blocks that two tracks
claim may show somebody else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from schemas.errors import MalformedRecord, UsageError
from schemas.frames import BLOCK, Plane, Planes, VideoFormat
from schemas.records import MappedRegion, Piece, TrackMapping
from schemas.regions import Array

MIN_WIDTH = 30.0
"""Box width in pixels from which a face is indexed: below, less than about 85 % are found at rank 1 (LFW)."""
LARGE = 200.0
"""Width from which a larger face gains nothing: the chip has 150 pixels."""
MIN_COVERED = 0.9
VIEWS = 3
MARGIN = 0.6
MAX_PROBE_SIDE = 4096

Rgb = npt.NDArray[np.uint8]


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
        """The largest face of an encoded picture (JPEG, PNG, ...).

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
        best = int(sizes.prod(1).argmax())
        try:
            chip = align(rgb, found.landmarks[best] / scale)
        except MalformedRecord as error:
            raise UsageError("the face in the picture has no landmarks that can be read") from error
        return Probe(self._embedder.embed(chip[None])[0], float(sizes[best, 0]), len(sizes) - 1)


def blank_frame(
    pieces: Sequence[Piece], opened: Mapping[int, Sequence[Planes]], frame_no: int, video: VideoFormat | None = None
) -> tuple[Planes, pixels.Mask, VideoFormat] | None:
    """A blank picture with the blocks of these pieces in their places, which blocks those are, and its format.

    `opened`: canvases by index of the piece. Without `video` the picture ends with the last block and is read as
    limited range. None where no piece has this frame.

    Raises:
        MalformedRecord: a piece reaches over the picture's edge.

    """
    placed = [
        (piece, place, opened[index][at])
        for index, piece in enumerate(pieces)
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
            raise MalformedRecord("a piece reaches over the picture's edge")
        mask = pixels.no_blocks(video)
        mask[rect.top : rect.bottom, rect.left : rect.right] = own
        height, width = video.height - rect.top * BLOCK, video.width - rect.left * BLOCK
        inside = Planes(
            canvas.y[:height, :width], canvas.u[: height // 2, : width // 2], canvas.v[: height // 2, : width // 2]
        )
        pixels.paste_rect(picture, inside, rect, mask)
        shown |= mask
    return picture, shown, video


def best_view(mapping: TrackMapping, pieces: Sequence[Piece], video: VideoFormat | None = None) -> View | None:
    """The best of a track's few most promising views in a chunk, from pieces that only this track claims.

    Raises:
        DigestMismatch, UndecodableChunk, MalformedRecord: a piece that doesn't hold.

    """
    opened = {index: canvases(piece) for index, piece in enumerate(pieces)}
    views = [_view(mapping.track, region, pieces, opened, video) for region in promising(mapping)[:VIEWS]]
    return max((view for view in views if view is not None), key=lambda view: view.quality, default=None)


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
    track: int, region: MappedRegion, pieces: Sequence[Piece], opened: Mapping[int, Sequence[Planes]],
    video: VideoFormat | None,
) -> View | None:
    built = blank_frame(pieces, opened, region.frame_no, video)
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


def _luma(picture: Planes, region: MappedRegion, video: VideoFormat) -> Plane:
    """Luma of a region's box inside the picture, in limited range."""
    x1, y1, x2, y2 = (max(0, round(value)) for value in region.box)
    luma = picture.y[y1:y2, x1:x2]
    return np.asarray(16 + luma * (219 / 255), np.uint8) if video.full_range else luma

