"""Silhouette: one grey inside an outline that follows the head, or the plate; what is around it stays as it was.

A small network (`operators/heads.py`) says where in the region a person is; the head is what of that hangs together
with the face, down to a little below it, and the face's oval always. The outline runs a little outside of it; of a
plate, a little outside of its corners. The whole region is painted wherever an outline would be a guess: no detection
nearby, a plate without corners, a small face, a network that wavers or sees no person in the face.

The appearance is the outline: points in shares of the region, in 1/255. In every frame anew, so it follows movement;
and a head's outline says more of who it is than a rectangle does (`proven.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from operators.desensitise.base import Lasts, Spot
from operators.detect.measure import overlaps
from operators.heads import WIDE, face_about, head_of, heads, height_of, window_of
from schemas.errors import MalformedRecord
from schemas.regions import Array, Region

GREY = 128
SMALLEST = 24.0
"""Faces less high than that, in pixels, get no outline."""
FINE = 4
"""A cell of the network is drawn as so many times so many points."""
LIKELY = 0.45
"""From here on a point is the head's."""
GROWN = 1
"""An outline runs so many points outside of what was found, one being 1 / 73 of the face's height ..."""
PLATE = 0.15
"""... and outside of a plate's corners by so much of the plate's height."""
SQUARE = 4
"""What is painted are squares of so many luma samples, as codecs transform them: an outline drawn sample by sample
costs a tenth more bits where little else moves.
"""
AGREE = 0.6
"""IoU of a plate's box with the box around its corners; where they agree less, the whole region is painted."""
WAVERS, UNLIKELY = 0.35, 0.15
"""The whole region is painted where the network wavers (0.2 to 0.8) in more of the cells around the head, or where more
of the face's oval isn't likely a person's.
"""
_STEPS, _MOST = 255, 96
Points = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Silhouette:
    """Grey within the outline of what was found."""

    name: str = "silhouette"
    lasts: Lasts = "frame"
    keyed: bool = False
    easy: bool = False

    def prepare(self, spot: Spot, key: bytes) -> bytes:
        """The outline: x y, x y ... in 1/255 of the region's width and height; nothing where all is to be painted."""
        points = _outline(spot)
        if points is None:
            return b""
        height, width = spot.planes.y.shape
        shares = np.rint(points / (width, height) * _STEPS)
        return shares.clip(0, _STEPS).astype(np.uint8).tobytes()

    def paint(self, spot: Spot, appearance: bytes) -> None:
        """Grey inside the outline.

        Raises:
            MalformedRecord: the appearance is of another method.

        """
        inside = painted(appearance, spot.planes.y.shape)
        spot.planes.y[inside] = GREY
        spot.planes.u[inside[::2, ::2]] = spot.planes.v[inside[::2, ::2]] = GREY


SILHOUETTE = Silhouette()


