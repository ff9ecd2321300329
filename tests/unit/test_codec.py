"""Chunks to planes and back."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest

from operators.annexb import IDR, PPS, SEI, SPS, kind, split
from operators.codec import decode, decode_units, encode
from operators.pixels import psnr
from schemas.errors import ChunkTooLarge, MalformedRecord, UndecodableChunk
from schemas.frames import MAX_CODED_BYTES, CodedUnit, Planes, VideoFormat
from tests.support.clips import FORMAT, chunk, pictures
from tests.support.planes import equal


def test_encode_decode_gives_near_pictures_at_their_times():
    made = chunk(12, pts=range(100, 124, 2))
    frames = decode(made).frames
    assert [frame.pts for frame in frames] == list(range(100, 124, 2))
    assert [frame.frame_no for frame in frames] == list(range(12))
    assert min(psnr(frame.planes, want) for frame, want in zip(frames, pictures(12), strict=True)) > 35


def test_decode_gives_read_only_views():
    plane = decode(chunk(2)).frames[0].planes.y
    assert not plane.flags.writeable
    assert not plane.flags.owndata


def test_encode_twice_gives_equal_bytes_wherever_it_stands():
    first = encode(pictures(10), range(10), FORMAT, crf=20, preset="veryfast")
    later = encode(pictures(10), range(5000, 5010), FORMAT, crf=20, preset="veryfast")
    assert [unit.data for unit in first] == [unit.data for unit in later]


def test_encode_writes_one_closed_gop_without_sei():
    kinds = [[kind(nal) for nal in split(unit.data)] for unit in chunk(30).units]
    assert {SPS, PPS, IDR} <= set(kinds[0])
    assert all(IDR not in row for row in kinds[1:])
    assert not any(SEI in row for row in kinds)
    assert b"x264" not in b"".join(unit.data for unit in chunk(30).units)


def test_encode_uses_b_frames_in_decoding_order():
    times = [unit.pts for unit in chunk(30).units]
    assert times != sorted(times) and times[0] == 0


def test_encode_lossless_brings_every_sample_back():
    units = encode(pictures(9), range(9), FORMAT, crf=0, preset="veryfast", lossless=True)
    back = decode_units(units, "h264", 96, 64)
    assert all(equal(one, two) for one, two in zip(back, pictures(9), strict=True))


@pytest.mark.parametrize("time_base", [Fraction(1, 90000), Fraction(6, 179), Fraction(1, 1200000), Fraction(1, 1000)])
def test_encode_keeps_variable_times_in_any_time_base(time_base):
    second = max(1, round(1 / time_base))
    gaps = [max(1, second * n // 100) for n in (0, 3, 40, 4, 4, 200, 3, 5)]
    times = [7 + sum(gaps[: index + 1]) + index for index in range(8)]
    made = chunk(8, replace(FORMAT, time_base=time_base), times)
    assert [frame.pts for frame in decode(made).frames] == times


@pytest.mark.parametrize("count", [1, 2, 3])
def test_encode_takes_short_runs(count):
    assert len(decode(chunk(count)).frames) == count


def test_encode_carries_colour_range_and_aspect():
    format = VideoFormat(96, 64, Fraction(1, 25), True, 9, 16, 9, Fraction(4, 3))
    context = av.CodecContext.create("h264", "r")
    frames = []
    for unit in chunk(2, format).units:
        frames += context.decode(av.Packet(unit.data))
    frames += context.decode(None)
    first = frames[0]
    assert (first.color_range, first.color_primaries, first.color_trc, first.colorspace) == (2, 9, 16, 9)
    assert context.sample_aspect_ratio == Fraction(4, 3)


@pytest.mark.parametrize(
    ("frames", "times", "format"),
    [
        (0, [], FORMAT),
        (2, [0], FORMAT),
        (2, [1, 1], FORMAT),
        (1, [0], replace(FORMAT, width=97)),
        (1, [0], replace(FORMAT, width=98)),
    ],
)
def test_encode_bad_input_raises(frames, times, format):
    with pytest.raises(MalformedRecord):
        encode(pictures(frames), times, format, crf=20, preset="veryfast")


def test_decode_over_the_limits_raises_before_decoding():
    made = chunk(2)
    big = replace(made, units=(CodedUnit(0, bytes(MAX_CODED_BYTES + 1)),))
    wide = replace(made, format=replace(FORMAT, width=8194))
    many = replace(made, format=replace(FORMAT, width=8192, height=8192))
    for bad in (big, wide, many):
        with pytest.raises(ChunkTooLarge):
            decode(bad)


def test_decode_of_damage_raises():
    made = chunk(12)
    units = made.units
    cases = [
        units[1:],
        units[:5] + (CodedUnit(units[5].pts, units[5].data[: len(units[5].data) // 2]),) + units[6:],
        units[:5] + (CodedUnit(units[5].pts, b"\x00" * 40),) + units[6:],
        units + units[:1],
        units + (CodedUnit(99, b"\x00\x00\x01\x09\x10"),),
        (units[0], CodedUnit(1, units[1].data + units[2].data)),
        (),
        (CodedUnit(0, b"not a picture"),),
        tuple(CodedUnit(-unit.pts, unit.data) for unit in units),
    ]
    for bad in cases:
        with pytest.raises(UndecodableChunk):
            decode(replace(made, units=tuple(bad)))


@pytest.mark.parametrize("size", [(96, 80), (64, 64), (16, 16), (512, 512)])
def test_decode_of_another_size_than_promised_raises(size):
    with pytest.raises(UndecodableChunk):
        decode(replace(chunk(2), format=replace(FORMAT, width=size[0], height=size[1])))


def test_decode_units_keeps_presentation_order():
    frames = decode_units(chunk(20).units, "h264", 96, 64)
    nearest = [int(np.argmax([psnr(frame, want) for want in pictures(20)])) for frame in frames]
    assert nearest == list(range(20))


def test_encode_repeats_whatever_memory_held_before() -> None:
    """Widths that aren't a multiple of 128 made x264's mbtree read memory that nobody had set."""
    format = VideoFormat(480, 272, Fraction(1, 25))
    rng = np.random.default_rng(5)
    base = np.kron(rng.integers(0, 255, (34, 60), dtype=np.uint8), np.ones((8, 8), np.uint8))
    chroma = np.full((136, 240), 128, np.uint8)
    pictures = [Planes(np.roll(base, 3 * i, 1), chroma, chroma) for i in range(20)]
    seen = set()
    for i in range(12):
        junk = [bytearray([37 * i % 256]) * size for size in (1 << 16, 1 << 19, 1 << 21)]
        del junk
        units = encode(pictures, range(20), format, crf=23, preset="veryfast")
        seen.add(b"".join(unit.data for unit in units))
    assert len(seen) == 1
