"""Any decoded picture to progressive 8-bit YUV 4:2:0 with even sides: the rules, once.

- 4:2:0 of 8 bits, limited or full range: samples stay as they are.
- Full range stays full range; colour tags and sample aspect travel in the `VideoFormat`.
- Turned and mirrored pictures (a phone's, by its display matrix or Exif) are put upright: networks know upright faces,
  and zones are meant as people see the picture.
- 10 and 12 bits, 4:2:2, 4:4:4, grey: swscale, range and matrix kept. HDR (PQ, HLG) keeps its transfer and primaries
  at 8 bits; players map it by those tags.
- RGB and palettes: to BT.601 limited range, tagged so. Alpha: over black.
- Interlaced: bwdif, one picture per frame.
- Odd sides: the last column or row is dropped.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal, cast

import av
import numpy as np
from av.filter import Graph
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace

from infra.camera_units import PLAIN
from schemas.errors import SourceError
from schemas.frames import MAX_CODE_POINT, MAX_DECODED_BYTES, MAX_SIDE, Plane, Planes, VideoFormat

MIN_SIDE = 16
_UNSPECIFIED = 2
_EXIF = 31
"""The newest kind of side data that FFmpeg 8 has (`AVFrameSideDataType`)."""
_RGB = (1, 13, 6)


def check_size(width: int, height: int) -> None:
    """Refuse sizes that no chunk can hold.

    Raises:
        SourceError: a side under 16 or over 8192 pixels, or one picture over 96 MiB.

    """
    if not (MIN_SIDE <= width <= MAX_SIDE and MIN_SIDE <= height <= MAX_SIDE):
        raise SourceError(f"pictures of {width}x{height}: {MIN_SIDE} to {MAX_SIDE} a side are taken; scale it first")
    if width * height * 3 // 2 > MAX_DECODED_BYTES:
        raise SourceError(f"pictures of {width}x{height} are over {MAX_DECODED_BYTES >> 20} MiB each; scale it first")


def _over_black(frame: VideoFrame) -> VideoFrame:
    rgba = frame.to_ndarray(format="rgba").astype(np.uint16)
    rgb = (rgba[..., :3] * rgba[..., 3:] + 127) // 255
    return VideoFrame.from_ndarray(rgb.astype(np.uint8), format="rgb24")


def _arrays(frame: VideoFrame) -> Planes:
    """The three planes as read-only views, odd last rows and columns dropped."""
    width, height = frame.width & ~1, frame.height & ~1
    views = []
    for index, (rows, columns) in enumerate([(height, width), (height // 2, width // 2), (height // 2, width // 2)]):
        plane = frame.planes[index]
        flat = np.frombuffer(memoryview(plane), np.uint8)[: plane.line_size * plane.height]
        view = flat.reshape(plane.height, plane.line_size)[:rows, :columns]
        view.flags.writeable = False
        views.append(view)
    return Planes(*views)


@dataclass(frozen=True, slots=True)
class Turn:
    """What puts a picture upright: rows and columns swapped, then left and right, then top and bottom."""

    swapped: bool = False
    left_right: bool = False
    top_bottom: bool = False

    def plane(self, plane: Plane) -> Plane:
        """A plane upright, in memory of its own, read-only."""
        turned = plane.T if self.swapped else plane
        turned = turned[:, ::-1] if self.left_right else turned
        upright = np.ascontiguousarray(turned[::-1] if self.top_bottom else turned)
        upright.flags.writeable = False
        return upright


UPRIGHT = Turn()


def turn_of(frame: VideoFrame) -> Turn:
    """What a picture's display matrix asks for (ISO/IEC 14496-12, 6.2.2: x' = ax + cy, y' = bx + dy), by quarters."""
    matrix = _matrix(frame)
    if matrix is None:
        return UPRIGHT
    a, b, _, c, d = struct.unpack("=5i", matrix[:20])
    if abs(b) + abs(c) > abs(a) + abs(d):
        return Turn(True, c < 0, b < 0)
    return Turn(False, a < 0, d < 0)


def _matrix(frame: VideoFrame) -> bytes | None:
    """The display matrix; PyAV refuses all side data where a kind is newer than it knows, as Exif: those go first."""
    shown: Any = frame
    try:
        found: Any = frame.side_data
    except ValueError:
        graph = Graph()
        known = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 25))
        newer = [graph.add("sidedata", f"mode=delete:type={kind}") for kind in range(len(Type), _EXIF + 1)]
        graph.link_nodes(known, *newer, graph.add("buffersink")).configure()
        graph.push(frame)
        shown = graph.pull()
        found = shown.side_data
    matrix = found.get("DISPLAYMATRIX")
    return None if matrix is None else bytes(matrix)  # read before `shown` goes, whose memory it is


