"""Cut a chunk's hidden samples into pieces, and open pieces again.

A piece holds the blocks that one set of tracks claims (`claims`), or where one reader gets all of them those of
neighbours (`neighbours`), through the frames of a chunk, as a small H.264 video: one canvas size, each picture with the
place of its canvas. Blocks of the canvas that others claim are grey, so
no piece shows what isn't its own; each painted block of a frame is in exactly one piece. The piece of a chunk that is
masked whole is the camera's own H.264 where it can be: nothing is lost, and nothing has to be coded. So is that of a
late camera's crowd: then all who are hidden are one set, and beside them the canvas shows what everybody may see.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial

import numpy as np
import numpy.typing as npt

from operators import annexb, pixels
from operators.claims import Sets, Sharing, claimed_sets, kinds_of, track_kinds
from operators.cohere import WHOLE, Layout
from operators.desensitise.paint import masks
from operators.neighbours import neighbours
from operators.piece_video import FINE, Coder, Settings, decode_piece
from operators.pixels import BlockRect, Mask
from schemas.errors import DigestMismatch, MalformedRecord
from schemas.frames import (
    BLOCK,
    CodedUnit,
    DecodedChunk,
    FrameChunk,
    Planes,
    VideoFormat,
)
from schemas.records import Piece, PieceFrame, PieceUnit, Quality

MAX_PIECE_SIDE = 8192
CROWD_SHARE = 0.2
"""From so much of the pictures on, all that is hidden of a late camera is sealed as the camera's own coded pictures."""


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """The samples of one piece: canvases, the blocks of each that are its own, and where they lie.

    `pictures` gives the canvases; `units`: as the camera has coded them, where they are its whole pictures.
    """

    tracks: tuple[int, ...]
    kinds: tuple[str, ...]
    format: VideoFormat
    pictures: Callable[[], list[Planes]] = field(repr=False)
    masks: list[Mask] = field(repr=False)
    frames: tuple[PieceFrame, ...]
    units: tuple[PieceUnit, ...] = field(default=(), repr=False)


def cut(
    decoded: DecodedChunk, layout: Layout, quality: Quality, settings: Settings = FINE, sharing: Sharing = "people"
) -> tuple[Piece, ...]:
    """The pieces of a chunk, by their tracks; `sharing` as in `gather`."""
    return code(gather(decoded, layout, sharing), quality, settings)


def gather(decoded: DecodedChunk, layout: Layout, sharing: Sharing = "people") -> list[Gathered]:
    """What the pieces of a chunk hold: in memory of its own, so that the chunk's pictures can be let go.

    In a crowd canvases overlap, and would take more memory than the pictures: then these are kept, and each piece's
    canvases are cut when it is coded.
    `sharing`: anything but `people` gives far fewer pieces in a crowd, but none shows one of them alone. Where much is
    hidden of a crowd, all of it is one piece, which needs no coding.
    """
    if sharing == "crowds" and (crowd := _crowd(decoded, layout)):
        return [crowd]
    kinds = track_kinds(layout)
    gathered = [
        _gathered(decoded, tracks, kinds_of(tracks, kinds), masks)
        for tracks, masks in sorted(_sets(layout, decoded.chunk.format, sharing).items())
    ]
    rows, columns = decoded.chunk.format.blocks
    crowded = sum(map(_area, gathered)) > len(decoded.frames) * rows * columns
    return gathered if crowded else [replace(one, pictures=partial(list, one.pictures())) for one in gathered]


def _sets(layout: Layout, format: VideoFormat, sharing: Sharing) -> Sets:
    return neighbours(layout, format) if sharing == "neighbours" else claimed_sets(layout, format, sharing == "crowds")


