"""Packets of a camera's H.264 or H.265 as access units of their own, and whether a GOP can stay as it is.

Source: ITU-T H.264 7.4.1, H.265 7.4.2 (NAL unit types). Only slices and parameter sets are kept: SEI, delimiters and
filler never leave the camera. Parameter sets are put before every IDR picture, so that each GOP decodes alone. SEI of
H.264 goes as far as the decoder of what is encoded again: by its recovery points alone open GOPs begin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import av
from av.bitstream import BitStreamFilterContext
from av.codec.context import CodecContext
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from schemas.errors import SourceError
from schemas.frames import MAX_DECODED_BYTES, SourceCodec

_START = b"\x00\x00\x00\x01"
_KINDS = {1: "slice", 2: "slice", 3: "slice", 4: "slice", 5: "idr", 6: "hint", 7: "set", 8: "set"}
PLAIN = ("yuv420p", "yuvj420p")


@dataclass(frozen=True, slots=True)
class Item:
    """One packet: pts and duration in the stream's ticks, Annex B for H.264/H.265, else as it came.

    `sets` are the parameter sets before the picture; `leading`: pictures may follow that are shown before it.
    `packet`: as it came, for other codecs. `hints`: SEI for the decoder of `Recoder`; no chunk holds it.
    """

    pts: int | None
    duration: int
    data: bytes
    arrived_ms: int
    idr: bool = False
    hidden: bool = False
    leading: bool = False
    sets: bytes = b""
    packet: Packet | None = None
    hints: bytes = b""


def _split(data: bytes) -> list[bytes]:
    return [unit for part in data.split(b"\x00\x00\x01")[1:] if (unit := part.rstrip(b"\x00"))]


def _kind(unit: bytes, codec: SourceCodec) -> str:
    """`idr`, `radl` (IDR that may have leading pictures), `slice`, `set`, `hint` (SEI of H.264) or `other`."""
    if codec == "h264":
        return _KINDS.get(unit[0] & 31, "other")
    number = unit[0] >> 1 & 63
    if number in (19, 20):
        return "radl" if number == 19 else "idr"
    return "slice" if number < 32 else "set" if number in (32, 33, 34) else "other"


def _defined(unit: bytes, codec: SourceCodec) -> bool:
    """Whether the standard gives this type a meaning (H.264 and H.265, table 7-1): in damage it hardly has one."""
    return 1 <= unit[0] & 31 <= 21 if codec == "h264" else (unit[0] >> 1 & 63) <= 40


def _configured(data: bytes) -> list[bytes]:
    """Parameter sets of an H.264 configuration record (ISO/IEC 14496-15, 5.3.3.1); of a broken one what it holds."""
    found, place = list[bytes](), 5
    for bits in (31, 255):
        count, place = sum(data[place : place + 1]) & bits, place + 1
        for _ in range(count):
            length = int.from_bytes(data[place : place + 2])
            found.append(data[place + 2 : place + 2 + length])
            place += 2 + length
    return [unit for unit in found if unit]


class UnitReader:
    """Turns the packets of one stream into items."""

    def __init__(self, stream: VideoStream, codec: SourceCodec) -> None:
        self._codec = codec
        self._filter = BitStreamFilterContext(f"{codec}_mp4toannexb", stream)
        extra = stream.codec_context.extradata or b""
        if extra[:1] == b"\x01":
            self._sets = _configured(extra) if codec == "h264" else []
        else:
            self._sets = [unit for unit in _split(extra) if _kind(unit, codec) == "set"]
        self._begun = False

    def read(self, packet: Packet, arrived_ms: int) -> Item | None:
        """The access unit of a packet, or None for one without a picture.

        Raises:
            av.FFmpegError, SourceError: the packet isn't made of NAL units.

        """
        units: list[bytes] = []
        pts, duration, hidden = packet.pts, packet.duration or 0, packet.is_discard
        size = packet.size  # the filter takes the packet's bytes away
        for part in self._filter.filter(packet):
            units += _split(bytes(part))
        if size and not any(_defined(unit, self._codec) for unit in units):
            raise SourceError("a packet without NAL units")
        kinds = [_kind(unit, self._codec) for unit in units]
        sets = [unit for unit, kind in zip(units, kinds, strict=True) if kind == "set"]
        if any((unit[0] & 31) == 7 if self._codec == "h264" else (unit[0] >> 1 & 63) == 33 for unit in sets):
            self._sets = sets
        else:
            self._sets += [unit for unit in sets if unit not in self._sets]
        pictures = [unit for unit, kind in zip(units, kinds, strict=True) if kind in ("slice", "idr", "radl")]
        if not pictures:
            return None
        idr = "idr" in kinds or "radl" in kinds
        before = self._sets if idr or not self._begun else sets
        self._begun = True
        data = b"".join(_START + unit for unit in (*before, *pictures))
        hints = b"".join(_START + unit for unit, kind in zip(units, kinds, strict=True) if kind == "hint")
        return Item(pts, duration, data, arrived_ms, idr, hidden, "radl" in kinds, b"".join(before), hints=hints)


def decoder(codec: str) -> VideoCodecContext:
    """A fresh decoder of one thread that waits for the full reorder depth, so that no late picture is dropped."""
    context = cast(VideoCodecContext, CodecContext.create(codec, "r"))
    context.thread_count = 1
    context.options = {"strict": "1"}
    return context


def check_gop(items: list[Item], codec: SourceCodec) -> tuple[list[int], VideoFrame] | str:
    """Decode a GOP as the pipeline will: the indices of `items` in presentation order and the first picture.

    A text instead says why the GOP can't stay as it is.
    """
    context = decoder(codec)
    context.options = {"strict": "1", "err_detect": "explode", "max_pixels": str(MAX_DECODED_BYTES)}
    order: list[int] = []
    first: VideoFrame | None = None
    try:
        for index in range(len(items) + 1):
            packet = Packet(items[index].data) if index < len(items) else None
            if packet is not None:
                packet.pts = index
            for frame in context.decode(packet):
                if frame.is_corrupt or frame.pts is None:
                    return "damaged pictures"
                first = frame if first is None else first
                if (frame.width, frame.height) != (first.width, first.height):
                    return "pictures of several sizes"
                if frame.format.name not in PLAIN or frame.width % 2 or frame.height % 2:
                    return f"{frame.format.name} {frame.width}x{frame.height} becomes 8-bit 4:2:0 of even size"
                if frame.interlaced_frame:
                    return "interlaced pictures are deinterlaced"
                order.append(frame.pts)
    except av.FFmpegError:
        return "pictures that don't decode"
    if first is None or sorted(order) != list(range(len(items))):
        return f"{len(order)} pictures in {len(items)} packets"
    times = [pts for index in order if (pts := items[index].pts) is not None]
    if len(times) == len(items) and any(b <= a for a, b in zip(times, times[1:], strict=False)):
        return "times that disagree with the order of pictures"
    return order, first