def painted(appearance: bytes, shape: tuple[int, ...]) -> Mask:
    """Which luma samples (h, w) of a region are painted: squares of `SQUARE`, of which half or more lies inside.

    Raises:
        MalformedRecord: the appearance isn't an outline.

    """
    if not appearance:
        return np.ones(shape, bool)
    if len(appearance) % 2 or not 6 <= len(appearance) <= 2 * _MOST:
        raise MalformedRecord(f"an appearance of {len(appearance)} bytes isn't an outline")
    points = np.frombuffer(appearance, np.uint8).reshape(-1, 2) / _STEPS * (shape[1], shape[0])
    high, wide = (-(-side // SQUARE) for side in shape)
    fine = np.zeros((SQUARE * high, SQUARE * wide), np.uint8)
    cv2.fillPoly(fine, [np.rint((points - 0.5) * 16).astype(np.int32)], 255, cv2.LINE_8, 4)
    squares = cv2.resize(fine, (wide, high), interpolation=cv2.INTER_AREA) >= 128
    return np.asarray(squares.repeat(SQUARE, 0).repeat(SQUARE, 1)[: shape[0], : shape[1]])


def _outline(spot: Spot) -> Points | None:
    """Points (n, 2) x y in luma samples of the region; None where there is no outline to rely on."""
    found = spot.found
    if found is None or found.source not in ("detected", "tracked", "filled"):
        return None
    if found.kind == "plate":
        return _plate(found, spot)
    return _head(found, spot) if found.kind in ("face", "head") else None


def _plate(found: Region, spot: Spot) -> Points | None:
    if len(found.landmarks) != 8:
        return None
    corners = np.array(found.landmarks).reshape(4, 2)
    around = np.concatenate([corners.min(0), corners.max(0)])[None].astype(np.float32)
    if not overlaps(around, np.array([found.box], np.float32))[0, 0] >= AGREE:
        return None
    corners = corners - (spot.left, spot.top)
    high = (np.linalg.norm(corners[3] - corners[0]) + np.linalg.norm(corners[2] - corners[1])) / 2
    along, down = _unit(corners[1] - corners[0]), _unit(corners[3] - corners[0])
    away = np.array([-along - down, along - down, along + down, down - along])
    return np.asarray(corners + PLATE * high * away)


def _unit(way: Points) -> Points:
    return np.asarray(way / max(float(np.linalg.norm(way)), 1e-6))


def _head(found: Region, spot: Spot) -> Points | None:
    x1, y1, x2, y2 = found.box
    box = x1 - spot.left, y1 - spot.top, x2 - spot.left, y2 - spot.top
    if height_of(box) < SMALLEST:
        return None
    window = window_of(box)
    likely = cv2.resize(heads(spot.planes, window), None, fx=FINE, fy=FINE, interpolation=cv2.INTER_LINEAR)
    scale = np.array([(window.right - window.left) / likely.shape[1], (window.bottom - window.top) / likely.shape[0]])
    face = (np.array(box).reshape(2, 2) - (window.left, window.top)) / scale
    head = _shape(np.asarray(likely, np.float32), face)
    if head is None:
        return None
    contours, _ = cv2.findContours(head, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    points = max(contours, key=cv2.contourArea)
    for wrong in (0.7, 1.0, 1.5, 2.0, 3.0):
        simple = cv2.approxPolyDP(points, wrong, True)
        if len(simple) <= _MOST:
            return np.asarray((simple[:, 0] + 0.5) * scale + (window.left, window.top))
    return None


def _around(shape: tuple[int, ...], middle: Points, half: float) -> Mask:
    """The box of a head about the middle of a face, half as high as it is, in points."""
    head = head_of(face_about(float(middle[0]), float(middle[1]), 2 * half))
    left, top, right, bottom = (max(0, round(side)) for side in head)
    mask = np.zeros(shape, bool)
    mask[top:bottom, left:right] = True
    return mask


def _shape(likely: Array, face: Points) -> npt.NDArray[np.uint8] | None:
    """Points of the head (1, else 0), about a face (2, 2), its corners x y; None where it can't be told."""
    oval = np.zeros(likely.shape, np.uint8)
    middle, half = face.mean(0), (face[1] - face[0]) / 2
    cv2.ellipse(oval, (tuple(middle.tolist()), tuple((2 * half).tolist()), 0.0), 1, cv2.FILLED)
    around = _around(likely.shape, middle, float(max(half[1], half[0] / WIDE)))
    wavers = float(((likely[around] > 0.2) & (likely[around] < 0.8)).mean())
    unlikely = float((likely[oval > 0] < LIKELY).mean()) if oval.any() else 1.0
    if wavers > WAVERS or unlikely > UNLIKELY:
        return None
    head = ((likely >= LIKELY) & around).view(np.uint8) | oval
    _, parts = cv2.connectedComponents(head)
    head = (parts == np.bincount(parts[oval > 0]).argmax()).view(np.uint8)
    side = 2 * GROWN + 1
    return np.asarray(cv2.dilate(head, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))), np.uint8)
