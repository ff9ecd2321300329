"""Faces in one picture: run a detector's network on the CPU and clean up what it says.

One thread per call; `detect` may be called from several threads at once. A network that answers with wrong shapes or
with values that aren't numbers raises: the caller then masks the whole frame.

CenterFace on 85 WIDER and VOC pictures, longer side 640, share of faces found (20-40 / 40-80 / over 80 px high) and
false boxes per picture: score 0.1: 90 / 92 / 96 %, 13.5; 0.2: 79 / 88 / 96 %, 2.2; 0.3: 71 / 85 / 95 %, 0.7.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from operators.detect.centerface import CenterFace
from operators.detect.graph import free_shapes
from operators.detect.picture import DETECTION_SIDE, picture_of
from operators.detect.session import ORT_ERRORS, cpu_session
from operators.detect.spec import Candidates, DetectorSpec
from schemas.errors import ConfigError
from schemas.frames import Planes, VideoFormat
from schemas.regions import Array, Detections, boxes

SCORE = 0.3
OVERLAP = 0.3
MAX_CANDIDATES = 4096


class FaceDetector:
    """A detector ready to run: `score` is the lowest score kept, `overlap` the IoU from which boxes are one."""

    def __init__(
        self, model: bytes | Path, spec: DetectorSpec | None = None, score: float = SCORE, overlap: float = OVERLAP
    ) -> None:
        self.spec: DetectorSpec = spec or CenterFace()
        self.score, self.overlap = score, overlap
        data = model.read_bytes() if isinstance(model, Path) else model
        self._session = cpu_session(free_shapes(data), self.spec.name)
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or len(self._session.get_outputs()) != self.spec.outputs:
            raise ConfigError(f"{self.spec.name}: wants 1 input and {self.spec.outputs} outputs")
        self._input = inputs[0].name

    def detect(self, picture: npt.NDArray[np.uint8]) -> Detections:
        """Faces of an RGB picture (h, w, 3), in its pixels, best first.

        Raises:
            ConfigError: the network answers with wrong shapes or with values that aren't numbers.

        """
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
            raise ConfigError(f"a detector takes uint8 pictures (h, w, 3), not {picture.dtype} {picture.shape}")
        height, width = picture.shape[:2]
        padded = _padded(picture, self.spec.multiple)
        outputs = self._run(self.spec.prepare(padded))
        if not all(np.isfinite(output).all() for output in outputs):
            raise ConfigError(f"{self.spec.name}: an output holds values that aren't numbers")
        found = self.spec.decode(outputs, padded.shape[1], padded.shape[2], self.score)
        if not all(np.isfinite(part).all() for part in (found.boxes, found.scores, found.landmarks)):
            raise ConfigError(f"{self.spec.name}: a box lies beyond all numbers")
        return self._cleaned(found, height, width)

    def detect_planes(self, planes: Planes, video: VideoFormat, size: int = DETECTION_SIDE) -> Detections:
        """Faces of a frame, in its samples, searched in a picture of at most `size` on the longer side."""
        picture, scale_x, scale_y = picture_of(planes, video, size)
        return rescale(self.detect(picture), scale_x, scale_y)

    def _run(self, tensor: npt.NDArray[np.float32]) -> Sequence[Array]:
        try:
            return list(self._session.run(None, {self._input: tensor}))
        except ORT_ERRORS as error:
            raise ConfigError(f"{self.spec.name} doesn't run: {type(error).__name__}") from error

    def _cleaned(self, found: Candidates, height: int, width: int) -> Detections:
        """Cut at the picture's edge, drop what is empty, keep the best of boxes that overlap."""
        cut = np.clip(found.boxes, 0, np.array([width, height, width, height], np.float32))
        real = np.flatnonzero((cut[:, 2:] - cut[:, :2] >= 1).all(1))
        order = real[np.argsort(-found.scores[real], kind="stable")][:MAX_CANDIDATES]
        keep = order[suppress(cut[order], self.overlap)]
        return Detections(self.spec.kind, boxes(cut[keep]), frozen(found.scores[keep]), frozen(found.landmarks[keep]))


def suppress(ordered: Array, overlap: float) -> npt.NDArray[np.intp]:
    """Indices of the boxes, best first, that overlap no better one by an IoU of `overlap` or more."""
    area = (ordered[:, 2] - ordered[:, 0]) * (ordered[:, 3] - ordered[:, 1])
    alive = np.ones(len(ordered), bool)
    for i in range(len(ordered)):
        if not alive[i]:
            continue
        rest = ordered[i + 1 :]
        sides = np.minimum(ordered[i, 2:], rest[:, 2:]) - np.maximum(ordered[i, :2], rest[:, :2])
        shared = np.clip(sides, 0, None).prod(1)
        alive[i + 1 :] &= shared < overlap * (area[i] + area[i + 1 :] - shared)
    return np.flatnonzero(alive)


def rescale(found: Detections, scale_x: float, scale_y: float) -> Detections:
    """The same detections with all x and y multiplied: from a scaled picture to its frame."""
    scale = np.array([scale_x, scale_y], np.float32)
    return Detections(
        found.kind, boxes(found.boxes * np.tile(scale, 2)), found.scores, frozen(found.landmarks * scale)
    )


def _padded(picture: npt.NDArray[np.uint8], multiple: int) -> npt.NDArray[np.float32]:
    """(3, h, w) float32, black on the right and below up to the next multiple."""
    height, width = picture.shape[:2]
    padded = np.zeros((3, -(-height // multiple) * multiple, -(-width // multiple) * multiple), np.float32)
    padded[:, :height, :width] = picture.transpose(2, 0, 1)
    return padded


def frozen(values: Array) -> Array:
    """As float32 that can't be written to."""
    array = np.ascontiguousarray(values, np.float32)
    array.flags.writeable = False
    return array
