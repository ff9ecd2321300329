"""Desensitised pictures and opened pieces back to the original.

A range is replaced only where the signed chunk says that it is masked, and where the fetched picture itself looks
desensitised: a bare picture with the right boxes is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from operators import pixels
from operators.desensitise.scale import SCALES
from operators.desensitise.silhouette import GREY, SILHOUETTE
from operators.masks import unpack_masks
from operators.pieces import block_mask, canvases
from operators.pixels import Mask
from schemas.errors import MalformedRecord, NotDesensitised
from schemas.frames import BLOCK, Plane, Planes, VideoFormat
from schemas.records import OperatorChunk, Piece

Values = npt.NDArray[np.float32]
SAME_DETAIL, FEW_BLOCKS = 0.5, 0.3
"""Correlation from which detail is the same; more is asked of few blocks, where chance alone gave 0.58 in one block of
some hundred thousand pieces."""
MIN_GAIN = 0.3
MIN_DETAIL = 4.0
OUTLINED = SILHOUETTE.name
SHRUNK = {scale.name: 2**scale.stages for scale in SCALES[:2]}
"""Methods that leave fine detail: what is beside an outline, and a half or a quarter of the resolution (an eighth is
less than what a 5x5 mean takes away)."""
NEAR, LEAST_GREY = 6, 0.1
"""How far off a codec may bring an outline's grey, and the least of what is masked that it fills (0.15 in some 700
pieces of three clips).
"""
HALVED_DETAIL, HALVED_GAIN = 0.8, 0.6
"""As SAME_DETAIL and MIN_GAIN where half of the resolution is shown: it agrees in part with what is beyond it."""


def restore_frames(
    chunk: OperatorChunk, format: VideoFormat, frames: Sequence[Planes], pieces: Sequence[Piece]
) -> list[Planes]:
    """The pictures of a chunk with the samples of these pieces put back; others stay masked.

    `frames` are the decoded pictures of the operator's fragment, in order.

    Raises:
        NotDesensitised: a block to replace isn't masked by the signed chunk, or the fetched picture shows it bare.
        DigestMismatch, UndecodableChunk, MalformedRecord: a piece that doesn't hold.

    """
    if len(frames) != len(chunk.pts):
        raise MalformedRecord(f"{len(frames)} pictures for a chunk of {len(chunk.pts)}")
    masks, methods = unpack_masks(chunk.masks, len(frames), format), chunk.method.split(",")
    factor = min((SHRUNK[method] for method in methods if method in SHRUNK), default=1)
    restored = [pixels.copy(frame) for frame in frames]
    for piece in pieces:
        for place, canvas in zip(piece.frames, canvases(piece), strict=True):
            index = place.frame_no - chunk.first_frame
            where = f"{chunk.video_id}/{place.frame_no}"
            if not 0 <= index < len(frames):
                raise MalformedRecord(f"{where} isn't in chunk {chunk.chunk_seq}")
            mask, picture = _placed(place.row, place.column, block_mask(place, piece), canvas, format)
            if (mask & ~masks[index]).any():
                raise NotDesensitised(f"{where}: a block to replace isn't masked in the signed chunk")
            bare = looks_bare(frames[index].y, picture.y, mask, factor)
            if bare and not (OUTLINED in methods and outlined(frames[index], masks[index], mask)):
                raise NotDesensitised(f"{where}: the fetched picture isn't desensitised there")
            pixels.paste(restored[index], picture, mask)
    return restored


def looks_bare(fetched: Plane, original: Plane, mask: Mask, factor: int = 1) -> bool:
    """The fetched luma shows the original's fine detail in these blocks.

    Compares what a 5x5 mean leaves over: it must agree in shape (correlation) and in strength (gain). A region without
    detail has nothing to show. `factor`: every side of what is shown may be so many times smaller, 2 or 4; what counts
    is beyond that.
    """
    rect = pixels.bounds(mask)
    if rect is None:
        return False
    region = np.s_[rect.top * BLOCK : rect.bottom * BLOCK, rect.left * BLOCK : rect.right * BLOCK]
    blocks = mask[rect.top : rect.bottom, rect.left : rect.right].astype(np.uint8)
    inner = blocks.repeat(BLOCK, 0).repeat(BLOCK, 1)
    shown, true = (np.ascontiguousarray(plane[region], np.float32) for plane in (fetched, original))
    left = (_mean(shown), _mean(true)) if factor == 1 else (_shrunk(true, factor),) * 2
    a, b = shown - left[0], true - left[1]
    # Only samples whose neighbours are all in the mask: what lies beyond it differs anyway.
    core = cv2.erode(np.ascontiguousarray(inner[: a.shape[0], : a.shape[1]]), np.ones((5, 5)), borderValue=0) > 0
    a, b = a[core], b[core]
    energy = float(np.dot(b, b))
    if not b.size or energy / b.size < MIN_DETAIL:
        return False
    shared = float(np.dot(a, b))
    alike = HALVED_DETAIL if factor == 2 else SAME_DETAIL + FEW_BLOCKS / int(mask.sum())
    least = HALVED_GAIN if factor == 2 else MIN_GAIN
    return shared > alike * float(np.sqrt(np.dot(a, a) * energy)) and shared > least * energy


def outlined(fetched: Planes, signed: Mask, mask: Mask) -> bool:
    """An outline's grey fills a part of all that is masked about these blocks; `signed` says what is masked."""
    _, labels = cv2.connectedComponents(signed.astype(np.uint8), connectivity=8)
    about = np.isin(labels, np.unique(labels[mask])).repeat(BLOCK // 2, 0).repeat(BLOCK // 2, 1)
    levels = np.stack([fetched.y[::2, ::2], fetched.u, fetched.v])[:, about[: fetched.u.shape[0], : fetched.u.shape[1]]]
    return float(np.mean((np.abs(levels.astype(np.int16) - GREY) <= NEAR).all(0))) >= LEAST_GREY


def _mean(values: Values) -> Values:
    return np.asarray(cv2.blur(values, (5, 5)), np.float32)


def _shrunk(values: Values, factor: int) -> Values:
    """As a method shows it that makes every side so many times smaller."""
    high, wide = values.shape
    whole = cv2.copyMakeBorder(values, 0, -high % factor, 0, -wide % factor, cv2.BORDER_REPLICATE)
    low = cv2.resize(whole, (whole.shape[1] // factor, whole.shape[0] // factor), interpolation=cv2.INTER_AREA)
    smooth = cv2.resize(low, (whole.shape[1], whole.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(smooth[:high, :wide], np.float32)


def _placed(row: int, column: int, blocks: Mask, canvas: Planes, format: VideoFormat) -> tuple[Mask, Planes]:
    """The piece's blocks as a mask over the picture, and the canvas in a picture of its own."""
    rows, columns = format.blocks
    if row + blocks.shape[0] > rows or column + blocks.shape[1] > columns:
        raise MalformedRecord("a piece reaches over the picture's edge")
    mask = pixels.no_blocks(format)
    mask[row : row + blocks.shape[0], column : column + blocks.shape[1]] = blocks
    picture = pixels.blank(format.width, format.height)
    for size, to, of in zip((BLOCK, BLOCK // 2, BLOCK // 2), picture.all(), canvas.all(), strict=True):
        target = to[row * size : row * size + of.shape[0], column * size : column * size + of.shape[1]]
        target[:] = of[: target.shape[0], : target.shape[1]]
    return mask, picture
