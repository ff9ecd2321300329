"""YOLOv5-face, as `export.py` of deepcam-cn/yolov5-face writes it: one output that is decoded already.

Layout after `models/yolo.py` (Detect) and `detect_face.py` there: input RGB 0 to 1, sides multiples of 32; one tensor
(1, n, 16), in pixels of the input: centre x y, width, height, objectness, five landmarks x y, class score. The score
is objectness times class score. n counts three anchors in every cell of the strides 8, 16 and 32.
Exports of the three raw maps, (1, 3, rows, columns, 16) each, and networks with a fourth stride (P6) aren't read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from operators.detect.flat import STRIDES
from operators.detect.spec import Candidates, Tensor
from schemas.errors import ConfigError
from schemas.regions import Array, ObjectKind

_ANCHORS, _COLUMNS, _POINTS = 3, 16, 5


@dataclass(frozen=True, slots=True)
class Yolov5Face:
    """A YOLOv5-face file put in by the user."""

    name: str = "YOLOv5-face"
    kind: ObjectKind = "face"
    multiple: int = 32
    outputs: int = 1

    def prepare(self, padded: npt.NDArray[np.uint8]) -> Tensor:
        """(1, 3, h, w), 0 to 1."""
        return np.asarray(padded[None] / np.float32(255), np.float32)

    def decode(self, outputs: Sequence[Array], height: int, width: int, threshold: float) -> Candidates:
        """Every row above the threshold as a box; raises ConfigError on wrong shapes."""
        count = _ANCHORS * sum((height // stride) * (width // stride) for stride in STRIDES)
        shapes = [tuple(output.shape) for output in outputs]
        if shapes != [(1, count, _COLUMNS)]:
            raise ConfigError(f"{self.name}: outputs of shapes {shapes} for an input of {width}x{height}")
        rows = outputs[0][0]
        scores = rows[:, 4] * rows[:, 15]
        above = np.flatnonzero(scores > threshold)
        centre, half = rows[above, :2], rows[above, 2:4] / 2
        return Candidates(
            np.concatenate([centre - half, centre + half], 1).astype(np.float32),
            scores[above].astype(np.float32),
            rows[above, 5:15].reshape(-1, _POINTS, 2).astype(np.float32),
        )
