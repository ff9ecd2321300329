"""NAL units and what may pass."""

from __future__ import annotations

from dataclasses import replace

import pytest

from operators import annexb
from operators.codec import encode
from schemas.errors import MalformedRecord
from schemas.frames import CodedUnit, FrameChunk
from tests.support.clips import FORMAT, chunk, pictures


def test_split_takes_both_start_codes_and_trailing_zeros():
    assert annexb.split(b"\x00\x00\x00\x01\x67\x01\x00\x00\x01\x68\x02\x00\x00") == [b"\x67\x01", b"\x68\x02"]


@pytest.mark.parametrize("data", [b"", b"abc", b"x\x00\x00\x01\x65", b"\x00\x00\x01", b"\x00\x00\x01\x00\x00\x01\x65"])
def test_split_of_another_thing_raises(data):
    with pytest.raises(MalformedRecord):
        annexb.split(data)


def test_lengths_and_back_gives_the_same():
    data = annexb.join([b"\x67\x01", b"\x65\x02\x03"])
    assert annexb.to_lengths(data) == b"\x00\x00\x00\x02\x67\x01\x00\x00\x00\x03\x65\x02\x03"
    assert annexb.from_lengths(annexb.to_lengths(data)) == data


@pytest.mark.parametrize("data", [b"", b"\x00\x00", b"\x00\x00\x00\x00", b"\x00\x00\x00\x05abc"])
def test_from_lengths_that_do_not_fit_raises(data):
    with pytest.raises(MalformedRecord):
        annexb.from_lengths(data)


def test_strip_drops_all_but_slices_and_sets():
    units = [b"\x09\xf0", b"\x67\x01", b"\x68\x02", b"\x06\x05\x03abc", b"\x0c\xff", b"\x65\x88", b"\x0b", b"\x1f\x01"]
    assert annexb.split(annexb.strip(annexb.join(units))) == [b"\x67\x01", b"\x68\x02", b"\x65\x88"]


def test_parse_sps_reads_size_and_kind():
    sps = next(nal for nal in annexb.split(chunk(2).units[0].data) if annexb.kind(nal) == annexb.SPS)
    read = annexb.parse_sps(sps)
    assert (read.profile, read.width, read.height, read.progressive, read.depth) == (100, 96, 64, True, 8)
    for size in range(1, 8):
        with pytest.raises(MalformedRecord):
            annexb.parse_sps(sps[:size])


def _with_first(made: FrameChunk, data: bytes) -> FrameChunk:
    return replace(made, units=(CodedUnit(made.units[0].pts, data), *made.units[1:]))


def test_passable_plain_chunk_passes_with_droppable_units():
    made = chunk(30)
    assert annexb.passable(made)
    noisy = annexb.join([b"\x09\xf0", b"\x06\x05\x03abc"]) + made.units[0].data
    assert annexb.passable(_with_first(made, noisy))


def test_passable_cropped_sides_pass():
    format = replace(FORMAT, width=90, height=54)
    assert annexb.passable(chunk(3, format))


def test_passable_other_chunks_do_not_pass():
    made = chunk(6)
    first = annexb.split(made.units[0].data)
    slices = [nal for nal in first if annexb.kind(nal) == annexb.IDR]
    second = annexb.split(made.units[1].data)
    lossless = replace(made, units=encode(pictures(6), range(6), FORMAT, lossless=True))
    cases = {
        "hevc": replace(made, codec="hevc"),
        "no units": replace(made, units=()),
        "no IDR": replace(made, units=made.units[1:]),
        "no sets": _with_first(made, annexb.join(slices)),
        "set after slice": _with_first(made, annexb.join([*first, first[0]])),
        "two pictures": _with_first(made, annexb.join([*first, *second])),
        "picture twice": _with_first(made, annexb.join([*first, *slices])),
        "no slice": replace(made, units=(*made.units, CodedUnit(99, annexb.join(first[:2])))),
        "partition": _with_first(made, annexb.join([*first, b"\x02\x88\x80"])),
        "other size": replace(made, format=replace(FORMAT, width=80)),
        "high 4:4:4": lossless,
        "long set": _with_first(made, annexb.join([first[0] + bytes([7]) * 300, *first[1:]])),
        "not annex b": _with_first(made, b"abc"),
    }
    assert {name for name, bad in cases.items() if annexb.passable(bad)} == set()
