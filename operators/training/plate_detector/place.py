"""Where a camera sees a flat plate: four corners in perspective; and how it is put into a picture there."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Rgb = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def turned(aspect: float, rng: np.random.Generator) -> Floats:
    """Corners (4, 2) of a plate `aspect` wide and 1 high, turned in space, around (0, 0); in reading order."""
    usual = rng.random() < 0.7
    yaw = rng.normal(0, 0.25) if usual else rng.uniform(-1.05, 1.05)
    pitch = rng.normal(0, 0.15) if usual else rng.uniform(-0.45, 0.45)
    roll = rng.normal(0, 0.06) if rng.random() < 0.8 else rng.uniform(-0.4, 0.4)
    flat = np.array([[-aspect, -1, 0], [aspect, -1, 0], [aspect, 1, 0], [-aspect, 1, 0]], np.float64) / 2
    cy, sy, cp, sp, cr, sr = (f(angle) for angle in (yaw, pitch, roll) for f in (np.cos, np.sin))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    there = flat @ (about_z @ about_x @ about_y).T
    distance = aspect * np.exp(rng.uniform(np.log(2), np.log(20)))
    seen = there[:, :2] / (1 + there[:, 2:] / distance)
    return np.asarray(seen - (seen.max(0) + seen.min(0)) / 2, np.float32)


def hull(corners: Floats) -> Floats:
    """Boxes xyxy around corners: (..., 4, 2) -> (..., 4)."""
    return np.asarray(np.concatenate([corners.min(-2), corners.max(-2)], -1), np.float32)


def put(picture: Rgb, flat: Rgb, corners: Floats, share: npt.NDArray[np.float32] | None = None) -> None:
    """Paint a flat picture into `picture` so that its own corners come to lie at `corners`; `share`: how opaque."""
    height, width = flat.shape[:2]
    low = np.maximum(np.floor(corners.min(0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(corners.max(0)).astype(int) + 2, picture.shape[1::-1])
    if (high <= low).any():
        return
    scale = float(np.linalg.norm(corners[3] - corners[0]) + np.linalg.norm(corners[2] - corners[1])) / (2 * height)
    if scale < 0.7:
        flat = np.asarray(cv2.GaussianBlur(flat, (0, 0), 0.35 / max(scale, 0.05)), np.uint8)
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, (corners - low).astype(np.float32))
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    opaque = np.ones((height, width), np.float32) if share is None else share
    seen = cv2.warpPerspective(flat, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.warpPerspective(opaque, matrix, size, flags=cv2.INTER_LINEAR)[:, :, None]
    target = picture[low[1] : high[1], low[0] : high[0]]
    target[:] = (target * (1 - mask) + seen * mask + 0.5).astype(np.uint8)
