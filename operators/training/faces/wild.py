"""Views that nobody labelled, for the teacher to say what is in them: far, near, turned, two pictures in one.

A student that is shown the teacher's answers learns its function, and needs no labels for it; the further the views lie
apart, the more of the function they show (Beyer et al., "Knowledge distillation: A good teacher is patient and
consistent", 2022). Pictures laid over one another are mixup (Zhang et al., 2018), beside one another CutMix (Yun et
al., 2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from operators.training.faces.pictures import Floats, Photograph, Rgb, discoloured, moved, placed, shrunk, unscaled

SCALES = 0.3, 3.2
TURN = 30.0
OVER, BESIDE = 0.35, 0.25
"""Shares of the views with a second picture over the first, and beside it."""
DISCOLOURED, SWAPPED = 0.5, 0.1


@dataclass(frozen=True, slots=True)
class View:
    """A picture (side, side, 3), and the faces that people labelled in it, xyxy: none of them is background, whoever
    finds it.
    """

    picture: Rgb
    labelled: Floats


def wild(photographs: Sequence[Photograph], rng: np.random.Generator, side: int) -> View:
    """A view of one photograph, or of two."""
    view, how = _part(photographs, rng, side), rng.random()
    picture, boxes = view.picture, view.labelled
    if how < OVER + BESIDE:
        other = _part(photographs, rng, side)
        boxes = np.concatenate([boxes, other.labelled])
        if how < OVER:
            share = rng.uniform(0.25, 0.5)
            picture = np.asarray(picture * (1 - share) + other.picture * share, np.uint8)
        else:
            border = int(rng.uniform(0.25, 0.75) * side)
            part = np.s_[:border] if rng.random() < 0.5 else np.s_[:, :border]
            picture[part] = other.picture[part]
    if rng.random() < DISCOLOURED:
        picture = discoloured(picture, rng)
    if rng.random() < SWAPPED:
        picture = picture[..., rng.permutation(3)]
    return View(np.ascontiguousarray(picture), boxes)


def _part(photographs: Sequence[Photograph], rng: np.random.Generator, side: int) -> View:
    photograph = photographs[int(rng.integers(len(photographs)))]
    scale = float(np.exp(rng.uniform(*np.log(SCALES))))
    angle = np.deg2rad(rng.uniform(-TURN, TURN)) if rng.random() < 0.4 else 0.0
    picture, before = shrunk(photograph.picture, scale)
    matrix = placed(photograph, rng, side, scale, angle, float(np.exp(rng.uniform(-0.2, 0.2))))
    boxes, _ = moved(photograph.boxes, photograph.points, matrix, angle)
    beyond = cv2.BORDER_REFLECT_101 if rng.random() < 0.7 else cv2.BORDER_CONSTANT
    shown = cv2.warpAffine(picture, unscaled(matrix, before), (side, side), borderMode=beyond)
    if rng.random() < 0.5:
        shown = shown[:, ::-1]
        boxes[:, [0, 2]] = side - boxes[:, [2, 0]]
    inside = (np.minimum(boxes[:, 2:], side) > np.maximum(boxes[:, :2], 0)).all(1)
    return View(np.ascontiguousarray(shown, np.uint8), boxes[inside].clip(0, side))
