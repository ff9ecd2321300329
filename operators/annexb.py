"""H.264 byte streams: NAL units, their order, and what may go out unchanged.

Source: ITU-T H.264 (08/2021) 7.3.1 (NAL unit), 7.3.2.1 (sequence parameter set), 7.3.2.2 (picture parameter set),
7.3.3 (slice header), Annex B; ISO/IEC 14496-15 5.3 (length-prefixed samples). Nothing here decodes a picture.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from schemas.errors import MalformedRecord
from schemas.frames import FrameChunk

SLICE, IDR, SEI, SPS, PPS, AUD, END_SEQUENCE, END_STREAM, FILLER = 1, 5, 6, 7, 8, 9, 10, 11, 12
KEPT = frozenset({SLICE, IDR, SPS, PPS})
DROPPED = frozenset({SEI, AUD, END_SEQUENCE, END_STREAM, FILLER})
START_CODE = b"\x00\x00\x00\x01"
PROFILES = frozenset({66, 77, 100})
_WITH_CHROMA = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_MAX_PARAMETER_BYTES = 256


def split(data: bytes) -> list[bytes]:
    """NAL units of an Annex B byte stream, without start codes and trailing zero bytes.

    Raises:
        MalformedRecord: the stream doesn't begin with a start code, or holds an empty unit.

    """
    head, *units = data.split(b"\x00\x00\x01")
    if head.strip(b"\x00") or not units:
        raise MalformedRecord("byte stream without a start code")
    units = [unit.rstrip(b"\x00") for unit in units]
    if not all(units):
        raise MalformedRecord("byte stream with an empty NAL unit")
    return units


def join(units: Iterable[bytes]) -> bytes:
    """Annex B byte stream of these NAL units."""
    return b"".join(START_CODE + unit for unit in units)


def kind(unit: bytes) -> int:
    """nal_unit_type of an H.264 NAL unit."""
    return unit[0] & 0x1F


def is_reference(data: bytes) -> bool:
    """Whether other pictures may be predicted from this access unit's: nal_ref_idc of its slices isn't 0."""
    return any(unit[0] & 0x60 for unit in split(data) if kind(unit) in (SLICE, IDR))


def strip(data: bytes) -> bytes:
    """The same access unit with its slices and parameter sets only: no SEI, delimiter, filler or unknown unit."""
    return join(unit for unit in split(data) if kind(unit) in KEPT)


def to_lengths(data: bytes) -> bytes:
    """Annex B to units with a four-byte length in front."""
    return b"".join(struct.pack(">I", len(unit)) + unit for unit in split(data))


def from_lengths(data: bytes) -> bytes:
    """Units with a four-byte length in front to Annex B.

    Raises:
        MalformedRecord: a length of zero, or one that reaches over the end.

    """
    units, at = [], 0
    while at < len(data):
        if at + 4 > len(data):
            raise MalformedRecord("sample ends inside a unit length")
        (size,) = struct.unpack_from(">I", data, at)
        at += 4
        if size == 0 or at + size > len(data):
            raise MalformedRecord("sample holds a unit length that doesn't fit")
        units.append(data[at : at + size])
        at += size
    if not units:
        raise MalformedRecord("empty sample")
    return join(units)


class _Bits:
    """Reader of an RBSP: emulation prevention removed, most significant bit first."""

    def __init__(self, unit: bytes) -> None:
        rbsp = unit[1:].replace(b"\x00\x00\x03", b"\x00\x00")
        self._value = int.from_bytes(rbsp)
        self._left = len(rbsp) * 8

    def u(self, n: int) -> int:
        """Unsigned, n bits."""
        if n > self._left:
            raise MalformedRecord("parameter set or slice header ends early")
        self._left -= n
        return (self._value >> self._left) & ((1 << n) - 1)

    def ue(self) -> int:
        """Unsigned Exp-Golomb."""
        zeros = 0
        while not self.u(1):
            zeros += 1
            if zeros > 31:
                raise MalformedRecord("Exp-Golomb code over 32 bits")
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        """Signed Exp-Golomb."""
        code = self.ue()
        return (code + 1) // 2 if code % 2 else -(code // 2)


@dataclass(frozen=True, slots=True)
class Sps:
    """What a sequence parameter set says; `width`, `height` after cropping; `crop` samples cut: x, y in all."""

    ident: int
    profile: int
    chroma: int
    depth: int
    progressive: bool
    frame_num_bits: int
    width: int
    height: int
    crop: tuple[int, int]


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


def parse_sps(unit: bytes) -> Sps:
    """Read a sequence parameter set up to its cropping window.

    Raises:
        MalformedRecord: it ends early or says something out of range.

    """
    bits = _Bits(unit[:_MAX_PARAMETER_BYTES])
    profile = bits.u(8)
    bits.u(16)
    ident = bits.ue()
    chroma, depth = 1, 8
    if profile in _WITH_CHROMA:
        chroma = bits.ue()
        if chroma == 3:
            bits.u(1)
        luma, second = bits.ue(), bits.ue()
        depth = 8 + max(luma, second)
        bits.u(1)
        if bits.u(1):
            for index in range(8 if chroma != 3 else 12):
                if bits.u(1):
                    _skip_scaling_list(bits, 16 if index < 6 else 64)
    frame_num_bits = bits.ue() + 4
    order = bits.ue()
    if order == 0:
        bits.ue()
    elif order == 1:
        bits.u(1)
        bits.se()
        bits.se()
        cycle = bits.ue()
        if cycle > 255:
            raise MalformedRecord("SPS with a picture order cycle over 255")
        for _ in range(cycle):
            bits.se()
    bits.ue()
    bits.u(1)
    columns, rows = bits.ue() + 1, bits.ue() + 1
    progressive = bool(bits.u(1))
    if not progressive:
        bits.u(1)
    bits.u(1)
    crop = (0, 0)
    if bits.u(1):
        left, right, top, bottom = (bits.ue() for _ in range(4))
        step_x = 2 if chroma in (1, 2) else 1
        step_y = (2 if chroma == 1 else 1) * (1 if progressive else 2)
        crop = ((left + right) * step_x, (top + bottom) * step_y)
    width, height = columns * 16 - crop[0], rows * 16 * (1 if progressive else 2) - crop[1]
    if ident > 31 or chroma > 3 or depth > 14 or frame_num_bits > 16 or width <= 0 or height <= 0:
        raise MalformedRecord("SPS with values out of range")
    return Sps(ident, profile, chroma, depth, progressive, frame_num_bits, width, height, crop)


def size_of(data: bytes) -> tuple[int, int] | None:
    """Width and height that the first parameter set of an access unit says; None without one that can be read."""
    try:
        found = next((unit for unit in split(data) if kind(unit) == SPS), None)
        sps = parse_sps(found) if found else None
    except MalformedRecord:
        return None
    return (sps.width, sps.height) if sps else None


def _one_picture(units: list[bytes], sets: dict[int, Sps], pictures: dict[int, int]) -> bool:
    """Slices of one frame: the first starts at macroblock 0, the others follow it, all of one frame_num and type."""
    position, seen = -1, None
    for unit in units:
        if kind(unit) not in (SLICE, IDR):
            continue
        bits = _Bits(unit[:32])
        first = bits.ue()
        bits.ue()
        picture = bits.ue()
        if picture not in pictures or pictures[picture] not in sets:
            return False
        same = (kind(unit), pictures[picture], bits.u(sets[pictures[picture]].frame_num_bits))
        if (seen is None and first != 0) or first <= position or (seen is not None and same != seen):
            return False
        position, seen = first, same
    return seen is not None


def _accept_sets(units: list[bytes], chunk: FrameChunk, sets: dict[int, Sps], pictures: dict[int, int]) -> bool:
    """Take in the parameter sets of one access unit; False when one isn't plain 8-bit progressive 4:2:0."""
    for unit in units:
        if kind(unit) == SPS:
            sps = parse_sps(unit)
            plain = sps.profile in PROFILES and sps.chroma == 1 and sps.depth == 8 and sps.progressive
            size = (sps.width, sps.height) == (chunk.format.width, chunk.format.height)
            if len(unit) > _MAX_PARAMETER_BYTES or not plain or not size or max(sps.crop) >= 16:
                return False
            sets[sps.ident] = sps
        elif kind(unit) == PPS:
            bits = _Bits(unit[:_MAX_PARAMETER_BYTES])
            picture, sequence = bits.ue(), bits.ue()
            bits.u(2)
            if len(unit) > _MAX_PARAMETER_BYTES or bits.ue() != 0:
                return False
            pictures[picture] = sequence
    return True


