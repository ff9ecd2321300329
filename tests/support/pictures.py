"""Pictures for tests: a real face that an installed package ships, and planes made from RGB."""

from __future__ import annotations

import importlib.util
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange, Colorspace

from schemas.frames import Planes, VideoFormat

Rgb = npt.NDArray[np.uint8]
ASTRONAUT_FACE = (182.0, 58.0, 270.0, 178.0)


def read_rgb(path: Path) -> Rgb:
    """A picture file as RGB."""
    return np.ascontiguousarray(cv2.imread(str(path))[:, :, ::-1])


def astronaut() -> Rgb:
    """Eileen Collins, 512x512 (NASA, public domain), from scikit-image: one face, at ASTRONAUT_FACE."""
    spec = importlib.util.find_spec("skimage")
    return read_rgb(Path(spec.submodule_search_locations[0]) / "data" / "astronaut.png")


def planes_of(rgb: Rgb, full_range: bool = False, matrix: int = 1) -> tuple[Planes, VideoFormat]:
    """The picture as YUV 4:2:0 of that range and matrix (1: BT.709, 6: BT.601)."""
    height, width = rgb.shape[:2]
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(
        format="yuv420p",
        dst_colorspace={1: Colorspace.ITU709, 6: Colorspace.ITU601}[matrix],
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.JPEG if full_range else ColorRange.MPEG,
    )
    planes = [np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size) for plane in frame.planes]
    sizes = [(height, width)] + [((height + 1) // 2, (width + 1) // 2)] * 2
    parts = [plane[:h, :w].copy() for plane, (h, w) in zip(planes, sizes, strict=True)]
    return Planes(*parts), VideoFormat(width, height, Fraction(1, 25), full_range=full_range, matrix=matrix)
