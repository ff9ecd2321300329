"""Head and shoulders of a person, cut out of a photograph with a soft edge, to be pasted at any place and size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from schemas.errors import SourceError
from schemas.regions import Array, Detections

Rgb = npt.NDArray[np.uint8]
Rgba = npt.NDArray[np.float32]
Detect = Callable[[Rgb], Detections]
Box = tuple[float, float, float, float]
SEARCH_SIDE = 640
_ASIDE, _ABOVE, _BELOW = 1.45, 0.75, 2.2


@dataclass(frozen=True, slots=True, eq=False)
class Cutout:
    """`pixels` (h, w, 4) float32: RGB 0 to 255 times alpha, and alpha 0 to 1; `face` is the box of the face in it."""

    pixels: Rgba
    face: Box

    @property
    def face_width(self) -> float:
        """Pixels."""
        return self.face[2] - self.face[0]

    def resized(self, face_width: float) -> Cutout:
        """The same at another size, averaged where it gets smaller."""
        scale = face_width / self.face_width
        height, width = (max(1, round(side * scale)) for side in self.pixels.shape[:2])
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        pixels = np.asarray(cv2.resize(self.pixels, (width, height), interpolation=way), np.float32)
        alpha = pixels[..., 3:].clip(0, 1)
        pixels = np.concatenate([pixels[..., :3].clip(0, 255 * alpha), alpha], 2)
        across, down = width / self.pixels.shape[1], height / self.pixels.shape[0]
        x1, y1, x2, y2 = self.face
        return Cutout(pixels, (x1 * across, y1 * down, x2 * across, y2 * down))


def cut_out(photograph: Rgb, detect: Detect, largest: float = 200.0) -> Cutout:
    """The main person of a photograph, the face at most `largest` pixels wide.

    Raises:
        SourceError: no face is found.

    """
    face = main_face(photograph, detect)
    scale = min(1.0, largest / (face[2] - face[0]))
    if scale < 1:
        photograph = _smaller(photograph, scale)
    x1, y1, x2, y2 = (float(value) * scale for value in face)
    wide, high = x2 - x1, y2 - y1
    left, right = (x1 + x2) / 2 - _ASIDE * wide, (x1 + x2) / 2 + _ASIDE * wide
    top, bottom = y1 - _ABOVE * high, y2 + _BELOW * high
    picture = _window(photograph, round(left), round(top), round(right), round(bottom))
    box = (x1 - round(left), y1 - round(top), x2 - round(left), y2 - round(top))
    inside = _inside(photograph.shape[:2], round(left), round(top), picture.shape[:2], 0.12 * wide)
    alpha = (_silhouette(picture.shape[:2], box) * inside)[..., None]
    return Cutout(np.concatenate([picture.astype(np.float32) * alpha, alpha], 2), box)


def main_face(photograph: Rgb, detect: Detect) -> Array:
    """Box (4,) of the face that is largest and nearest to the middle; raises SourceError without a face."""
    height, width = photograph.shape[:2]
    scale = min(1.0, SEARCH_SIDE / max(height, width))
    small = _smaller(photograph, scale) if scale < 1 else photograph
    found = detect(small).boxes
    if not len(found):
        raise SourceError(f"no face in a photograph of {width}x{height}")
    middle = (found[:, :2] + found[:, 2:]) / 2 / np.array([small.shape[1], small.shape[0]]) - 0.5
    size = (found[:, 2:] - found[:, :2]).prod(1)
    best: Array = found[int(np.argmax(size / (1 + 8 * (middle**2).sum(1))))] / np.float32(scale)
    return best


def _smaller(picture: Rgb, scale: float) -> Rgb:
    return np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def _window(picture: Rgb, left: int, top: int, right: int, bottom: int) -> Rgb:
    """A part of a picture; beyond its edge the last row or column goes on."""
    height, width = picture.shape[:2]
    rows = np.clip(np.arange(top, bottom), 0, height - 1)
    columns = np.clip(np.arange(left, right), 0, width - 1)
    part = picture[rows][:, columns]
    beyond = bottom - height
    if beyond > 0:
        smeared = part[-beyond:]
        part[-beyond:] = cv2.GaussianBlur(smeared, (0, 0), max(1.0, smeared.shape[1] / 16))
    return part


def _inside(
    source: tuple[int, ...], left: int, top: int, part: tuple[int, ...], fade: float
) -> npt.NDArray[np.float32]:
    """1 inside the photograph, falling to 0 at its upper and side edges; below it goes on."""
    columns, rows = left + np.arange(part[1]), top + np.arange(part[0])
    across = np.minimum(columns + 1, source[1] - columns) / fade
    down = (rows + 1) / fade
    return np.asarray(np.minimum(across.clip(0, 1)[None], down.clip(0, 1)[:, None]), np.float32)


def _silhouette(shape: tuple[int, ...], face: Box) -> npt.NDArray[np.float32]:
    """Alpha (h, w) of head and shoulders around a face box, soft over a tenth of the face."""
    x1, y1, x2, y2 = face
    wide, high, middle = x2 - x1, y2 - y1, (x1 + x2) / 2
    mask = np.zeros(shape[:2], np.float32)
    head = (round(middle), round(y1 + 0.42 * high)), (round(0.74 * wide), round(0.74 * high))
    cv2.ellipse(mask, head[0], head[1], 0, 0, 360, 1.0, -1, cv2.LINE_AA)
    outline = [(-0.42, -0.05), (-0.5, 0.22), (-1.15, 0.5), (-1.3, 0.9), (-1.3, 9.0)]
    left = [(middle + dx * wide, y2 + dy * high) for dx, dy in outline]
    right = [(middle - dx * wide, y2 + dy * high) for dx, dy in reversed(outline)]
    cv2.fillPoly(mask, [np.rint(left + right).astype(np.int32)], 1.0, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), max(0.8, 0.06 * wide)), np.float32)
