"""SCRFD, as InsightFace's `detection/scrfd/tools/scrfd2onnx.py` exports it, with landmarks (9 outputs) or without (6).

Layout after the reader beside it, `tools/scrfd.py`: input RGB, (value - 127.5) / 128, sides multiples of 32; for each
of the strides 8, 16 and 32, and for two anchors a cell, a score (already between 0 and 1), the distances from the
cell's upper left corner to the four sides of the box, and to five landmarks, all counted in strides.
The exports for other strides or with one anchor (10 or 15 outputs) aren't read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from operators.detect.flat import STRIDES, Level, levels
from operators.detect.spec import Candidates, Tensor
from schemas.regions import Array, ObjectKind

_ANCHORS = 2
_POINTS = 5
_MIDDLE, _SCALE = np.float32(127.5), np.float32(128)
BARE_OUTPUTS, KPS_OUTPUTS = 2 * len(STRIDES), 3 * len(STRIDES)


@dataclass(frozen=True, slots=True)
class Scrfd:
    """An SCRFD file put in by the user."""

    name: str = "SCRFD"
    kind: ObjectKind = "face"
    multiple: int = 32
    outputs: int = KPS_OUTPUTS

    def prepare(self, padded: npt.NDArray[np.uint8]) -> Tensor:
        """(1, 3, h, w), about -1 to 1."""
        return np.asarray((padded[None] - _MIDDLE) / _SCALE, np.float32)

    def decode(self, outputs: Sequence[Array], height: int, width: int, threshold: float) -> Candidates:
        """Every anchor above the threshold as a box; raises ConfigError on wrong shapes."""
        wanted = {1: 1, 4: 1} | ({2 * _POINTS: 1} if self.outputs == KPS_OUTPUTS else {})
        found = [_read(one, threshold) for one in levels(self.name, outputs, height, width, wanted, _ANCHORS)]
        return Candidates(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _read(level: Level, threshold: float) -> tuple[Array, Array, Array]:
    """Boxes, scores and landmarks of one stride."""
    scores = level.tensors[1][0][:, 0]
    above = np.flatnonzero(scores > threshold)
    here, sides = level.cells[above], level.tensors[4][0][above]
    some = level.tensors.get(2 * _POINTS)
    points = some[0][above].reshape(-1, _POINTS, 2) if some else np.empty((len(above), 0, 2), np.float32)
    return (
        (np.concatenate([here - sides[:, :2], here + sides[:, 2:]], 1) * level.stride).astype(np.float32),
        scores[above].astype(np.float32),
        ((points + here[:, None]) * level.stride).astype(np.float32),
    )
