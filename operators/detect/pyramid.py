"""PyramidFace, the face detector trained here (`operators/training/faces`, report in `operators/weights/FACES.md`), and
what detectors of the same make share with it.

Three outputs, one a stride of 8, 16 and 32 pixels, (1, 5 + 2 points, rows, columns): score logit; centre x y in strides
from the cell's centre; log width and height in strides; landmarks x y in strides from the cell's centre. A landmark of
a face is where a sure teacher would put it; for faces seen from behind or very small it means little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from operators.detect.spec import Candidates, Tensor
from schemas.errors import ConfigError
from schemas.regions import Array, ObjectKind

_STRIDES = (8, 16, 32)


@dataclass(frozen=True, slots=True)
class Pyramid:
    """A network of this make, with `points` landmarks: input RGB 0 to 255, sides multiples of 32."""

    name: str
    kind: ObjectKind
    points: int
    multiple: int = 32
    outputs: int = len(_STRIDES)

    def prepare(self, padded: npt.NDArray[np.uint8]) -> Tensor:
        """(1, 3, h, w), values as they are."""
        return padded[None]

    def decode(self, outputs: Sequence[Array], height: int, width: int, threshold: float) -> Candidates:
        """Every cell above the threshold as a box; raises ConfigError on wrong shapes."""
        shapes = [tuple(output.shape) for output in outputs]
        if shapes != [(1, 5 + 2 * self.points, height // stride, width // stride) for stride in _STRIDES]:
            raise ConfigError(f"{self.name}: outputs of shapes {shapes} for an input of {width}x{height}")
        found = [_level(output[0], stride, threshold) for output, stride in zip(outputs, _STRIDES, strict=True)]
        return Candidates(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


@dataclass(frozen=True, slots=True)
class PyramidFace(Pyramid):
    """The face detector shipped in `operators/weights`."""

    name: str = "PyramidFace"
    kind: ObjectKind = "face"
    points: int = 5


def _level(values: Array, stride: int, threshold: float) -> tuple[Array, Array, Array]:
    """Boxes, scores and landmarks of one stride: (channels, rows, columns)."""
    with np.errstate(over="ignore", divide="ignore"):
        rows, columns = np.nonzero(values[0] > np.log(np.float32(threshold) / (1 - np.float32(threshold))))
        cells = values[:, rows, columns].T
        size = np.exp(cells[:, 3:5]) * stride
        scores = 1 / (1 + np.exp(-cells[:, 0]))
    here = (np.stack([columns, rows], 1) + np.float32(0.5)) * stride
    centre = here + cells[:, 1:3] * stride
    landmarks = cells[:, 5:].reshape(len(cells), (len(values) - 5) // 2, 2) * stride + here[:, None]
    return (
        np.concatenate([centre - size / 2, centre + size / 2], 1).astype(np.float32),
        scores.astype(np.float32),
        landmarks.astype(np.float32),
    )
