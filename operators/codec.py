"""Chunk bytes to planes and back, in memory (PyAV: libavcodec, libx264).

One thread everywhere: x264 gives other bytes for other thread counts. Planes stay YUV 4:2:0 as decoded. Limits are
checked before a decoder runs, and the decoder is told not to allocate pictures larger than promised.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import chain, islice, repeat, zip_longest

import av
import numpy as np
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from operators import annexb
from operators.interest import Interest
from operators.lending import PictureMemory
from operators.pixels import BlockRect
from schemas.errors import ChunkTooLarge, MalformedRecord, UndecodableChunk
from schemas.frames import (
    MAX_CODED_BYTES,
    MAX_DECODED_BYTES,
    MAX_SIDE,
    CodedUnit,
    DecodedChunk,
    FrameChunk,
    Plane,
    Planes,
    RawFrame,
    SourceCodec,
    VideoFormat,
)

_FORMATS = ("yuv420p", "yuvj420p")
_FULL_RANGE, _LIMITED_RANGE = 2, 1


def decode(chunk: FrameChunk) -> DecodedChunk:
    """The pictures of a chunk in presentation order, read-only, each in memory of its own.

    Raises:
        ChunkTooLarge: over the limits of a chunk; nothing was decoded.
        UndecodableChunk: damaged, another size or format than promised, or not one picture per unit.

    """
    where = f"{chunk.video_id} chunk {chunk.chunk_seq}"
    width, height = chunk.format.width, chunk.format.height
    _check_limits(chunk.units, width, height, where, MAX_CODED_BYTES, MAX_DECODED_BYTES)
    pictures = _decode(chunk.units, chunk.codec, width, height, where)
    frames = tuple(
        RawFrame(chunk.first_frame + index, pts, planes)
        for index, (pts, planes) in enumerate(zip(chunk.pts, pictures, strict=True))
    )
    return DecodedChunk(chunk, frames)


def decode_units(
    units: Sequence[CodedUnit], codec: SourceCodec, width: int, height: int, max_coded: int = MAX_CODED_BYTES,
    max_decoded: int = MAX_DECODED_BYTES, wanted: Container[int] | None = None,
) -> list[Planes]:
    """Pictures of any run of coded units, in presentation order; errors as `decode`.

    `wanted`: times of the pictures that are given back, all for None.
    """
    _check_limits(units, width, height, "coded units", max_coded, max_decoded)
    return _decode(units, codec, width, height, "coded units", wanted)


def _check_limits(
    units: Sequence[CodedUnit], width: int, height: int, where: str, max_coded: int, max_decoded: int
) -> None:
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise ChunkTooLarge(f"{where}: {width}x{height} is over {MAX_SIDE} a side")
    if width % 2 or height % 2:
        raise UndecodableChunk(f"{where}: {width}x{height} has an odd side")
    coded, decoded = sum(len(unit.data) for unit in units), len(units) * width * height * 3 // 2
    if coded > max_coded or decoded > max_decoded:
        raise ChunkTooLarge(f"{where}: {coded} bytes coded, {decoded} decoded")
    if not units or len({unit.pts for unit in units}) != len(units):
        raise UndecodableChunk(f"{where}: no units, or two with one time")


def _decode(
    units: Sequence[CodedUnit], codec: SourceCodec, width: int, height: int, where: str,
    wanted: Container[int] | None = None,
) -> list[Planes]:
    context = CodecContext.create(codec, "r")
    context.thread_count = 1
    # strict: wait for the full reorder depth where the stream doesn't state it, else late B-frames are dropped.
    context.options = {"strict": "1", "err_detect": "explode", "max_pixels": str((width + 64) * (height + 64))}
    chosen = {index for index, unit in enumerate(units) if wanted is None or unit.pts in wanted}
    order: list[int | None] = []
    pictures: list[Planes] = []
    memory = PictureMemory(width, height, len(chosen))
    try:
        for frame in islice(_frames(context, units), len(units) + 1):
            _check(frame, memory, where)
            order.append(frame.pts)
            if frame.pts in chosen:
                pictures.append(_planes(frame, memory))
    except av.FFmpegError as error:
        raise UndecodableChunk(f"{where}: {type(error).__name__} in the {codec} decoder") from error
    if order != sorted(range(len(units)), key=lambda index: units[index].pts):
        raise UndecodableChunk(f"{where}: {len(order)} pictures of {len(units)} units, or in another order")
    return pictures


def _plane(frame: VideoFrame, index: int) -> Plane:
    """One plane of a PyAV frame as a view (h, w) that keeps the frame alive."""
    plane = frame.planes[index]
    flat = np.frombuffer(memoryview(plane), np.uint8)[: plane.line_size * plane.height]
    return flat.reshape(plane.height, plane.line_size)[:, : plane.width]


def _frames(context: VideoCodecContext, units: Sequence[CodedUnit]) -> Iterator[VideoFrame]:
    """What the decoder gives, each picture named by the index of its unit."""
    for index, unit in enumerate(units):
        packet = av.Packet(unit.data)
        packet.pts = index
        yield from context.decode(packet)
    yield from context.decode(None)


def _check(frame: VideoFrame, memory: PictureMemory, where: str) -> None:
    promised = (frame.width, frame.height) == (memory.width, memory.height) and frame.format.name in _FORMATS
    if not promised or frame.is_corrupt:
        raise UndecodableChunk(f"{where}: damaged, or {frame.format.name} {frame.width}x{frame.height}")


def _planes(frame: VideoFrame, memory: PictureMemory) -> Planes:
    """A picture in memory of its own: the decoder's pool gives none back before all its pictures are gone."""
    planes = memory.picture()
    for index, plane in enumerate(planes.all()):
        np.copyto(plane, _plane(frame, index))
        plane.flags.writeable = False
    return planes


