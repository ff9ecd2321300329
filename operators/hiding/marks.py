"""Marks that tell how a copy was scaled and shifted: a fixed pattern of signs beside the bits, the same in every frame.

The pattern stands in three frequencies that carry no bits, `HEIGHT` high: 0.4 of the mean squared error. It is found by
phase correlation (C. Kuglin and D. Hines, 1975) with the mean of the frames: first at scales of 97 to 103 %, then tile
by tile, to a fraction of a sample; the tiles' shifts give an affine map. Larger turns and scales are not looked for.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from operators.hiding.carrier import BLOCK, Flags, Floats, shifted
from schemas.frames import Plane

PLACES = ((1, 2), (2, 1), (2, 2))
HEIGHT = 3.0
TILE, NEAR, ROUNDS = 128, 6, 3
SCALES = np.arange(0.97, 1.0301, 0.0025)
Map = npt.NDArray[np.float64]
IDENTITY = np.array([[1.0, 0, 0], [0, 1.0, 0]])


def mark(luma: Plane) -> Plane:
    """The picture with the pattern."""
    return shifted(luma, _signs(luma.shape) * np.float32(HEIGHT), PLACES)


def locate(frames: Sequence[Plane | Floats]) -> Map:
    """The affine map (2, 3) from the marked pictures' samples x, y to those of these copies, all of one size."""
    mean = np.asarray(sum(frame.astype(np.float32) for frame in frames) / len(frames), np.float32)
    pattern = _pattern(mean.shape)
    found = _coarse(mean, pattern)
    for _ in range(ROUNDS):
        found = _finer(mean, pattern, found)
    return found


def straightened(plane: Plane | Floats, found: Map, part: int = 1) -> Floats:
    """A plane as it was before it was scaled and shifted; `part` 2: of chroma, half as wide."""
    height, width = plane.shape
    matrix = found.copy()
    # A chroma sample lies between two luma rows and columns.
    matrix[:, 2] = (found[:, 2] + (part - 1) / 2 * (found[:, :2].sum(1) - 1)) / part
    warped = cv2.warpAffine(plane.astype(np.float32), matrix, (width, height),
                            flags=cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, np.float32)


def inside(shape: tuple[int, ...], found: Map) -> Flags:
    """Blocks (rows, columns) of the marked picture that the copy shows whole."""
    rows, columns = shape[0] // BLOCK, shape[1] // BLOCK
    out = np.ones((rows, columns), bool)
    for dy in (-1, BLOCK):
        for dx in (-1, BLOCK):
            y, x = np.mgrid[0:rows, 0:columns] * BLOCK
            at = np.einsum("ij,jrc->irc", found, np.stack([x + dx, y + dy, np.ones_like(x)]).astype(np.float64))
            out &= (at[0] > -2) & (at[1] > -2) & (at[0] < shape[1] + 1) & (at[1] < shape[0] + 1)
    return out


def is_moved(found: Map, shape: tuple[int, ...]) -> bool:
    """Any corner lies more than a tenth of a sample from where it was."""
    corners = np.array([[0, 0, 1], [shape[1], 0, 1], [0, shape[0], 1], [shape[1], shape[0], 1]], np.float64)
    return bool(np.abs(corners @ (found - IDENTITY).T).max() > 0.1)


def _signs(shape: tuple[int, ...]) -> Floats:
    size = shape[0] // BLOCK, shape[1] // BLOCK, len(PLACES)
    return np.asarray(np.random.default_rng((6, *size)).choice([-1.0, 1.0], size), np.float32)


def _pattern(shape: tuple[int, ...]) -> Floats:
    grey = shifted(np.full(shape, 128, np.uint8), _signs(shape) * np.float32(40), PLACES)
    return grey.astype(np.float32) - 128


def _coarse(mean: Floats, pattern: Floats) -> Map:
    """Scale about the middle, and whole samples of shift."""
    height, width = mean.shape
    spectrum = _white(mean)
    best, found = -1.0, IDENTITY
    for scale in SCALES:
        matrix = np.array([[scale, 0, (1 - scale) * (width - 1) / 2], [0, scale, (1 - scale) * (height - 1) / 2]])
        scaled = cv2.warpAffine(pattern, matrix, (width, height), flags=cv2.INTER_LINEAR)
        peak, (dx, dy) = _peak(spectrum, np.fft.rfft2(scaled), mean.shape, max(height, width) // 16)
        if peak > best:
            best, found = peak, matrix + np.array([[0, 0, dx], [0, 0, dy]])
    return found


def _finer(mean: Floats, pattern: Floats, found: Map) -> Map:
    """The map after each tile's shift is taken in, by least squares; tiles without a clear one don't count.

    Pictures too small for a tile keep the map.
    """
    flat = straightened(mean, found)
    at, moved, weights = [], [], []
    for top in range(0, mean.shape[0] - TILE // 2, TILE // 2):
        for left in range(0, mean.shape[1] - TILE // 2, TILE // 2):
            part = np.s_[top : top + TILE, left : left + TILE]
            peak, shift = _peak(_white(flat[part]), np.fft.rfft2(pattern[part]), flat[part].shape, NEAR)
            height, width = flat[part].shape
            at.append((left + (width - 1) / 2, top + (height - 1) / 2, 1.0))
            moved.append(shift)
            weights.append(peak)
    if not weights:
        return found
    clear = np.array(weights) >= np.quantile(weights, 0.4)
    points, shifts, weight = np.array(at)[clear], np.array(moved)[clear], np.array(weights)[clear]
    for _ in range(3):
        root = np.sqrt(weight)[:, None]
        solved = np.linalg.lstsq(points * root, shifts * root, rcond=None)[0]
        off = np.linalg.norm(points @ solved - shifts, axis=1)
        weight = np.array(weights)[clear] / (1 + (off / 0.3) ** 2)
    inner = np.vstack([IDENTITY + solved.T, [0, 0, 1]])
    return np.asarray(np.vstack([found, [0, 0, 1]]) @ inner)[:2]


def _white(picture: Floats) -> npt.NDArray[np.complex128]:
    window = np.outer(np.hanning(picture.shape[0] + 2)[1:-1], np.hanning(picture.shape[1] + 2)[1:-1]) ** 0.25
    spectrum = np.fft.rfft2((picture - cv2.GaussianBlur(picture, (0, 0), 4)) * window)
    return np.asarray(spectrum / np.maximum(np.abs(spectrum), 1e-9))


def _peak(
    spectrum: npt.NDArray[np.complex128], of: npt.NDArray[np.complex128], shape: tuple[int, ...], near: int
) -> tuple[float, tuple[float, float]]:
    """The highest correlation at most `near` samples away, and its shift x, y to a fraction of a sample."""
    height, width = shape
    plane = np.fft.irfft2(spectrum * np.conj(of) / max(float(np.abs(of).mean()), 1e-9), s=(height, width))
    rows, columns = np.arange(-near, near + 1), np.arange(-near, near + 1)
    part = plane[np.ix_(rows % height, columns % width)]
    row, column = (at + 1 for at in divmod(int(part[1:-1, 1:-1].argmax()), 2 * near - 1))
    dy = rows[row] + _between(part[row - 1, column], part[row, column], part[row + 1, column])
    dx = columns[column] + _between(part[row, column - 1], part[row, column], part[row, column + 1])
    return float(part[row, column]), (float(dx), float(dy))


def _between(before: float, top: float, after: float) -> float:
    """Where a parabola through three neighbours is highest."""
    bend = before - 2 * top + after
    return 0.0 if bend >= 0 else float(np.clip((before - after) / (2 * bend), -0.5, 0.5))
