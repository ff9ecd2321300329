"""RGB pictures for models, made from YUV 4:2:0 planes by swscale: a scaled whole frame, or a crop.

Only what a model looks at is converted; the planes themselves stay as they are. Range and matrix of the video are
honoured; a video that names no matrix is read as BT.709 from 720 lines on, else as BT.601, as players do.
"""

from __future__ import annotations

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from schemas.frames import Plane, Planes, VideoFormat

Rgb = npt.NDArray[np.uint8]
DETECTION_SIDE = 640
_HD_LINES = 720
_MATRIX = {
    1: Colorspace.ITU709, 4: Colorspace.FCC, 5: Colorspace.ITU601, 6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M, 9: Colorspace.BT2020,
}  # fmt: skip


def picture_of(planes: Planes, video: VideoFormat, size: int = DETECTION_SIDE) -> tuple[Rgb, float, float]:
    """The whole frame as RGB (h, w, 3), its longer side at most `size`, never larger than the frame.

    Also returns scale_x, scale_y: samples of the frame per pixel of the picture (`rescale` takes them).
    """
    height, width = planes.y.shape
    ratio = min(1.0, size / max(width, height))
    target = max(1, round(width * ratio)), max(1, round(height * ratio))
    return rgb_of(planes, video, *target), width / target[0], height / target[1]


def shrunk(rgb: Rgb, size: int) -> tuple[Rgb, float]:
    """The picture with its longer side at most `size`, and how many of its pixels one pixel of the original is."""
    scale = min(1.0, size / max(rgb.shape[:2]))
    small = rgb if scale == 1 else cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(small, np.uint8), scale


def crop_rgb(
    planes: Planes, video: VideoFormat, box: tuple[float, float, float, float] | npt.NDArray[np.float32], margin: float
) -> tuple[Rgb, int, int]:
    """The region of `box` (xyxy), grown by `margin` of its size on each side, as RGB at native size.

    Also returns the frame's x and y of the crop's first pixel, both even. The crop stays inside the frame and is at
    least 2x2.
    """
    height, width = planes.y.shape
    x1, y1, x2, y2 = (float(v) for v in box)
    dx, dy = margin * (x2 - x1), margin * (y2 - y1)
    left, right = _even_span(x1 - dx, x2 + dx, width)
    top, bottom = _even_span(y1 - dy, y2 + dy, height)
    chroma = np.s_[top // 2 : (bottom + 1) // 2, left // 2 : (right + 1) // 2]
    part = Planes(planes.y[top:bottom, left:right], planes.u[chroma], planes.v[chroma])
    return rgb_of(part, video, right - left, bottom - top), left, top


def rgb_of(planes: Planes, video: VideoFormat, width: int, height: int) -> Rgb:
    """The planes as RGB (height, width, 3), scaled by swscale in the same pass.

    To more than half of the size OpenCV scales them before, in a third of the time.
    """
    lines, columns = planes.y.shape
    if lines < 2 * height and columns < 2 * width and (lines, columns) != (height, width):
        planes, lines, columns = _scaled(planes, width, height), height, width
    frame = av.VideoFrame(columns, lines, "yuv420p")
    for target, plane in zip(frame.planes, planes.all(), strict=True):
        _fill(target, plane)
    matrix = _MATRIX.get(video.matrix, Colorspace.ITU709 if video.height >= _HD_LINES else Colorspace.ITU601)
    same = (width, height) == (columns, lines)
    picture = frame.reformat(
        width=width,
        height=height,
        format="rgb24",
        src_colorspace=matrix,
        src_color_range=ColorRange.JPEG if video.full_range else ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
        interpolation=Interpolation.BICUBIC if same else Interpolation.BILINEAR,
        threads=1,
    )
    return np.ascontiguousarray(picture.to_ndarray())


def _scaled(planes: Planes, width: int, height: int) -> Planes:
    half = (width + 1) // 2, (height + 1) // 2
    sizes = zip(planes.all(), ((width, height), half, half), strict=True)
    return Planes(*(np.asarray(cv2.resize(p, size, interpolation=cv2.INTER_LINEAR), np.uint8) for p, size in sizes))


def _fill(target: av.video.plane.VideoPlane, plane: Plane) -> None:
    rows, columns = plane.shape
    buffer = np.frombuffer(memoryview(target), np.uint8).reshape(-1, target.line_size)
    buffer[:rows, :columns] = plane


def _even_span(low: float, high: float, limit: int) -> tuple[int, int]:
    """Whole samples from `low` to `high` inside 0..limit, the start even, at least 2 long."""
    start = max(0, min(int(low) // 2 * 2, (limit - 2) // 2 * 2))
    end = min(limit, max(start + 2, -(-int(np.ceil(high)) // 2) * 2))
    return start, end
