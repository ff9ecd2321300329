"""MTCNN: three small networks in a row, the first over a pyramid of the picture, the others over what it proposes.

Zhang et al., "Joint Face Detection and Alignment Using Multi-task Cascaded Convolutional Networks" (2016), with the
weights and thresholds of the package `mtcnn` 1.0.0, as `operators/training/mtcnn_to_onnx.py` converts them. Not a
`DetectorSpec`, since no one network answers, but a `Detector` like the others: safe to call from several threads, and a
network that answers nonsense raises. Faces under SMALLEST pixels aren't looked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime as ort  # type: ignore[import-untyped]

from operators.detect.face import MAX_CANDIDATES, OVERLAP, check_picture, cleaned, suppress
from operators.detect.session import ORT_ERRORS, cpu_session
from operators.detect.spec import Candidates
from schemas.errors import ConfigError
from schemas.regions import Array, Detections

MTCNN_SCORE = 0.7
"""From there on a box is a face, unless told otherwise."""
SMALLEST, SHRINK = 20, 0.709
_WINDOW, _STRIDE = 12, 2
_REFINED, _FINAL = 24, 48
_BATCH = 256


@dataclass(frozen=True, slots=True)
class Cascade:
    """Scores from which a proposal goes on, and IoU from which proposals are one, of the first two networks."""

    proposed: float = 0.6
    refined: float = 0.7
    same_in_scale: float = 0.5
    same: float = 0.7


class Mtcnn:
    """The cascade ready to run: P-Net, R-Net and O-Net as ONNX files, `score` the lowest score kept."""

    name = "MTCNN"

    def __init__(
        self, models: tuple[bytes, bytes, bytes], score: float = MTCNN_SCORE, cascade: Cascade | None = None
    ) -> None:
        self.score, self.cascade = score, cascade or Cascade()
        self._proposals, self._refinement, self._output = (cpu_session(model, self.name) for model in models)

    def detect(self, picture: npt.NDArray[np.uint8]) -> Detections:
        """Faces of an RGB picture (h, w, 3), in its pixels, best first.

        Raises:
            ConfigError: a network answers with wrong shapes or with values that aren't numbers.

        """
        check_picture(picture)
        height, width = picture.shape[:2]
        values = (picture.astype(np.float32) - np.float32(127.5)) / np.float32(128)
        found = self._propose(values)
        found = squares(found[suppress(found, self.cascade.same)])
        found = squares(self._refine(values, found))
        return cleaned("face", self._finish(values, found), height, width, OVERLAP)

    def _propose(self, values: Array) -> Array:
        """Boxes of all scales, best first."""
        every, all_scores = [np.empty((0, 4), np.float32)], [np.empty(0, np.float32)]
        for small, scale_x, scale_y in _pyramid(values):
            rows, columns = _cells(small.shape[0]), _cells(small.shape[1])
            boxes, scores = self._run(
                self._proposals, small[None], boxes=(1, 4, rows, columns), scores=(1, 2, rows, columns)
            )
            y, x = np.nonzero(scores[0, 1] > self.cascade.proposed)
            corner = np.stack([x, y], 1) * np.float32(_STRIDE)
            here = np.concatenate([corner, corner + _WINDOW], 1) + boxes[0, :, y, x] * _WINDOW
            here, sure = best(here * np.array([scale_x, scale_y] * 2, np.float32), scores[0, 1, y, x])
            kept = suppress(here, self.cascade.same_in_scale)
            every.append(here[kept])
            all_scores.append(sure[kept])
        return best(np.concatenate(every), np.concatenate(all_scores))[0]

    def _refine(self, values: Array, found: Array) -> Array:
        """The proposals that the second network takes for faces, moved, best first."""
        boxes, scores = self._over(self._refinement, values, found, _REFINED, boxes=4, scores=2)
        faces = scores[:, 1] > self.cascade.refined
        moved, _ = best(_moved(found, boxes)[faces], scores[faces, 1])
        return moved[suppress(moved, self.cascade.same)]

    def _finish(self, values: Array, found: Array) -> Candidates:
        boxes, points, scores = self._over(self._output, values, found, _FINAL, boxes=4, points=10, scores=2)
        faces = scores[:, 1] > self.score
        corner, size = found[faces, :2], found[faces, 2:] - found[faces, :2]
        shares = np.stack([points[faces, :5], points[faces, 5:]], 2)
        marks = corner[:, None] + shares * size[:, None]
        return Candidates(_moved(found, boxes)[faces], scores[faces, 1], marks.astype(np.float32))

    def _over(
        self, session: ort.InferenceSession, values: Array, found: Array, side: int, **widths: int
    ) -> list[Array]:
        """What a network says of the patches in these boxes."""
        parts: list[list[Array]] = [[np.empty((0, width), np.float32)] for width in widths.values()]
        for start in range(0, len(found), _BATCH):
            patches = np.stack([patch(values, box, side) for box in found[start : start + _BATCH]])
            answers = self._run(session, patches, **{name: (len(patches), width) for name, width in widths.items()})
            for part, answer in zip(parts, answers, strict=True):
                part.append(answer)
        return [np.concatenate(part) for part in parts]

    def _run(self, session: ort.InferenceSession, pictures: Array, **shapes: tuple[int, ...]) -> list[Array]:
        tensor = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))
        try:
            outputs = list(session.run(list(shapes), {"pictures": tensor}))
        except (*ORT_ERRORS, ValueError) as error:
            raise ConfigError(f"{self.name} doesn't run: {type(error).__name__}") from error
        if [output.shape for output in outputs] != list(shapes.values()):
            raise ConfigError(f"{self.name}: outputs of shapes {[output.shape for output in outputs]}")
        if not all(np.isfinite(output).all() for output in outputs):
            raise ConfigError(f"{self.name}: an output holds values that aren't numbers")
        return outputs


def _pyramid(values: Array) -> Iterator[tuple[Array, float, float]]:
    """The picture smaller and smaller, and its pixels per pixel of the result, until a window no longer fits."""
    height, width = values.shape[:2]
    scale = _WINDOW / SMALLEST
    while min(height, width) * scale >= _WINDOW:
        rows, columns = round(height * scale), round(width * scale)
        small = cv2.resize(values, (columns, rows), interpolation=cv2.INTER_AREA)
        yield np.asarray(small, np.float32), width / columns, height / rows
        scale *= SHRINK


def _cells(side: int) -> int:
    """Windows along a side: what three convolutions of 3 and a pooling of 2, rounded up, leave."""
    return -(-(side - 2) // 2) - 4


def best(boxes: Array, scores: Array) -> tuple[Array, Array]:
    """Boxes and scores by score, no more of them than can be worked on."""
    order = np.argsort(-scores, kind="stable")[:MAX_CANDIDATES]
    return boxes[order].astype(np.float32), scores[order]


def squares(found: Array) -> Array:
    """Each box as the square of its longer side around its centre."""
    centre, half = (found[:, :2] + found[:, 2:]) / 2, (found[:, 2:] - found[:, :2]).max(1, initial=0, keepdims=True) / 2
    return np.asarray(np.concatenate([centre - half, centre + half], 1), np.float32)


def _moved(found: Array, shares: Array) -> Array:
    """Each corner moved by its share of the box's sides."""
    return np.asarray(found + shares * np.tile(found[:, 2:] - found[:, :2], 2), np.float32)


def patch(values: Array, box: Array, side: int) -> Array:
    """The picture inside a box, grey beyond its edge, as side x side."""
    x1, y1, x2, y2 = (round(float(v)) for v in box)
    x2, y2 = max(x2, x1 + 1), max(y2, y1 + 1)
    height, width = values.shape[:2]
    left, top, right, bottom = (min(max(v, 0), limit) for v, limit in zip(
        (x1, y1, x2, y2), (width, height, width, height), strict=True))  # fmt: skip
    if right <= left or bottom <= top:
        return np.zeros((side, side, 3), np.float32)
    inside = values[top:bottom, left:right]
    whole = cv2.copyMakeBorder(
        inside, top - y1, y2 - bottom, left - x1, x2 - right, cv2.BORDER_CONSTANT, value=(0.0, 0.0, 0.0)
    )
    return np.asarray(cv2.resize(whole, (side, side), interpolation=cv2.INTER_AREA), np.float32)
