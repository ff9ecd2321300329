"""Brings a network's scores to what those of another one mean, so that the thresholds that were set for it stay.

A score means how many boxes from it on lie on no face, neither on a label nor on what the teacher sees. By that, over
the photographs kept back, a line from logits to logits is fitted (the form of Platt, "Probabilistic outputs for support
vector machines", 1999) and written into the last convolution of each head; which box comes before which stays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import numpy_helper

from operators.detect import FaceDetector
from operators.detect.measure import overlaps
from operators.detect.pyramid import PyramidFace
from operators.training.faces.pictures import Photograph
from operators.training.quantise import digest
from schemas.regions import Array

LEAST_SCORE = 0.03
SIDE = 640
RATES = (0.1, 0.3, 1.0, 2.0, 3.0, 4.0)
"""False boxes a picture at which both are compared: from what starts a track to what is kept at all."""
FALSE_IOU = 0.3
"""A box that covers a face by less is false."""
HEAD = "heads."


def level(model: Path, like: Path, held_out: Sequence[Photograph], out: Path, tell: Callable[[str], None]) -> None:
    """Write `model` with scores that mean what those of `like` do.

    Raises:
        ValueError: it has no such heads.

    """
    slope, offset = line(*(_logits(_false(file, held_out), len(held_out)) for file in (model, like)))
    onnx.save(shifted(onnx.load(str(model)), slope, offset), str(out))
    tell(f"logit x {slope:.3f} + {offset:.3f}; {out.stat().st_size:,} bytes, {digest(out)}")


def shifted(network: onnx.ModelProto, slope: float, offset: float) -> onnx.ModelProto:
    """The network with every score's logit times `slope`, plus `offset`.

    Raises:
        ValueError: it has no such heads.

    """
    heads = [one for one in network.graph.initializer if one.name.startswith(HEAD) and one.name.count(".") == 3]
    if not heads:
        raise ValueError("no last convolution of a head is in this file")
    for one in heads:
        values = numpy_helper.to_array(one).copy()
        values[0] *= np.float32(slope)
        values[0] += np.float32(offset if one.name.endswith("bias") else 0)
        one.CopyFrom(numpy_helper.from_array(values, one.name))
    return network


def line(new: Array, old: Array) -> tuple[float, float]:
    """Slope and offset from a detector's logits to those of another, where both are as often false."""
    slope, offset = np.polyfit(new, old, 1)
    return float(slope), float(offset)


def _logits(false: Array, pictures: int) -> Array:
    """At each rate, from which logit on so many boxes are false."""
    scores = np.array([false[int(rate * pictures)] for rate in RATES])
    return np.asarray(np.log(scores / (1 - scores)), np.float32)


def _false(model: Path, photographs: Sequence[Photograph]) -> Array:
    """Scores of boxes on no face, falling; each photograph scaled to a longer side of 640."""
    detector, scores = FaceDetector(model, PyramidFace(), LEAST_SCORE), []
    for one in photographs:
        scale = SIDE / max(one.picture.shape[:2])
        height, width = (round(length * scale) for length in one.picture.shape[:2])
        found = detector.detect(np.ascontiguousarray(cv2.resize(one.picture, (width, height))))
        covered = overlaps(found.boxes, one.boxes * np.float32(scale)).max(1, initial=0)
        scores.append(found.scores[covered < FALSE_IOU])
    return np.sort(np.concatenate(scores))[::-1]
