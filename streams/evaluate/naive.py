"""The naive way of masking, for comparison: each frame by itself, boxes as they are found, nothing carried over time.

The boxes are widened by one factor for a whole clip, so that the masked area is the same as that which it's compared
with; they lie on even samples, not on blocks. Every frame gets appearances of its own; keyed methods a key of its own.
Beside our scramble of few cells made anew in each frame stands that of samples, which others measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from operators.desensitise.base import Lasts, Method, Spot, appearance_key
from operators.pixels import copy
from schemas.frames import Planes, RawFrame, VideoFormat

Boxes = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
_SECRET = b"naive"
NARROWEST, WIDEST, HALVINGS = 0.3, 6.0, 18


@dataclass(frozen=True, slots=True)
class SampleScramble:
    """What is published as scrambling: a region's samples in another order, by a key of the frame."""

    name: str = "scramble_samples"
    lasts: Lasts = "frame"
    keyed: bool = True
    easy: bool = False

    def prepare(self, spot: Spot, key: bytes) -> bytes:
        """The key."""
        return key

    def paint(self, spot: Spot, appearance: bytes) -> None:
        """The samples of each plane, in an order drawn from the key."""
        order = np.random.default_rng(list(appearance))
        for plane in spot.planes.all():
            plane[:] = order.permutation(plane.reshape(-1)).reshape(plane.shape)


@dataclass(frozen=True, slots=True)
class Rect:
    """Even samples [top, bottom) x [left, right) of a picture."""

    top: int
    left: int
    bottom: int
    right: int

    def of(self, planes: Planes) -> Planes:
        """These samples as views."""
        half = np.s_[self.top // 2 : self.bottom // 2, self.left // 2 : self.right // 2]
        return Planes(planes.y[self.top : self.bottom, self.left : self.right], planes.u[half], planes.v[half])


def rects(boxes: Boxes, factor: float, video: VideoFormat) -> list[Rect]:
    """Boxes (n, 4) widened about their middles by `factor`, within the picture; those left without samples are out."""
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2 * factor
    low = np.floor(np.maximum(middle - half, 0) / 2).astype(int) * 2
    high = np.ceil(np.minimum(middle + half, (video.width, video.height)) / 2).astype(int) * 2
    found = [Rect(y1, x1, y2, x2) for (x1, y1), (x2, y2) in zip(low.tolist(), high.tolist(), strict=True)]
    return [one for one in found if one.top < one.bottom and one.left < one.right]


def masked(frame: Sequence[Rect], video: VideoFormat) -> Flags:
    """The luma samples (h, w) that these cover."""
    mask = np.zeros((video.height, video.width), bool)
    for one in frame:
        mask[one.top : one.bottom, one.left : one.right] = True
    return mask


def factor_of(frames: Sequence[Boxes], video: VideoFormat, samples: int) -> float:
    """The factor at which the boxes of all frames cover about so many luma samples in all."""
    low, high = NARROWEST, WIDEST
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        area = sum(int(masked(rects(boxes, middle, video), video).sum()) for boxes in frames if len(boxes))
        low, high = (middle, high) if area < samples else (low, middle)
    return (low + high) / 2


def painted(
    frames: Sequence[RawFrame], boxes: Sequence[Boxes], factor: float, video: VideoFormat, method: Method
) -> Iterator[Planes]:
    """The frames, each masked by itself."""
    for frame, found in zip(frames, boxes, strict=True):
        planes = copy(frame.planes)
        for number, rect in enumerate(rects(found, factor, video)):
            key = appearance_key(_SECRET, "", frame.frame_no, number)
            shown = method.prepare(Spot(rect.of(frame.planes)), key)
            method.paint(Spot(rect.of(planes)), shown)
        yield planes
