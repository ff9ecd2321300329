"""CMAF: one constant init segment for a video, one fragment (moof + mdat) for a chunk.

Source: ISO/IEC 14496-12 (boxes), 14496-15 5.4 (`avc3`: parameter sets in band), 23000-19 (CMAF, brand `cmfc`).
Written here, not by a muxer, so that bytes depend on the arguments alone.

Times. Presentation times are pts - `origin` (the video's first pts). Each unit's duration is the display time of its
own picture (players seek by it), so decode times tile [first pts, end pts) and fragments follow each other seamlessly,
whatever encoders made them. Composition offsets are never negative (libavformat shifts pictures for those by an amount
that it only learns as it reads): they hold a constant delay of 2 s, which the init segment's edit list takes off again.
Where pictures wait for longer (B-frames under about 2 a second), units are decoded early and durations differ.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence
from fractions import Fraction

from operators import annexb
from schemas.errors import MalformedRecord
from schemas.frames import CodedUnit, VideoFormat

TRACK = 1
_SYNC, _DELTA = 0x02000000, 0x01010000
_TRUN = 0x000001 | 0x000100 | 0x000200 | 0x000400 | 0x000800
_TFHD = 0x020000
_DELAY_S = 2
_ONE = 0x10000
# Clockwise rotation for display: a, b, c, d of the matrix x' = ax + cy + tx, y' = bx + dy + ty.
_MATRICES = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
_UNITY = struct.pack(">9i", _ONE, 0, 0, 0, _ONE, 0, 0, 0, 0x40000000)


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def _full(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags), *parts)


def _matrix(format: VideoFormat, width: int, height: int) -> bytes:
    a, b, c, d = _MATRICES[format.rotation]
    tx = width if a < 0 else height if c < 0 else 0
    ty = height if d < 0 else width if b < 0 else 0
    return struct.pack(">9i", a * _ONE, b * _ONE, 0, c * _ONE, d * _ONE, 0, tx * _ONE, ty * _ONE, 0x40000000)


def _sample_entry(format: VideoFormat) -> bytes:
    aspect = format.sample_aspect
    # High profile, level 5.1, four-byte lengths, no parameter sets here: they stand in the samples.
    avcc = bytes((1, 100, 0, 51, 0xFF, 0xE0, 0, 0xFD, 0xF8, 0xF8, 0))
    colour = struct.pack(">4sHHHB", b"nclx", format.primaries, format.transfer, format.matrix, format.full_range << 7)
    return _box(
        b"avc3",
        struct.pack(">6xH16xHHIII H32sHh", 1, format.width, format.height, 72 << 16, 72 << 16, 0, 1, b"", 24, -1),
        _box(b"avcC", avcc),
        _box(b"colr", colour),
        _box(b"pasp", struct.pack(">II", aspect.numerator, aspect.denominator)),
    )


def _edits(format: VideoFormat) -> bytes:
    """Edit list that takes the constant delay off."""
    delay = format.time_base.denominator * _DELAY_S
    if delay >= 2**31:
        raise MalformedRecord(f"time base {format.time_base} is too fine: under {2**30} ticks a second")
    return _box(b"edts", _full(b"elst", 0, 0, struct.pack(">IIiI", 1, 0, delay, _ONE)))


def init_segment(format: VideoFormat) -> bytes:
    """`ftyp` + `moov`: the same for every fragment of a video.

    Raises:
        MalformedRecord: a time base finer than 2**30 ticks a second.

    """
    width, height = round(format.width * format.sample_aspect), format.height
    handler = _full(b"hdlr", 0, 0, struct.pack(">4x4s12x", b"vide"), b"video\x00")
    tables = (_full(name, 0, 0, bytes(4)) for name in (b"stts", b"stsc", b"stco"))
    samples = _box(
        b"stbl", _full(b"stsd", 0, 0, struct.pack(">I", 1), _sample_entry(format)), *tables,
        _full(b"stsz", 0, 0, bytes(8)),
    )
    data = _box(b"dinf", _full(b"dref", 0, 0, struct.pack(">I", 1), _full(b"url ", 0, 1)))
    media = _box(
        b"mdia",
        _full(b"mdhd", 0, 0, struct.pack(">8xIIHH", format.time_base.denominator, 0, 0x55C4, 0)),
        handler,
        _box(b"minf", _full(b"vmhd", 0, 1, bytes(8)), data, samples),
    )
    header = _full(
        b"tkhd", 0, 3, struct.pack(">8xI4xI8xhhhH", TRACK, 0, 0, 0, 0, 0), _matrix(format, width, height),
        struct.pack(">II", width << 16, height << 16),
    )
    movie = _full(b"mvhd", 0, 0, struct.pack(">8xIIIH10x", 1000, 0, _ONE, 0x100), _UNITY, bytes(24),
                  struct.pack(">I", TRACK + 1))
    extends = _box(b"mvex", _full(b"trex", 0, 0, struct.pack(">IIIII", TRACK, 1, 0, 0, 0)))
    brands = _box(b"ftyp", struct.pack(">4sI", b"iso6", 0), b"iso6cmfcmp41")
    return brands + _box(b"moov", movie, _box(b"trak", header, _edits(format), media), extends)


def fragment(
    units: Sequence[CodedUnit], end_pts: int, sequence: int, format: VideoFormat, origin: int = 0
) -> bytes:
    """`moof` + `mdat` of units in decoding order; `sequence` counts fragments of the video from 1.

    `origin` is the first pts of the video. Only slices and parameter sets go in; the first unit is an IDR picture.

    Raises:
        MalformedRecord: no units, two at one time, times before `origin` or at or after `end_pts`, or an odd order.

    """
    times = [unit.pts for unit in units]
    if not times or len(set(times)) != len(times) or not origin <= min(times) == times[0] or max(times) >= end_pts:
        raise MalformedRecord("fragment without units, or with times that don't fit")
    step, delay = format.time_base.numerator, format.time_base.denominator * _DELAY_S
    samples = [annexb.strip(unit.data) for unit in units]
    coded = [annexb.to_lengths(sample) for sample in samples]
    shown = [step * (time - origin) for time in times]
    end = step * (end_pts - origin)
    decoded = [*_decode_times(shown, end, delay), end]
    try:
        table = b"".join(
            struct.pack(">IIII", following - time, len(data), _SYNC if _is_idr(sample) else _DELTA, pts + delay - time)
            for time, following, data, sample, pts in zip(
                decoded, decoded[1:], coded, samples, shown, strict=False
            )
        )
        head = _moof(sequence, decoded[0], table, 0)
    except struct.error as error:
        raise MalformedRecord("fragment with a number, duration or time out of range") from error
    return _moof(sequence, decoded[0], table, len(head) + 8) + _box(b"mdat", *coded)


def _decode_times(shown: Sequence[int], end: int, delay: int) -> list[int]:
    """Decode times from shown[0]: each unit lasts as long as its own picture, and none is later than it is needed."""
    order = [*sorted(shown), end]
    lasts = dict(zip(order, (after - time for time, after in itertools.pairwise(order)), strict=False))
    tiled = itertools.accumulate((lasts[time] for time in shown[:-1]), initial=shown[0])
    needed = list(itertools.accumulate(reversed(shown), min))[::-1]
    return [min(time, first + delay) for time, first in zip(tiled, needed, strict=True)]


def _is_idr(data: bytes) -> bool:
    return any(annexb.kind(unit) == annexb.IDR for unit in annexb.split(data))


def _moof(sequence: int, decode_time: int, table: bytes, offset: int) -> bytes:
    return _box(
        b"moof",
        _full(b"mfhd", 0, 0, struct.pack(">I", sequence)),
        _box(
            b"traf",
            _full(b"tfhd", 0, _TFHD, struct.pack(">I", TRACK)),
            _full(b"tfdt", 1, 0, struct.pack(">Q", decode_time)),
            _full(b"trun", 0, _TRUN, struct.pack(">Ii", len(table) // 16, offset), table),
        ),
    )


def parse_fragment(data: bytes, format: VideoFormat, origin: int = 0) -> tuple[list[CodedUnit], int]:
    """Units (Annex B, pts with `origin`, decoding order) and end pts of a fragment that `fragment` wrote.

    Strict: any other box, flag, order or rest is refused, and writing the result again gives the same bytes.

    Raises:
        MalformedRecord: not such a fragment.

    """
    try:
        sequence, units, end_pts = _read(data, format.time_base, origin)
    except (struct.error, IndexError, OverflowError) as error:
        raise MalformedRecord("fragment ends early") from error
    if fragment(units, end_pts, sequence, format, origin) != data:
        raise MalformedRecord("fragment isn't written by the rules")
    return units, end_pts


def _read(data: bytes, time_base: Fraction, origin: int) -> tuple[int, list[CodedUnit], int]:
    """Read the fixed layout of `_moof`; the caller checks it by writing it again."""
    step, delay = time_base.numerator, time_base.denominator * _DELAY_S
    (size,) = struct.unpack_from(">I", data, 0)
    (sequence,) = struct.unpack_from(">I", data, 20)
    (start,) = struct.unpack_from(">Q", data, 60)
    (count,) = struct.unpack_from(">I", data, 80)
    if data[4:8] != b"moof" or size != 88 + 16 * count or size + 8 > len(data):
        raise MalformedRecord("not a fragment of one track")
    units, at, time = [], size + 8, start
    for row in struct.iter_unpack(">IIII", data[88:size]):
        duration, length, _, offset = row
        shown = time + offset - delay
        if at + length > len(data) or shown % step:
            raise MalformedRecord("fragment with a sample that doesn't fit")
        units.append(CodedUnit(shown // step + origin, annexb.from_lengths(data[at : at + length])))
        at, time = at + length, time + duration
    if time % step:
        raise MalformedRecord("fragment with an end between ticks")
    return sequence, units, time // step + origin
