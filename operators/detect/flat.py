"""Outputs that are lists: one tensor a stride and quantity, one row a cell (and anchor), cells row by row.

YuNet and SCRFD are read this way. A tensor is recognised by its shape, (rows, channels) or (1, rows, channels): rows
tell the stride, channels the quantity, so exports that name or order their outputs in another way are read alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from schemas.errors import ConfigError
from schemas.regions import Array

STRIDES = (8, 16, 32)


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """One stride: x and y of every row's cell (n, 2), counted in cells, and the tensors (n, channels) by channels."""

    stride: int
    cells: Array
    tensors: Mapping[int, tuple[Array, ...]]


def levels(
    name: str, outputs: Sequence[Array], height: int, width: int, wanted: Mapping[int, int], anchors: int = 1
) -> list[Level]:
    """The outputs by stride; `wanted`: channels to how many tensors of them a stride has.

    Raises:
        ConfigError: a tensor too many or too few, or of another shape.

    """
    flat = [output[0] if output.ndim == 3 and len(output) == 1 else output for output in outputs]
    found, taken = [], 0
    for stride in STRIDES:
        rows, columns = height // stride, width // stride
        count = rows * columns * anchors
        tensors = {c: tuple(one for one in flat if one.shape == (count, c)) for c in wanted}
        if {c: len(some) for c, some in tensors.items()} == dict(wanted):
            taken += sum(wanted.values())
        y, x = np.divmod(np.arange(rows * columns), max(1, columns))
        cells = np.repeat(np.stack([x, y], 1), anchors, 0).astype(np.float32)
        found.append(Level(stride, cells, tensors))
    if taken != len(flat) or taken != len(STRIDES) * sum(wanted.values()):
        shapes = [tuple(output.shape) for output in outputs]
        raise ConfigError(f"{name}: outputs of shapes {shapes} for an input of {width}x{height}")
    return found