def _fill(frame: VideoFrame, planes: Planes) -> VideoFrame:
    for index, plane in enumerate(planes.all()):
        np.copyto(_plane(frame, index), plane)
    return frame


def _check_times(pts: Sequence[int], format: VideoFormat) -> None:
    if not pts or any(b <= a for a, b in zip(pts, pts[1:], strict=False)):
        raise MalformedRecord(f"the {len(pts)} times of pictures must ascend")
    if format.width % 2 or format.height % 2 or not (0 < format.width <= MAX_SIDE and 0 < format.height <= MAX_SIDE):
        raise MalformedRecord(f"{format.width}x{format.height} can't be encoded: even sides up to {MAX_SIDE}")


def _timed(frames: Iterable[Planes], pts: Sequence[int], format: VideoFormat) -> Iterator[tuple[Planes, int]]:
    """Pictures with their times, checked as they come."""
    full, half = (format.height, format.width), (format.height // 2, format.width // 2)
    for planes, time in zip_longest(frames, pts):
        if planes is None or time is None:
            raise MalformedRecord(f"not as many pictures as the {len(pts)} times")
        if [plane.shape for plane in planes.all()] != [full, half, half]:
            raise MalformedRecord(f"a picture that isn't {format.width}x{format.height} 4:2:0")
        yield planes, time


def _rate(pts: Sequence[int], time_base: Fraction) -> Fraction:
    """Mean frames per second, for the encoder's rate control only."""
    if len(pts) < 2:
        return Fraction(25)
    rate = Fraction(len(pts) - 1) / ((pts[-1] - pts[0]) * time_base)
    return min(max(rate, Fraction(1, 10)), Fraction(1000)).limit_denominator(1001)


def encode(
    frames: Iterable[Planes],
    pts: Sequence[int],
    format: VideoFormat,
    *,
    crf: float = 23.0,
    preset: str = "veryfast",
    lossless: bool = False,
    tune: str = "",
    extra: str = "",
    easy: Iterable[Sequence[BlockRect]] = (),
) -> tuple[CodedUnit, ...]:
    """One closed GOP of H.264, in decoding order, parameter sets in band, no SEI. Equal input gives equal bytes.

    `frames` are read one by one, so they may be made as they are read.

    `pts` are ascending ticks of `format.time_base` at any rate. `lossless`: every sample comes back (qp 0, profile
    High 4:4:4 Predictive, for evidence only); `crf` is then ignored. `tune`: x264's, `psnr` where samples count, not
    looks; `extra`: more of its parameters, as `x264-params` takes them. `easy`: of each picture, the blocks that may be
    coded more coarsely.

    Raises:
        MalformedRecord: pictures of another size, odd sides, or times that don't ascend.

    """
    _check_times(pts, format)
    context, interest = _encoder(pts, format, crf, preset, lossless, tune, extra), Interest(format)
    packets, picture = [], VideoFrame(format.width, format.height, "yuv420p")
    for (planes, time), rects in zip(_timed(frames, pts, format), chain(easy, repeat(())), strict=False):
        # x264 copies a picture before `encode` returns, so that all lie in the same memory.
        frame = interest.marked(_fill(picture, planes), rects)
        # Relative times: the same pictures give the same bytes wherever they stand in the video.
        frame.pts, frame.time_base = time - pts[0], format.time_base
        packets += context.encode(frame)
    packets += context.encode(None)
    units = tuple(CodedUnit(pts[0] + (packet.pts or 0), annexb.strip(bytes(packet))) for packet in packets)
    if sorted(unit.pts for unit in units) != list(pts):
        raise MalformedRecord("the encoder didn't return one unit per picture at its time")
    return units


def _encoder(
    pts: Sequence[int], format: VideoFormat, crf: float, preset: str, lossless: bool, tune: str, extra: str
) -> VideoCodecContext:
    context = CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = format.width, format.height, "yuv420p"
    context.time_base, context.framerate = format.time_base, _rate(pts, format.time_base)
    context.sample_aspect_ratio = format.sample_aspect
    context.color_range = _FULL_RANGE if format.full_range else _LIMITED_RANGE
    context.color_primaries, context.color_trc, context.colorspace = format.primaries, format.transfer, format.matrix
    context.thread_count = 1
    quality = {"qp": "0"} if lossless else {"crf": f"{crf:g}", "profile": "high"}
    gop = f"keyint={len(pts)}:min-keyint=1:scenecut=0:open-gop=0"
    # x264's vector code for mbtree reads memory that nobody set, and gave 2 to 27 results in 30 runs at some widths.
    repeats = "threads=1:lookahead-threads=1:cpu-independent=1"
    tuned = {"tune": tune} if tune else {}
    params = ":".join(filter(None, (gop, repeats, extra)))
    context.options = {"preset": preset, "x264-params": params, **tuned, **quality}
    return context