def code(gathered: Sequence[Gathered], quality: Quality, settings: Settings = FINE) -> tuple[Piece, ...]:
    """The pieces as small videos."""
    coder, pieces = Coder(quality, settings), []
    for one in gathered:
        pictures = one.pictures()
        if one.units:
            units, digests = one.units, (_digest(pictures, one.masks),) * 2
        else:
            units, sealed = coder.code(pictures, one.masks, one.format)
            digests = _digest(pictures, one.masks), _digest(sealed, one.masks)
        pieces.append(Piece(one.tracks, one.kinds, one.format.width, one.format.height, one.frames, units, *digests))
    return tuple(pieces)


def shares(gathered: Sequence[Gathered], count: int) -> list[list[Gathered]]:
    """As many lists of about the same work, the largest pieces first; the same ones on every machine."""
    by_size = sorted(gathered, key=_area, reverse=True)
    return [by_size[i::count] for i in range(count)]


def _area(one: Gathered) -> int:
    """Blocks of all its canvases."""
    return sum(mask.size for mask in one.masks)


def canvases(piece: Piece) -> list[Planes]:
    """The sealed samples of a piece, one canvas per frame.

    Raises:
        MalformedRecord: sizes or counts that don't fit together.
        UndecodableChunk: the coded pictures don't decode.
        DigestMismatch: the samples aren't those that were sealed.

    """
    pictures = decode_piece(_units(piece), piece.width, piece.height)
    masks = [block_mask(frame, piece) for frame in piece.frames]
    if _digest(pictures, masks) != piece.sealed_digest:
        raise DigestMismatch("a piece decodes to other samples than were sealed")
    return pictures


def some_canvases(piece: Piece, frames: Container[int]) -> tuple[Piece, list[Planes]]:
    """The piece with these frames alone, and their canvases: for who looks, and puts nothing back.

    Whatever isn't needed isn't decoded, so the digest of all samples isn't checked.

    Raises:
        MalformedRecord, UndecodableChunk: as `canvases`.

    """
    units = _units(piece)
    times = sorted(unit.pts for unit in units)
    wanted = {time: frame for time, frame in zip(times, piece.frames, strict=True) if frame.frame_no in frames}
    pictures = decode_piece(units, piece.width, piece.height, wanted) if wanted else []
    return replace(piece, frames=tuple(wanted.values())), pictures


def _units(piece: Piece) -> list[CodedUnit]:
    if not 0 < piece.width <= MAX_PIECE_SIDE or not 0 < piece.height <= MAX_PIECE_SIDE:
        raise MalformedRecord(f"a piece of {piece.width}x{piece.height}")
    if piece.width % BLOCK or piece.height % BLOCK or len(piece.units) != len(piece.frames):
        raise MalformedRecord("a piece is made of whole blocks and one coded picture per frame")
    return [CodedUnit(unit.pts, unit.data) for unit in piece.units]


def block_mask(frame: PieceFrame, piece: Piece) -> Mask:
    """Which blocks of the canvas are the piece's own: bool (rows, columns).

    Raises:
        MalformedRecord: too few bits.

    """
    rows, columns = piece.height // BLOCK, piece.width // BLOCK
    bits = np.unpackbits(np.frombuffer(frame.blocks, np.uint8))
    if bits.size < rows * columns:
        raise MalformedRecord("a piece's block mask is truncated")
    return bits[: rows * columns].reshape(rows, columns).astype(bool)


def _gathered(
    decoded: DecodedChunk, tracks: tuple[int, ...], kinds: tuple[str, ...], claimed: Mapping[int, Mask]
) -> Gathered:
    """A piece of these blocks: by index of the frame, over the picture, none empty."""
    rects = {i: rect for i, mask in sorted(claimed.items()) if (rect := pixels.bounds(mask))}
    rows = max(rect.bottom - rect.top for rect in rects.values())
    columns = max(rect.right - rect.left for rect in rects.values())
    format = _canvas_format(decoded, rows, columns)
    cuts, masks, frames = [], [], []
    for index, rect in rects.items():
        frame, (below, beside) = decoded.frames[index], claimed[index].shape
        top, left = max(0, min(rect.top, below - rows)), max(0, min(rect.left, beside - columns))
        mask = claimed[index][top : top + rows, left : left + columns]
        cuts.append((frame.planes, BlockRect(top, left, top + rows, left + columns), mask))
        masks.append(mask)
        frames.append(PieceFrame(frame.frame_no, top, left, np.packbits(mask).tobytes()))
    whole = len(rects) == len(decoded.frames) and all(mask.all() for mask in masks)
    units = _own_units(decoded.chunk, format) if whole else ()
    return Gathered(tracks, kinds, format, partial(_canvases, cuts), masks, tuple(frames), units)


