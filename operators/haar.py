"""Invertible scaling: the integer Haar transform, exact in both directions, one halving a stage.

Each stage replaces pairs (a, b), along columns and then along rows, by their mean rounded down, l = (a + b) >> 1, and
their difference h = a - b (the S transform; Calderbank, Daubechies, Sweldens, Yeo, "Wavelet transforms that map
integers to integers", 1998). l is a sample again, 0 to 255; a = l + ((h + 1) >> 1) and b = a - h are exact.

Methods show the low band alone (`low_band`); the exact samples, in which the high bands lie, are sealed. `split` and
`join` are the whole transform.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from schemas.errors import MalformedRecord
from schemas.frames import Plane

Band = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True, eq=False)
class Bands:
    """The high bands of one stage, int16: `columns` (h, w/2); `rows` (h/2, w/2), of the low half of the columns."""

    columns: Band = field(repr=False)
    rows: Band = field(repr=False)


def split(plane: Plane, stages: int) -> tuple[Plane, tuple[Bands, ...]]:
    """The low band, each side 2^stages times smaller, and the high bands of each stage, the finest first.

    Raises:
        MalformedRecord: a side isn't a multiple of 2^stages.

    """
    height, width = plane.shape
    if stages < 0 or height % 2**stages or width % 2**stages:
        raise MalformedRecord(f"{width}x{height} can't be halved {stages} times")
    low, bands = plane.astype(np.int16), list[Bands]()
    for _ in range(stages):
        low, columns = _halved(low[:, ::2], low[:, 1::2])
        low, rows = _halved(low[::2], low[1::2])
        bands.append(Bands(columns, rows))
    return low.astype(np.uint8), tuple(bands)


def join(low: Plane, bands: Sequence[Bands]) -> Plane:
    """The plane that `split` took apart.

    Raises:
        MalformedRecord: bands of another size, or of another low band.

    """
    values = low.astype(np.int16)
    for stage in reversed(bands):
        values = _paired(values, stage.rows, 0)
        values = _paired(values, stage.columns, 1)
    if values.size and (values.min() < 0 or values.max() > 255):
        raise MalformedRecord("these high bands belong to another picture")
    return values.astype(np.uint8)


def low_band(plane: Plane, stages: int) -> Plane:
    """The low band alone; sides that don't halve are filled up with their last samples."""
    step = 2**stages
    height, width = plane.shape
    padded = np.pad(plane, ((0, -height % step), (0, -width % step)), mode="edge")
    low = padded.astype(np.int16)
    for _ in range(stages):
        low = (low[:, ::2] + low[:, 1::2]) >> 1
        low = (low[::2] + low[1::2]) >> 1
    return low.astype(np.uint8)


def _halved(a: Band, b: Band) -> tuple[Band, Band]:
    return (a + b) >> 1, a - b


def _paired(low: Band, high: Band, axis: int) -> Band:
    if low.shape != high.shape:
        raise MalformedRecord(f"a high band of {high.shape} for a low one of {low.shape}")
    a = low + ((high + 1) >> 1)
    return np.stack([a, a - high], axis + 1).reshape(*(side * (1 + (i == axis)) for i, side in enumerate(low.shape)))
