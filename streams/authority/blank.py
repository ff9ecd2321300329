"""Pictures out of evidence: blank ones with the sealed pieces in their places, and crops of what a track shows.

Pixels live in memory only. A crop is given only where the pieces cover the object; whether another one reaches into
it, `reaches_into` says: blocks that two tracks claim may show somebody else.
"""

from __future__ import annotations

import logging
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from operators import pixels
from operators.detect.picture import crop_rgb
from operators.pieces import block_mask, canvases, some_canvases
from schemas.errors import IntegrityError, PoisonError
from schemas.frames import BLOCK, Planes, VideoFormat
from schemas.records import MappedRegion, Piece
from streams.authority.opening import OpenedPart

MIN_COVERED = 0.9
MAX_SHARED = 0.1
"""Share of an object's box that another one may cover: more may be somebody else's features."""

Rgb = npt.NDArray[np.uint8]
OpenPiece = tuple[Piece, Sequence[Planes]]
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Cropped:
    """An object cut from a blank picture: `left`, `top` of the crop in it; the share of its blocks that is shown."""

    rgb: Rgb = field(repr=False)
    left: int
    top: int
    covered: float
    picture: Planes = field(repr=False)
    video: VideoFormat


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


def open_all(pieces: Iterable[Piece], frames: Container[int] | None = None) -> list[OpenPiece]:
    """Pieces with their canvases, of these frames alone if any are named; one that doesn't hold is left out."""
    opened: list[OpenPiece] = []
    for piece in pieces:
        try:
            opened.append((piece, canvases(piece)) if frames is None else some_canvases(piece, frames))
        except (PoisonError, IntegrityError) as error:
            log.warning("a piece of tracks %s can't be indexed: %s", list(piece.tracks), type(error).__name__)
    return opened


def open_where(parts: Iterable[OpenedPart], chosen: Mapping[int, Sequence[MappedRegion]]) -> list[OpenPiece]:
    """The pieces of tracks, with pictures of the frames of the regions that were chosen of each."""
    wanted = {track for track, regions in chosen.items() if regions}
    frames = {region.frame_no for regions in chosen.values() for region in regions}
    pieces = (part.content for part in parts if isinstance(part.content, Piece))
    return open_all((piece for piece in pieces if wanted & set(piece.tracks)), frames)


def cropped(
    region: MappedRegion, opened: Sequence[OpenPiece], video: VideoFormat | None, margin: float
) -> Cropped | None:
    """A region with `margin` of its size around it; None where the pieces don't cover it."""
    built = blank_frame(opened, region.frame_no, video)
    if built is None:
        return None
    picture, shown, video = built
    wanted = pixels.blocks_of(region.box, 0.0, video)
    covered = float(shown[wanted].mean()) if wanted.any() else 0.0
    if covered < MIN_COVERED:
        return None
    x1, y1, x2, y2 = region.box
    rgb, left, top = crop_rgb(picture, video, (x1, y1, x2, y2), margin)
    return Cropped(rgb, left, top, covered, picture, video)


def reaches_into(other: MappedRegion, region: MappedRegion, most: float = MAX_SHARED) -> bool:
    """More than this share of a region's box is covered by another's, in one frame."""
    if other.frame_no != region.frame_no or len(other.box) != 4:
        return False
    (a1, b1, a2, b2), (x1, y1, x2, y2) = other.box, region.box
    width, height = min(a2, x2) - max(a1, x1), min(b2, y2) - max(b1, y1)
    return width > 0 and height > 0 and width * height > most * (x2 - x1) * (y2 - y1)