def _canvas_format(decoded: DecodedChunk, rows: int, columns: int) -> VideoFormat:
    return VideoFormat(columns * BLOCK, rows * BLOCK, Fraction(1, 25), full_range=decoded.chunk.format.full_range)


def _crowd(decoded: DecodedChunk, layout: Layout) -> Gathered | None:
    """All that is hidden as one piece of the camera's own pictures.

    None where the camera has no such, where little is hidden or in some frame nothing, and where what is hidden is of
    several kinds, or a zone's: others may be entitled to it.
    """
    kinds = track_kinds(layout)
    hidden = masks(layout, decoded.chunk.format)
    much = all(mask.any() for mask in hidden) and np.mean(hidden) >= CROWD_SHARE
    if not much or len(set(kinds.values())) > 1 or WHOLE in kinds:
        return None
    format = _canvas_format(decoded, *decoded.chunk.format.blocks)
    if not (units := _own_units(decoded.chunk, format)):
        return None
    frames = tuple(PieceFrame(frame.frame_no, 0, 0, np.packbits(mask).tobytes())
                   for frame, mask in zip(decoded.frames, hidden, strict=True))
    pictures = [pixels.whole_blocks(frame.planes, format) for frame in decoded.frames]
    tracks, kind = tuple(sorted(kinds)), next(iter(kinds.values()))
    return Gathered(tracks, (kind,), format, partial(list, pictures), hidden, frames, units)


def _canvases(cuts: Sequence[tuple[Planes, BlockRect, Mask]]) -> list[Planes]:
    return [_canvas(*cut) for cut in cuts]


def _own_units(chunk: FrameChunk, canvas: VideoFormat) -> tuple[PieceUnit, ...]:
    """The camera's own coded pictures, where they decode to such canvases but for the rest of a block; else none."""
    if canvas.blocks != chunk.format.blocks or not annexb.passable(chunk):
        return ()
    index = {pts: i for i, pts in enumerate(chunk.pts)}
    return tuple(PieceUnit(index[unit.pts], annexb.strip(unit.data)) for unit in chunk.units)


def _canvas(planes: Planes, rect: BlockRect, mask: Mask) -> Planes:
    """A crop of whole blocks, grey where unclaimed."""
    if planes.y.shape == (mask.shape[0] * BLOCK, mask.shape[1] * BLOCK) and mask.all():
        return planes
    cropped = pixels.crop_blocks(planes, rect)
    if not mask.all():
        for size, plane in zip((BLOCK, BLOCK // 2, BLOCK // 2), cropped.all(), strict=True):
            plane[~mask.repeat(size, 0).repeat(size, 1)] = 128
    return cropped


def _digest(pictures: Sequence[Planes], masks: Sequence[Mask]) -> bytes:
    """SHA-256 of the claimed samples: frame by frame, plane by plane, row by row."""
    state = hashlib.sha256()
    for picture, mask in zip(pictures, masks, strict=True):
        for size, plane in zip((BLOCK, BLOCK // 2, BLOCK // 2), picture.all(), strict=True):
            state.update(_samples(plane, mask, size))
    return state.digest()


def _samples(plane: npt.NDArray[np.uint8], mask: Mask, size: int) -> memoryview:
    """Those of the blocks in the mask, row by row; a row of a block at a time is far faster than one by one."""
    chosen = plane if mask.all() else plane.view(f"V{size}")[mask.repeat(size, 0)]
    return np.ascontiguousarray(chosen).data
