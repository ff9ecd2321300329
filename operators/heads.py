"""Where the head is in a region: a small network trained here (`operators/weights/HEADS.md`) looks at a window of it.

The window lies about the face's box, so the network needn't search; what lies beyond the region repeats its rim. It
answers for `ROWS` x `COLUMNS` cells with how likely a person covers each. Pixels are luma samples, origin top left.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]

from operators.detect.session import cpu_session
from schemas.frames import Plane, Planes
from schemas.regions import Array

ROWS, COLUMNS = 40, 32
WIDE = 0.8
"""Faces are taken to be at least so wide for their height."""
HEAD = 0.5, 0.3, 0.15
"""A head beyond its face: above, on each side, below, as shares of the face's height and width."""
ASIDE, ABOVE, BELOW = 0.88, 1.2, 1.0
"""The window beyond the middle of a face, in heights of the face: to each side, up, down."""
WEIGHTS = Path(__file__).with_name("weights") / "heads.onnx"
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Window:
    """What the network sees, in even pixels of the region (it may reach beyond), and the height of the face."""

    left: int
    top: int
    right: int
    bottom: int
    face: float


def height_of(box: Box) -> float:
    """The height of a face's box, or of one as wide and `WIDE` times as wide as high."""
    return max(box[3] - box[1], (box[2] - box[0]) / WIDE)


def head_of(box: Box) -> Box:
    """A face's box drawn out to its head."""
    x1, y1, x2, y2 = box
    above, beside, below = HEAD
    w, h = x2 - x1, y2 - y1
    return x1 - beside * w, y1 - above * h, x2 + beside * w, y2 + below * h


def face_about(x: float, y: float, height: float) -> Box:
    """The box of a face so high, `WIDE` times as wide, about its middle."""
    return x - WIDE * height / 2, y - height / 2, x + WIDE * height / 2, y + height / 2


def window_of(box: Box) -> Window:
    """The window about a face."""
    face = height_of(box)
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    left, top = 2 * round((x - ASIDE * face) / 2), 2 * round((y - ABOVE * face) / 2)
    right, bottom = 2 * round((x + ASIDE * face) / 2), 2 * round((y + BELOW * face) / 2)
    return Window(left, top, max(right, left + 2), max(bottom, top + 2), face)


def heads(planes: Planes, window: Window) -> Array:
    """How likely each cell of the window is a person's (ROWS, COLUMNS), 0 to 1.

    Raises:
        ConfigError: the network's file is damaged.

    """
    (said,) = _network().run(None, {"window": seen(planes, window)[None]})
    return np.asarray(said[0, 0], np.float32)


def seen(planes: Planes, window: Window) -> Array:
    """The network's input (6, ROWS, COLUMNS): luma two by two pixels a cell, then both chromas, about 0."""
    y = _part(planes.y, window, 1, (2 * COLUMNS, 2 * ROWS)).reshape(ROWS, 2, COLUMNS, 2).transpose(1, 3, 0, 2)
    u, v = (_part(plane, window, 2, (COLUMNS, ROWS)) for plane in (planes.u, planes.v))
    bytes_ = np.concatenate([y.reshape(4, ROWS, COLUMNS), u[None], v[None]])
    return np.asarray((bytes_.astype(np.float32) - 128) / 64, np.float32)


def _part(plane: Plane, window: Window, step: int, size: tuple[int, int]) -> Plane:
    """The window of a plane, scaled to `size`; beyond the plane its rim is repeated."""
    left, top, right, bottom = (side // step for side in (window.left, window.top, window.right, window.bottom))
    height, width = plane.shape
    x1, x2 = (int(np.clip(side, 0, width - 1)) for side in (left, right - 1))
    y1, y2 = (int(np.clip(side, 0, height - 1)) for side in (top, bottom - 1))
    inner = plane[y1 : y2 + 1, x1 : x2 + 1]
    beyond = max(0, y1 - top), max(0, bottom - 1 - y2), max(0, x1 - left), max(0, right - 1 - x2)
    whole = cv2.copyMakeBorder(inner, *beyond, cv2.BORDER_REPLICATE) if any(beyond) else inner
    how = cv2.INTER_AREA if whole.shape[1] > size[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(whole, size, interpolation=how), np.uint8)


@lru_cache(maxsize=1)
def _network() -> ort.InferenceSession:
    return cpu_session(WEIGHTS.read_bytes(), "heads")
