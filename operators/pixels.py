"""Blocks and YUV 4:2:0 planes: masks of 16x16 blocks, views, crops, pastes, differences.

A block mask is bool (block rows, block columns) of `VideoFormat.blocks`; a rectangle of blocks is half open. The last
row and column of blocks may reach over the picture's edge; crops then end at the edge.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from schemas.errors import MalformedRecord
from schemas.frames import BLOCK, Planes, VideoFormat

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class BlockRect:
    """Rows [top, bottom) and columns [left, right), in blocks."""

    top: int
    left: int
    bottom: int
    right: int


def meet(a: BlockRect, b: BlockRect) -> bool:
    """Whether two rectangles share a block."""
    return a.top < b.bottom and b.top < a.bottom and a.left < b.right and b.left < a.right


def no_blocks(format: VideoFormat) -> Mask:
    """A mask with nothing set."""
    return np.zeros(format.blocks, bool)


def all_blocks(format: VideoFormat) -> Mask:
    """A mask of the whole picture."""
    return np.ones(format.blocks, bool)


def rects_mask(rects: Iterable[BlockRect], format: VideoFormat) -> Mask:
    """A mask of all blocks in any of these rectangles."""
    mask = no_blocks(format)
    for rect in rects:
        mask[rect.top : rect.bottom, rect.left : rect.right] = True
    return mask


def padded(box: tuple[float, float, float, float], share: float) -> tuple[float, float, float, float]:
    """A box (xyxy) widened on every side by a share of that side, at least of the geometric mean of both.

    So a long flat box, a plate's, gets more above and below: it is off by pixels, not by shares of its small height.
    """
    x1, y1, x2, y2 = box
    width, height = x2 - x1, y2 - y1
    mean = math.sqrt(max(width * height, 0.0))
    dx, dy = share * max(width, mean), share * max(height, mean)
    return x1 - dx, y1 - dy, x2 + dx, y2 + dy


def touch(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    """Whether two boxes (xyxy) share any area."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def blocks_of(box: npt.ArrayLike, pad: float, format: VideoFormat) -> Mask:
    """Blocks that a box (xyxy in pixels) touches once widened as `padded` does.

    A box that lies outside gives none; one that isn't finite or has no area gives all (unsure means masked).
    """
    x1, y1, x2, y2 = (float(value) for value in np.asarray(box, np.float64).reshape(4))
    if not all(map(math.isfinite, (x1, y1, x2, y2, pad))) or x2 <= x1 or y2 <= y1:
        return all_blocks(format)
    x1, y1, x2, y2 = padded((x1, y1, x2, y2), pad)
    mask = no_blocks(format)
    top, bottom = max(0, math.floor(y1 / BLOCK)), max(0, math.ceil(y2 / BLOCK))
    left, right = max(0, math.floor(x1 / BLOCK)), max(0, math.ceil(x2 / BLOCK))
    mask[top:bottom, left:right] = True
    return mask


def bounds(mask: Mask) -> BlockRect | None:
    """Smallest rectangle that holds all set blocks; None when none is set."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        return None
    return BlockRect(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)


def view(planes: Planes, rect: BlockRect) -> Planes:
    """The rectangle as views of the planes, cut at the picture's edge."""
    half = BLOCK // 2
    luma = np.s_[rect.top * BLOCK : rect.bottom * BLOCK, rect.left * BLOCK : rect.right * BLOCK]
    chroma = np.s_[rect.top * half : rect.bottom * half, rect.left * half : rect.right * half]
    return Planes(planes.y[luma], planes.u[chroma], planes.v[chroma])


def crop_blocks(planes: Planes, rect: BlockRect) -> Planes:
    """The rectangle as a copy of whole blocks: past the picture's edge its last samples are repeated."""
    filled = []
    for size, plane in zip(_SIZES, view(planes, rect).all(), strict=True):
        height, width = (rect.bottom - rect.top) * size, (rect.right - rect.left) * size
        below, beside = height - plane.shape[0], width - plane.shape[1]
        filled.append(np.pad(plane, ((0, below), (0, beside)), mode="edge") if below or beside else plane.copy())
    return Planes(*filled)


def whole_blocks(planes: Planes, canvas: VideoFormat) -> Planes:
    """A picture that fills a canvas of its blocks: itself, or a copy with its last samples repeated."""
    filled = planes.y.shape == (canvas.height, canvas.width)
    return planes if filled else crop_blocks(planes, BlockRect(0, 0, *canvas.blocks))