def rotation_of(frame: VideoFrame) -> Literal[0, 90, 180, 270]:
    """Clockwise degrees of the picture's display matrix, to the nearest quarter turn."""
    return cast(Literal[0, 90, 180, 270], round(-frame.rotation / 90) % 4 * 90)


class FormatRule:
    """What the container says about the pictures, where they don't say it themselves."""

    def __init__(
        self,
        time_base: Fraction,
        aspect: Fraction | None,
        turn: Turn,
        colour: tuple[int, int, int, int],
    ) -> None:
        """`colour` is range (2 = full), primaries, transfer, matrix of the container."""
        self._time_base, self.turn, self._colour = time_base, turn, colour
        aspect = aspect if aspect and aspect > 0 else Fraction(1)
        self._aspect = 1 / aspect if turn.swapped else aspect

    def of(self, frame: VideoFrame) -> VideoFormat:
        """The format of the pictures that `Converter` makes of this one."""
        said = (int(frame.color_primaries), int(frame.color_trc), int(frame.colorspace))
        tags = [a if a not in (0, _UNSPECIFIED) else b for a, b in zip(said, self._colour[1:], strict=True)]
        tags = [tag if 0 < tag <= MAX_CODE_POINT else _UNSPECIFIED for tag in tags]
        range_ = int(frame.color_range) or self._colour[0]
        full = frame.format.name.startswith("yuvj") or range_ == int(ColorRange.JPEG)
        if is_rgb(frame):
            tags, full = list(_RGB), False
        width, height = frame.width & ~1, frame.height & ~1
        width, height = (height, width) if self.turn.swapped else (width, height)
        format = VideoFormat(width, height, self._time_base, full, tags[0], tags[1], tags[2], self._aspect)
        # some files name sides of samples that there can't be
        return format if format.can_be_shown else replace(format, sample_aspect=Fraction(1))


def is_rgb(frame: VideoFrame) -> bool:
    """RGB, palette or with alpha: goes through RGB."""
    return frame.format.is_rgb or frame.format.has_palette or has_alpha(frame)


def has_alpha(frame: VideoFrame) -> bool:
    """The pixel format has an alpha component (or a palette, which may)."""
    return frame.format.has_palette or any(part.is_alpha for part in frame.format.components)


class Converter:
    """Pictures of one stream to planes; holds a deinterlacer once an interlaced picture has come."""

    def __init__(self, rule: FormatRule) -> None:
        self._rule = rule
        self._graph: Graph | None = None
        self._shape: tuple[int, int, str] = (0, 0, "")
        self._waiting: list[int | None] = []

    def feed(self, frame: VideoFrame) -> list[tuple[int | None, Planes, VideoFormat]]:
        """Pictures that are ready: pts as it came, planes, format.

        Raises:
            SourceError: a size that can't be taken.

        """
        check_size(frame.width, frame.height)
        done = []
        shape = (frame.width, frame.height, frame.format.name)
        if self._graph is not None and shape != self._shape:
            done += self.flush()
        if self._graph is None and not frame.interlaced_frame:
            return [*done, self._convert(frame, frame.pts)]
        if self._graph is None:
            self._graph, self._shape = self._deinterlacer(frame), shape
        self._waiting.append(frame.pts)
        frame.pts, frame.time_base = len(self._waiting), Fraction(1, 25)
        self._graph.push(frame)
        return done + self._pull()

    def flush(self) -> list[tuple[int | None, Planes, VideoFormat]]:
        """The rest, at the end of a stretch."""
        if self._graph is None:
            return []
        self._graph.push(None)
        done = self._pull()
        self._graph, self._waiting = None, []
        return done

    def _deinterlacer(self, frame: VideoFrame) -> Graph:
        graph = Graph()
        source = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 25)
        )
        bwdif = graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
        sink = graph.add("buffersink")
        source.link_to(bwdif)
        bwdif.link_to(sink)
        graph.configure()
        return graph

    def _pull(self) -> list[tuple[int | None, Planes, VideoFormat]]:
        done: list[tuple[int | None, Planes, VideoFormat]] = []
        while self._graph is not None:
            try:
                frame = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                break
            done.append(self._convert(cast(VideoFrame, frame), self._waiting.pop(0)))
        return done

    def _convert(self, frame: VideoFrame, pts: int | None) -> tuple[int | None, Planes, VideoFormat]:
        format = self._rule.of(frame)
        if is_rgb(frame):
            frame = _over_black(frame) if has_alpha(frame) else frame
            frame = frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU601, dst_color_range=ColorRange.MPEG)
        elif frame.format.name not in PLAIN:
            kept = ColorRange.JPEG if format.full_range else ColorRange.MPEG
            frame = frame.reformat(format="yuv420p", src_color_range=kept, dst_color_range=kept)
        planes, turn = _arrays(frame), self._rule.turn
        return pts, planes if turn == UPRIGHT else Planes(*map(turn.plane, planes.all())), format
