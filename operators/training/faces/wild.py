"""Views that nobody labelled, for the teacher to say what is in them: far, near, turned, two pictures in one.

A student that is shown the teacher's answers learns its function, and needs no labels for it; the further the views lie
apart, the more of the function they show (Beyer et al., "Knowledge distillation: A good teacher is patient and
consistent", 2022). Pictures laid over one another are mixup (Zhang et al., 2018), beside one another CutMix (Yun et
al., 2019).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from operators.training.faces.pictures import Photograph, Rgb, discoloured, placed, shrunk

SCALES = 0.3, 3.2
TURN = 30.0
OVER, BESIDE = 0.35, 0.25
"""Shares of the views with a second picture over the first, and beside it."""
DISCOLOURED, SWAPPED = 0.5, 0.1


def wild(photographs: Sequence[Photograph], rng: np.random.Generator, side: int) -> Rgb:
    """A view (side, side, 3)."""
    view, how = _part(photographs, rng, side), rng.random()
    if how < OVER:
        share = rng.uniform(0.25, 0.5)
        view = np.asarray(view * (1 - share) + _part(photographs, rng, side) * share, np.uint8)
    elif how < OVER + BESIDE:
        other, border = _part(photographs, rng, side), int(rng.uniform(0.25, 0.75) * side)
        part = np.s_[:border] if rng.random() < 0.5 else np.s_[:, :border]
        view[part] = other[part]
    if rng.random() < DISCOLOURED:
        view = discoloured(np.ascontiguousarray(view), rng)
    if rng.random() < SWAPPED:
        view = view[..., rng.permutation(3)]
    return np.ascontiguousarray(view)


def _part(photographs: Sequence[Photograph], rng: np.random.Generator, side: int) -> Rgb:
    photograph = photographs[int(rng.integers(len(photographs)))]
    scale = float(np.exp(rng.uniform(*np.log(SCALES))))
    angle = np.deg2rad(rng.uniform(-TURN, TURN)) if rng.random() < 0.4 else 0.0
    picture, before = shrunk(photograph.picture, scale)
    matrix = placed(photograph, rng, side, scale, angle, float(np.exp(rng.uniform(-0.2, 0.2))))
    matrix = np.concatenate([matrix[:, :2] / before, matrix[:, 2:]], 1)
    beyond = cv2.BORDER_REFLECT_101 if rng.random() < 0.7 else cv2.BORDER_CONSTANT
    view = cv2.warpAffine(picture, matrix, (side, side), borderMode=beyond)
    return np.ascontiguousarray(view[:, ::-1] if rng.random() < 0.5 else view, np.uint8)
