"""Faces in one picture: run a detector's network on the CPU and clean up what it says.

A network that takes one size only gets the picture scaled down to fit, never up, in the upper left corner.

One thread per call; `detect` may be called from several threads at once. A network that answers with wrong shapes or
with values that aren't numbers raises: the caller then masks the whole frame.

CenterFace on 85 WIDER and VOC pictures, longer side 640, share of faces found (20-40 / 40-80 / over 80 px high) and
false boxes per picture: score 0.1: 90 / 92 / 96 %, 13.5; 0.2: 79 / 88 / 96 %, 2.2; 0.3: 71 / 85 / 95 %, 0.7.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from operators.detect.centerface import CenterFace
from operators.detect.graph import free_shapes
from operators.detect.picture import DETECTION_SIDE, picture_of
from operators.detect.session import ORT_ERRORS, cpu_session
from operators.detect.spec import Candidates, DetectorSpec, Tensor
from schemas.errors import ConfigError
from schemas.frames import Planes, VideoFormat
from schemas.regions import Array, Detections, ObjectKind, boxes

SCORE = 0.3
OVERLAP = 0.3
MAX_CANDIDATES = 4096
_TYPES = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}


class FaceDetector:
    """A detector ready to run: `score` is the lowest score kept, `overlap` the IoU from which boxes are one.

    `size`: the only height and width that the network takes, where it takes just one.
    """

    def __init__(
        self, model: bytes | Path, spec: DetectorSpec | None = None, score: float = SCORE, overlap: float = OVERLAP,
        size: tuple[int, int] | None = None,
    ) -> None:
        self.spec: DetectorSpec = spec or CenterFace()
        self.score, self.overlap, self.size = score, overlap, size
        data = model.read_bytes() if isinstance(model, Path) else model
        self._session = cpu_session(free_shapes(data), self.spec.name)
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or len(self._session.get_outputs()) != self.spec.outputs:
            raise ConfigError(f"{self.spec.name}: wants 1 input and {self.spec.outputs} outputs")
        if inputs[0].type not in _TYPES:
            raise ConfigError(f"{self.spec.name}: wants an input of float32 or uint8, not {inputs[0].type}")
        self._input, self._type = inputs[0].name, _TYPES[inputs[0].type]

    def detect(self, picture: npt.NDArray[np.uint8]) -> Detections:
        """Faces of an RGB picture (h, w, 3), in its pixels, best first.

        Raises:
            ConfigError: the network answers with wrong shapes or with values that aren't numbers.

        """
        check_picture(picture)
        height, width = picture.shape[:2]
        fitted = picture if self.size is None else _fitted(picture, self.size)
        padded = _padded(fitted, *(self.size or _rounded(fitted.shape[:2], self.spec.multiple)))
        outputs = self._run(self.spec.prepare(padded))
        if not all(np.isfinite(output).all() for output in outputs):
            raise ConfigError(f"{self.spec.name}: an output holds values that aren't numbers")
        found = self.spec.decode(outputs, padded.shape[1], padded.shape[2], self.score)
        if not all(np.isfinite(part).all() for part in (found.boxes, found.scores, found.landmarks)):
            raise ConfigError(f"{self.spec.name}: a box lies beyond all numbers")
        grown = np.array([width / fitted.shape[1], height / fitted.shape[0]], np.float32)
        inside = Candidates(found.boxes * np.tile(grown, 2), found.scores, found.landmarks * grown)
        return cleaned(self.spec.kind, inside, height, width, self.overlap)

    def detect_planes(self, planes: Planes, video: VideoFormat, size: int = DETECTION_SIDE) -> Detections:
        """Faces of a frame, in its samples, searched in a picture of at most `size` on the longer side."""
        picture, scale_x, scale_y = picture_of(planes, video, size)
        return rescale(self.detect(picture), scale_x, scale_y)

    def _run(self, tensor: Tensor) -> Sequence[Array]:
        if not np.can_cast(tensor.dtype, self._type):
            raise ConfigError(f"{self.spec.name}: wants an input of float32, the file takes bytes")
        try:
            return list(self._session.run(None, {self._input: tensor.astype(self._type, copy=False)}))
        except ORT_ERRORS as error:
            raise ConfigError(f"{self.spec.name} doesn't run: {type(error).__name__}") from error


def check_picture(picture: npt.NDArray[np.uint8]) -> None:
    """Raises ConfigError for something else than an RGB picture (h, w, 3) of bytes."""
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
        raise ConfigError(f"a detector takes uint8 pictures (h, w, 3), not {picture.dtype} {picture.shape}")


def cleaned(kind: ObjectKind, found: Candidates, height: int, width: int, overlap: float) -> Detections:
    """Cut at the picture's edge, without what is empty, the best of boxes that overlap kept."""
    cut = np.clip(found.boxes, 0, np.array([width, height, width, height], np.float32))
    real = np.flatnonzero((cut[:, 2:] - cut[:, :2] >= 1).all(1))
    order = real[np.argsort(-found.scores[real], kind="stable")][:MAX_CANDIDATES]
    keep = order[suppress(cut[order], overlap)]
    return Detections(kind, boxes(cut[keep]), frozen(found.scores[keep]), frozen(found.landmarks[keep]))


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


def only(found: Detections, which: npt.NDArray[np.bool_]) -> Detections:
    """Those of the detections that are marked."""
    marks = frozen(found.landmarks[which])
    return Detections(found.kind, boxes(found.boxes[which]), frozen(found.scores[which]), marks)


def shifted(found: Detections, left: int, top: int) -> Detections:
    """The same detections, so much further right and down: from a part of a picture to all of it."""
    offset = np.array([left, top], np.float32)
    moved, marks = boxes(found.boxes + np.tile(offset, 2)), frozen(found.landmarks + offset)
    return Detections(found.kind, moved, found.scores, marks)


def _fitted(picture: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """The picture scaled down until it fits into height and width; a smaller one as it is."""
    height, width = picture.shape[:2]
    ratio = min(size[0] / height, size[1] / width)
    if ratio >= 1:
        return picture
    target = max(1, round(width * ratio)), max(1, round(height * ratio))
    return np.asarray(cv2.resize(picture, target, interpolation=cv2.INTER_AREA), np.uint8)


def _rounded(shape: Sequence[int], multiple: int) -> tuple[int, int]:
    """Height and width, up to the next multiple."""
    return -(-shape[0] // multiple) * multiple, -(-shape[1] // multiple) * multiple


def _padded(picture: npt.NDArray[np.uint8], rows: int, columns: int) -> npt.NDArray[np.uint8]:
    """(3, rows, columns), black on the right and below."""
    height, width = picture.shape[:2]
    padded = np.zeros((3, rows, columns), np.uint8)
    for plane, channel in zip(padded, cv2.split(picture), strict=True):
        plane[:height, :width] = channel
    return padded


def frozen(values: Array) -> Array:
    """As float32 that can't be written to."""
    array = np.ascontiguousarray(values, np.float32)
    array.flags.writeable = False
    return array
