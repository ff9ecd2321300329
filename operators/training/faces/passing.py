"""Somebody goes by in front: faces half hidden behind another head, as crossings show and photographs seldom do."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Rgb = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

SHARE = 0.25
"""Of the crops with a face."""
IN_VIEW = 0.28
"""Of a face, at least so much must be left to be found."""
MIRROR = (1, 0, 2, 4, 3)
HEAD = 0.75, 0.95, 0.05
"""Half axes of a head with its hair in widths and heights of its face, and how much lower its middle lies."""


def passed_by(
    picture: Rgb, boxes: Floats, points: Floats, rng: np.random.Generator
) -> tuple[Rgb, Floats, Floats, Floats]:
    """One of the heads once more, mirrored or not, beside and over another face or itself.

    `boxes` (n, 4), at least one, `points` (n, 5, 2). Returns the picture, the boxes and points of those with enough
    left in view, the new one last, and the boxes of the others.
    """
    source, behind = boxes[rng.integers(len(boxes))], boxes[rng.integers(len(boxes))]
    width, height = behind[2:] - behind[:2]
    scale = rng.uniform(0.8, 1.4) * height / (source[3] - source[1])
    place = (behind[:2] + behind[2:]) / 2 + [
        rng.choice([-1, 1]) * rng.uniform(0.35, 0.8) * width, rng.uniform(-0.15, 0.25) * height,
    ]  # fmt: skip
    mirrored = rng.random() < 0.5
    linear = np.diag([-scale if mirrored else scale, scale])
    matrix = np.concatenate([linear, (place - linear @ ((source[:2] + source[2:]) / 2))[:, None]], 1)
    size = scale * (source[2:] - source[:2])
    shape = _head(picture.shape[:2], place, size)
    moved = cv2.warpAffine(picture, matrix, picture.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    soft = cv2.GaussianBlur(shape, (0, 0), max(0.6, 0.03 * float(size[0])))[..., None]
    shown = np.asarray(picture * (1 - soft) + moved * soft, np.uint8)
    enough = np.array([_in_view(box, shape) >= IN_VIEW for box in boxes])
    box, marks = _placed(source, points[(boxes == source).all(1)][0], matrix, mirrored, picture.shape[:2])
    if (box[2:] - box[:2]).min() < 4:
        return picture, boxes, points, boxes[:0]
    return (
        np.ascontiguousarray(shown), np.concatenate([boxes[enough], box[None]]),
        np.concatenate([points[enough], marks[None]]), boxes[~enough],
    )  # fmt: skip


def _head(shape: tuple[int, ...], place: npt.NDArray[np.float64], size: Floats) -> Floats:
    """1 where the head is, else 0."""
    across, down, lower = HEAD
    drawn = np.zeros(shape, np.float32)
    middle = round(float(place[0])), round(float(place[1] + lower * size[1]))
    axes = max(2, round(float(across * size[0]))), max(2, round(float(down * size[1])))
    cv2.ellipse(drawn, middle, axes, 0, 0, 360, (1.0,), -1)
    return drawn


def _in_view(box: Floats, head: Floats) -> float:
    """Share of the ellipse in a box that the head leaves in view."""
    x1, y1, x2, y2 = box.round().astype(int)
    part = head[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)]
    rows, columns = (np.linspace(-1, 1, length) for length in part.shape)
    inside = np.square(rows)[:, None] + np.square(columns) <= 1
    return float(1 - part[inside].mean()) if inside.any() else 0.0


def _placed(
    source: Floats, marks: Floats, matrix: npt.NDArray[np.float64], mirrored: bool, shape: tuple[int, ...]
) -> tuple[Floats, Floats]:
    """Box, cut at the picture's edge, and points of the face that was pasted."""
    corners = np.sort(source.reshape(2, 2) @ matrix[:, :2].T + matrix[:, 2], 0).reshape(-1)
    box = np.clip(corners, 0, [shape[1], shape[0]] * 2).astype(np.float32)
    moved = (marks @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    return box, moved[list(MIRROR)] if mirrored else moved
