"""What moves where: dense optical flow, on a grid of cells, coarse on purpose.

Flow of all pixels by DIS (T. Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016), on luma at a
quarter of the pixels; averaged over cells of `CELL` samples. A cell counts as still where it moves less than `STILL`,
where it doesn't change by more than noise does (on flat walls flow is guesswork), and where it moves alone. Direction
goes into `DIRECTIONS` steps, speed into `SPEEDS`: a cell holds one of 193 values, so that
what moves shows, and nothing of what it looks like.

Speed is a share of `REACH` of the picture's width a frame (faster is as fast), by its square root: slow things show.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from schemas.frames import Plane

CELL, HALF = 8, 2
STILL, LEAST_CHANGE = 0.35, 1.5
REACH = 0.03
LEAST_SIDE = 32
"""Pictures, once halved, are padded to so much a side: of less (four patches of 8 samples) OpenCV's DIS raises, or
reads beyond the picture; found by trying sizes in processes of their own."""
DIRECTIONS, SPEEDS = 32, 6
Cells = npt.NDArray[np.uint8]
Flow = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


class Motion:
    """Compares two pictures; settings alone, nothing of a picture is kept."""

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._flow.setUseSpatialPropagation(True)

    def cells(self, before: Plane, after: Plane) -> Cells:
        """Direction and speed of every cell (rows, columns), 0 where it is still, else 1 + speed x 32 + direction.

        Direction 0 is to the right, further ones clockwise, as pictures are drawn.
        """
        small = _half(before), _half(after)
        size = -(-after.shape[1] // CELL), -(-after.shape[0] // CELL)
        one, two = (_padded(plane) for plane in small)
        found = self._flow.calc(one, two, np.zeros((*one.shape, 2), np.float32))
        inner = np.ascontiguousarray(found[: small[0].shape[0], : small[0].shape[1]])
        flow = cv2.resize(inner, size, interpolation=cv2.INTER_AREA) * HALF
        return quantised(np.asarray(flow, np.float32), _changed(*small, size), after.shape[1])


def quantised(flow: Flow, changed: Flags, width: int) -> Cells:
    """The values of cells that move by these samples a frame (rows, columns, 2), in a picture of this width."""
    speed = np.hypot(flow[..., 0], flow[..., 1])
    moving = ((speed > STILL) & changed).astype(np.uint8)
    around = cv2.boxFilter(moving, -1, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT)
    moving &= around >= 3
    share = np.sqrt(np.clip(speed / (REACH * width), 0, 1))
    level = np.minimum((share * SPEEDS).astype(np.int64), SPEEDS - 1)
    turn = np.arctan2(flow[..., 1], flow[..., 0]) / (2 * np.pi)
    direction = np.rint(turn * DIRECTIONS).astype(np.int64) % DIRECTIONS
    return np.asarray(np.where(moving == 1, 1 + level * DIRECTIONS + direction, 0), np.uint8)


def _changed(before: Plane, after: Plane, size: tuple[int, int]) -> Flags:
    """Cells whose samples differ by more than noise: three times what the calmest tenth of the picture differs by."""
    differs = cv2.resize(cv2.absdiff(before, after).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.blur(differs, (3, 3)) > max(LEAST_CHANGE, 3 * float(np.quantile(differs, 0.1))), bool)


def _half(plane: Plane) -> Plane:
    size = plane.shape[1] // HALF, plane.shape[0] // HALF
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.uint8)


def _padded(plane: Plane) -> Plane:
    """The plane with its last row and column repeated up to `LEAST_SIDE`."""
    below, beside = (max(0, LEAST_SIDE - side) for side in plane.shape)
    if not below and not beside:
        return plane
    return np.asarray(cv2.copyMakeBorder(plane, 0, below, 0, beside, cv2.BORDER_REPLICATE), np.uint8)
