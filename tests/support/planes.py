"""Comparing pictures sample by sample."""

from __future__ import annotations

import numpy as np

from operators.pixels import Mask, no_blocks
from schemas.frames import BLOCK, Planes, VideoFormat


def equal(a: Planes, b: Planes) -> bool:
    """Every sample is the same."""
    return all(np.array_equal(one, two) for one, two in zip(a.all(), b.all(), strict=True))


def changed_blocks(a: Planes, b: Planes, format: VideoFormat) -> Mask:
    """Blocks in which any sample differs."""
    rows, columns = format.blocks
    mask = no_blocks(format)
    for size, one, two in zip((BLOCK, BLOCK // 2, BLOCK // 2), a.all(), b.all(), strict=True):
        padded = np.zeros((rows * size, columns * size), bool)
        padded[: one.shape[0], : one.shape[1]] = one != two
        mask |= padded.reshape(rows, size, columns, size).any((1, 3))
    return mask
