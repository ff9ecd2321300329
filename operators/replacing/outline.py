"""The part of a donor that is taken: a mean face's outline fitted to five landmarks, its points moved at random.

The outline has 27 points, as the jaw and brow of the usual 68 landmarks have; it is an average of drawn faces
(`drawn.py`), in the frame of its own five landmarks.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from schemas.errors import MalformedRecord

Points = npt.NDArray[np.float64]
Mask = npt.NDArray[np.uint8]
Moved = Literal["none", "border", "all"]
_MARKS = np.array([(-0.45, -0.16), (0.45, -0.16), (0.0, 0.33), (-0.36, 0.68), (0.36, 0.68)])
_TURNS = np.linspace(-0.12, np.pi + 0.12, 17)
_JAW = [(-np.cos(a) * (1 - 0.18 * np.sin(a) ** 2) * 0.94, 1.30 * np.sin(a)) for a in _TURNS]
_BROWS = [(-np.cos(a) * 0.90, -0.52 - 0.16 * np.sin(a)) for a in np.linspace(np.pi - 0.25, 0.25, 10)]
OUTLINE = np.array(_JAW + _BROWS)
"""Clockwise from the left ear over the chin, back over the brows; shares of half the face's width about its middle."""


def fitted(landmarks: Points) -> Points:
    """The outline (27, 2) where these landmarks (5, 2) are, by the affine map nearest in least squares.

    Raises:
        MalformedRecord: not five different finite points.

    """
    if landmarks.shape != (5, 2) or not np.isfinite(landmarks).all() or np.ptp(landmarks, axis=0).min() <= 0:
        raise MalformedRecord("an outline is fitted to five different finite landmarks")
    ones = np.ones((5, 1))
    solved = np.linalg.lstsq(np.hstack([_MARKS, ones]), landmarks, rcond=None)[0]
    return np.hstack([OUTLINE, np.ones((len(OUTLINE), 1))]) @ solved


def deformed(outline: Points, moved: Moved, share: float, rng: np.random.Generator) -> Points:
    """Points moved by up to `share` of the outline's width; `border`: the jaw alone."""
    reach = share * np.ptp(outline[:, 0])
    away = rng.uniform(-reach, reach, outline.shape)
    if moved == "none":
        away[:] = 0
    elif moved == "border":
        away[len(_JAW):] = 0
    return np.asarray(outline + away)


def grown(outline: Points, share: float) -> Points:
    """The outline about its own middle, larger by a share."""
    return np.asarray(outline.mean(0) + (1 + share) * (outline - outline.mean(0)))


def mask_of(outline: Points, shape: tuple[int, int], occluder: Mask | None = None) -> Mask:
    """255 inside the outline, else 0 (h, w); less what covers the target's face, pixel by pixel."""
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.rint(outline).astype(np.int32)], 255)
    if occluder is not None:
        mask[occluder > 0] = 0
    return mask