def _in_order(units: list[bytes]) -> bool:
    """Parameter sets stand before the slices."""
    kinds = [kind(unit) for unit in units if kind(unit) in KEPT]
    return kinds == sorted(kinds, key=lambda value: value in (SLICE, IDR))


def passable(chunk: FrameChunk) -> bool:
    """Whether the camera's own H.264 may go out, once `strip`ped, for a chunk in which nothing was found.

    Asked for: profile High or below without slice groups, 8-bit progressive 4:2:0 of the chunk's size, under 16
    samples cropped, an IDR picture with its parameter sets first, one whole frame per access unit, and only unit types
    that are kept or dropped. `codec.decode` has shown before that each unit gives one picture. Never raises.
    """
    if chunk.codec != "h264" or not chunk.units:
        return False
    try:
        return all(_passable_units(chunk))
    except MalformedRecord:
        return False


def _passable_units(chunk: FrameChunk) -> Iterator[bool]:
    sets: dict[int, Sps] = {}
    pictures: dict[int, int] = {}
    for index, coded in enumerate(chunk.units):
        units = split(coded.data)
        kinds = {kind(unit) for unit in units}
        yield kinds <= KEPT | DROPPED and _in_order(units)
        yield _accept_sets(units, chunk, sets, pictures)
        yield index > 0 or {IDR, SPS, PPS} <= kinds
        yield _one_picture(units, sets, pictures)
