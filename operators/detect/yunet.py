"""YuNet, as the OpenCV Zoo exports it: `face_detection_yunet_2023mar.onnx`.

Layout after OpenCV's own reader, `modules/objdetect/src/face_detect.cpp`: input BGR 0 to 255, sides multiples of 32;
for each of the strides 8, 16 and 32 a class score, an objectness, a box and five landmarks per cell. The score is the
root of both scores' product; a centre and the landmarks count in strides from the cell's upper left corner, width and
height are logarithms of strides. The file declares 640x640, but the network takes any size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from operators.detect.flat import STRIDES, Level, levels
from operators.detect.spec import Candidates, Tensor
from schemas.regions import Array, ObjectKind

_POINTS = 5
_WANTED = {1: 2, 4: 1, 2 * _POINTS: 1}


@dataclass(frozen=True, slots=True)
class YuNet:
    """A YuNet file put in by the user."""

    name: str = "YuNet"
    kind: ObjectKind = "face"
    multiple: int = 32
    outputs: int = len(STRIDES) * sum(_WANTED.values())

    def prepare(self, padded: npt.NDArray[np.uint8]) -> Tensor:
        """(1, 3, h, w), blue first, values as they are."""
        return np.ascontiguousarray(padded[None, ::-1])

    def decode(self, outputs: Sequence[Array], height: int, width: int, threshold: float) -> Candidates:
        """Every cell above the threshold as a box; raises ConfigError on wrong shapes."""
        found = [_read(level, threshold) for level in levels(self.name, outputs, height, width, _WANTED)]
        return Candidates(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _read(level: Level, threshold: float) -> tuple[Array, Array, Array]:
    """Boxes, scores and landmarks of one stride."""
    first, second = (np.clip(one[:, 0], 0, 1) for one in level.tensors[1])
    scores = np.sqrt(first * second).astype(np.float32)
    above = np.flatnonzero(scores > threshold)
    here, box = level.cells[above], level.tensors[4][0][above]
    with np.errstate(over="ignore"):
        half = np.exp(box[:, 2:]) * level.stride / 2
    centre = (here + box[:, :2]) * level.stride
    points = level.tensors[2 * _POINTS][0][above].reshape(-1, _POINTS, 2)
    return (
        np.concatenate([centre - half, centre + half], 1).astype(np.float32),
        scores[above],
        ((points + here[:, None]) * level.stride).astype(np.float32),
    )
