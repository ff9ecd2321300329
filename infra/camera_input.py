"""Opens files, RTSP cameras and V4L2 devices, and says what they deliver.

Only containers of video are taken, by name: libavformat would also read text as pictures, or follow a playlist to
other files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from infra.camera_convert import UPRIGHT, FormatRule, check_size, has_alpha, is_rgb, rotation_of, turn_of
from infra.camera_recode import usable_rate
from infra.camera_units import PLAIN
from schemas.errors import SourceError
from schemas.frames import SourceCodec

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
FINEST = 2**27 - 1
OPEN_S, READ_S = 10.0, 10.0
_CONTAINERS = frozenset(
    "mov mp4 matroska webm avi mpegts mpeg h264 hevc mjpeg gif flv asf ogg nut ivf mxf apng 3gp m4v mpegvideo "
    "yuv4mpegpipe rtsp v4l2 video4linux2 image2 jpeg_pipe png_pipe bmp_pipe webp_pipe tiff_pipe".split()
)
_INTERLACED = (2, 3, 4, 5)


@dataclass(slots=True)
class Input:
    """An open source. `codec` is set when its GOPs may stay as they are, else `why` says why they can't."""

    container: InputContainer
    stream: VideoStream
    live: bool
    rate: Fraction
    time_base: Fraction
    rule: FormatRule
    codec: SourceCodec | None
    why: str
    rotation: int
    width: int
    height: int

    def close(self) -> None:
        """Release the file or the connection."""
        self.container.close()


def is_live(src: str) -> bool:
    """A camera: an RTSP address or a V4L2 device."""
    return src.startswith(("rtsp://", "rtsps://")) or src.startswith("/dev/video")


def name_of(src: str) -> str:
    """The source for messages, without user name and password."""
    return re.sub(r"//[^/@]*@", "//", src)


@contextmanager
def _looked_at(src: str) -> Iterator[None]:
    """Turn a refusal of the file system into an error of ours."""
    try:
        yield
    except OSError as error:
        hint = "check its name, and that you may read it and enter its folders"
        raise SourceError(f"{name_of(src)}: can't be looked at ({error.strerror}); {hint}") from error


def is_folder(src: str) -> bool:
    """A folder of pictures.

    Raises:
        SourceError: it can't be looked at.

    """
    with _looked_at(src):
        return not is_live(src) and Path(src).is_dir()


def pictures_in(folder: Path) -> list[Path]:
    """Pictures of a folder in natural order (2 before 10).

    Raises:
        SourceError: there are none, or it can't be looked at.

    """
    with _looked_at(str(folder)):
        found = [path for path in folder.iterdir() if path.suffix.lower() in PICTURES and path.is_file()]
    if not found:
        raise SourceError(f"{folder}: no pictures in this folder; wanted: {' '.join(PICTURES)}")
    return sorted(found, key=lambda path: [int(p) if p.isdecimal() else p for p in re.split(r"(\d+)", path.name)])


def _check_file(src: str) -> None:
    """Refuse what is no file, an empty one, and one that the file system keeps to itself."""
    shown = name_of(src)
    with _looked_at(src):
        if not Path(src).is_file():
            raise SourceError(f"{shown}: no such file; give a video, a folder of pictures, rtsp://... or /dev/video...")
        if Path(src).stat().st_size == 0:
            raise SourceError(f"{shown}: the file is empty; was it copied completely?")
        Path(src).open("rb").close()


def _open(src: str) -> InputContainer:
    shown = name_of(src)
    options = {"rtsp_transport": "tcp", "max_delay": "0"} if src.startswith("rtsp") and is_live(src) else {}
    if not is_live(src):
        _check_file(src)
    try:
        container = av.open(
            src if is_live(src) else str(Path(src).absolute()), format="v4l2" if src.startswith("/dev/") else None,
            options=options, timeout=(OPEN_S, READ_S) if is_live(src) else None,
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        hint = "check address, user and password" if is_live(src) else "is it a video, and complete?"
        raise SourceError(f"{shown}: can't be opened ({type(error).__name__}); {hint}") from error
    if not _CONTAINERS & set(container.format.name.split(",")):
        container.close()
        raise SourceError(f"{shown}: {container.format.name} isn't a video that is taken; convert it to MP4 first")
    return container


def _stream(container: InputContainer, shown: str) -> VideoStream:
    """The first stream with moving pictures (not a cover)."""
    for stream in container.streams.video:
        if not stream.disposition & stream.disposition.attached_pic and stream.codec_context is not None:
            stream.codec_context.thread_count = 1
            return stream
    raise SourceError(f"{shown}: no video stream that can be decoded; convert it to H.264 first")


def _first_picture(src: str) -> VideoFrame:
    """Decode the first picture of a file: it knows size, kind and rotation for sure."""
    with _open(src) as container:
        stream = _stream(container, name_of(src))
        context = stream.codec_context
        if context.width and context.height:
            check_size(context.width, context.height)
        try:
            for frame in container.decode(stream):
                return frame
        except av.FFmpegError as error:
            raise SourceError(f"{name_of(src)}: the first pictures don't decode; is the file complete?") from error
    raise SourceError(f"{name_of(src)}: holds no picture that decodes; is the file complete?")


def open_input(src: str) -> Input:
    """Open a file or camera.

    Raises:
        SourceError: missing, empty, not a video, without pictures that decode, or of a size that can't be taken.

    """
    first = None if is_live(src) else _first_picture(src)
    container = _open(src)
    try:
        stream = _stream(container, name_of(src))
        context = stream.codec_context
        width, height = (first.width, first.height) if first else (context.width, context.height)
        check_size(width, height)
    except SourceError:
        container.close()
        raise
    time_base = stream.time_base or Fraction(1, 90000)
    if time_base.denominator > FINEST:
        time_base = Fraction(1, 1_000_000)
    colour = (int(context.color_range), int(context.color_primaries), int(context.color_trc), int(context.colorspace))
    turn = turn_of(first) if first else UPRIGHT
    why = _why_not(context.name, context.pix_fmt or "", width, height, int(context.field_order or 0), first)
    why = why or ("turned or mirrored pictures are put upright" if turn != UPRIGHT else "")
    return Input(
        container, stream, is_live(src), usable_rate(stream.average_rate, stream.guessed_rate), time_base,
        FormatRule(time_base, stream.sample_aspect_ratio, turn, colour),
        None if why else cast(SourceCodec, context.name), why, rotation_of(first) if first else 0, width, height,
    )


def _why_not(codec: str, pixels: str, width: int, height: int, order: int, first: VideoFrame | None) -> str:
    """Why the packets of a stream can't stay as they are, or an empty text."""
    if codec not in ("h264", "hevc"):
        return f"{codec} isn't H.264 or H.265"
    if width % 2 or height % 2:
        return f"odd size {width}x{height}: the last row or column is dropped"
    if first is not None and (is_rgb(first) or has_alpha(first)):
        return "RGB or alpha becomes 4:2:0"
    if pixels not in PLAIN:
        return f"{pixels} becomes 8-bit 4:2:0"
    if order in _INTERLACED or (first is not None and first.interlaced_frame):
        return "interlaced pictures are deinterlaced"
    return ""