def copy(planes: Planes, into: Planes | None = None) -> Planes:
    """Writable, contiguous copy; `into`: of the same size, written over."""
    if into is None:
        return Planes(planes.y.copy(), planes.u.copy(), planes.v.copy())
    for to, of in zip(into.all(), planes.all(), strict=True):
        np.copyto(to, of)
    return Planes(into.y.view(), into.u.view(), into.v.view())


def freeze(planes: Planes) -> Planes:
    """The same planes, set read-only."""
    for plane in planes.all():
        plane.flags.writeable = False
    return planes


def blank(width: int, height: int, y: int = 16, u: int = 128, v: int = 128) -> Planes:
    """A picture of one colour; the default is black in limited range. Sides are even."""
    if width % 2 or height % 2 or width <= 0 or height <= 0:
        raise MalformedRecord(f"no 4:2:0 picture of {width}x{height}")
    half = (height // 2, width // 2)
    return Planes(np.full((height, width), y, np.uint8), np.full(half, u, np.uint8), np.full(half, v, np.uint8))


def _expand(mask: Mask, size: int, shape: tuple[int, ...]) -> Mask:
    expanded = np.repeat(np.repeat(mask, size, 0), size, 1)
    if expanded.shape[0] < shape[0] or expanded.shape[1] < shape[1]:
        raise MalformedRecord(f"a mask of {mask.shape} blocks doesn't cover {shape}")
    return expanded[: shape[0], : shape[1]]


def sample_masks(mask: Mask, format: VideoFormat) -> tuple[Mask, Mask]:
    """The mask for luma (h, w) and for each chroma plane (h/2, w/2) samples."""
    luma, chroma = (format.height, format.width), (format.height // 2, format.width // 2)
    return _expand(mask, BLOCK, luma), _expand(mask, BLOCK // 2, chroma)


def paste(target: Planes, source: Planes, mask: Mask) -> None:
    """Copy the set blocks of `source` into `target` (same size, writable); no other sample changes."""
    rect = bounds(mask)
    if rect is None:
        return
    inner = mask[rect.top : rect.bottom, rect.left : rect.right]
    for size, to, of in zip(_SIZES, view(target, rect).all(), view(source, rect).all(), strict=True):
        np.copyto(to, of, where=_expand(inner, size, to.shape))


def paste_rect(target: Planes, patch: Planes, rect: BlockRect, mask: Mask | None = None) -> None:
    """Put a crop of `rect` back into `target`; with `mask` (of the whole picture) only its set blocks."""
    if mask is not None:
        mask = mask[rect.top : rect.bottom, rect.left : rect.right]
    for size, to, of in zip(_SIZES, view(target, rect).all(), patch.all(), strict=True):
        if to.shape != of.shape:
            raise MalformedRecord(f"a patch of {of.shape} for a place of {to.shape}")
        np.copyto(to, of, where=True if mask is None else _expand(mask, size, to.shape))


def squared_error(a: Planes, b: Planes, masks: tuple[Mask, Mask] | None = None) -> tuple[int, int]:
    """Sum of squared differences and number of samples over all planes; `masks` as of `sample_masks`."""
    total = count = 0
    for index, (one, two) in enumerate(zip(a.all(), b.all(), strict=True)):
        where = None if masks is None else masks[min(index, 1)]
        chosen = None if where is None or where.all() else where.view(np.uint8)
        total += round(cv2.norm(one, two, cv2.NORM_L2SQR, chosen))  # OpenCV squares its root: off by 1e-8
        count += one.size if chosen is None else int(np.count_nonzero(chosen))
    return total, count


def psnr_of(error: int, samples: int) -> float:
    """Peak signal-to-noise ratio in dB of a sum of squared errors; infinite when nothing differs."""
    if samples <= 0:
        raise MalformedRecord("no samples to compare")
    return math.inf if error == 0 else 10 * math.log10(255**2 * samples / error)


def psnr(a: Planes, b: Planes, masks: tuple[Mask, Mask] | None = None) -> float:
    """PSNR in dB over all samples of the three planes (or the masked ones)."""
    return psnr_of(*squared_error(a, b, masks))


_SIZES = (BLOCK, BLOCK // 2, BLOCK // 2)
