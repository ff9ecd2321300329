"""Init segment and fragments, read by libavformat and by our own reader."""

from __future__ import annotations

import io
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest

from operators.annexb import SEI, join, split
from operators.codec import decode, decode_units, encode
from operators.fragment import fragment, init_segment, parse_fragment
from schemas.errors import MalformedRecord
from schemas.frames import CodedUnit, FrameChunk
from tests.support.clips import FORMAT, chunk, pictures

FINE = replace(FORMAT, time_base=Fraction(1, 90000))


def _read(data: bytes) -> list[tuple[Fraction, np.ndarray]]:
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        return [(frame.pts * stream.time_base, frame.to_ndarray(format="yuv420p")) for frame in container.decode(0)]


def _want(chunks: list[FrameChunk], origin: int) -> list[tuple[Fraction, np.ndarray]]:
    rows = []
    for made in chunks:
        for frame in decode(made).frames:
            planes = np.concatenate([plane.ravel() for plane in frame.planes.all()])
            rows.append(((frame.pts - origin) * made.format.time_base, planes.reshape(-1, made.format.width)))
    return rows


def _same(got: list[tuple[Fraction, np.ndarray]], want: list[tuple[Fraction, np.ndarray]]) -> bool:
    return [time for time, _ in got] == [time for time, _ in want] and all(
        np.array_equal(one, two) for (_, one), (_, two) in zip(got, want, strict=True)
    )


def _video(format=FINE, origin=900) -> list[FrameChunk]:
    """Three chunks at a variable rate, the middle one with another encoder's parameter sets."""
    made, at = [], origin
    for seq, (count, crf, step) in enumerate([(12, 18, 3600), (7, 35, 1800), (9, 20, 9000)]):
        times = [at + step * index + 7 * (index % 3) for index in range(count)]
        at = times[-1] + step
        made.append(replace(chunk(count, format, times, seq, crf=crf, seed=seq), end_pts=at))
    middle = made[1]
    units = encode(pictures(7), middle.pts, format, preset="ultrafast")
    made[1] = replace(middle, units=units)
    return made


def _fragments(chunks: list[FrameChunk], origin: int) -> list[bytes]:
    return [fragment(c.units, c.end_pts, i + 1, c.format, origin) for i, c in enumerate(chunks)]


@pytest.mark.parametrize("time_base", [Fraction(1, 90000), Fraction(1, 1200000), Fraction(6, 179)])
def test_file_of_init_and_fragments_gives_same_times_and_pictures(time_base):
    chunks = _video(replace(FORMAT, time_base=time_base))
    data = init_segment(chunks[0].format) + b"".join(_fragments(chunks, 900))
    assert _same(_read(data), _want(chunks, 900))


@pytest.mark.parametrize("index", [0, 1, 2])
def test_init_and_one_fragment_decode_alone(index):
    chunks = _video()
    data = init_segment(FINE) + _fragments(chunks, 900)[index]
    assert _same(_read(data), _want([chunks[index]], 900))


def test_decode_times_tile_without_gap():
    chunks = _video()
    data = init_segment(FINE) + b"".join(_fragments(chunks, 900))
    with av.open(io.BytesIO(data)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    starts = [packet.dts for packet in packets]
    ends = [packet.dts + packet.duration for packet in packets]
    assert starts[1:] == ends[:-1] and all(packet.dts <= packet.pts for packet in packets)
    shown = sorted(packet.pts for packet in packets)
    assert {p.pts: p.pts + p.duration for p in packets[:12]} == dict(zip(shown[:12], shown[1:13], strict=True))
    assert [packet.is_keyframe for packet in packets] == [index in (0, 12, 19) for index in range(28)]
    assert ends[-1] - starts[0] == chunks[-1].end_pts - 900


def test_init_is_constant_and_carries_the_format():
    format = replace(FINE, full_range=True, primaries=9, transfer=16, matrix=9, sample_aspect=Fraction(4, 3))
    assert init_segment(format) == init_segment(format)
    made = chunk(2, format, [0, 3600])
    data = init_segment(format) + fragment(made.units, 7200, 1, format)
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert stream.sample_aspect_ratio == Fraction(4, 3)
        assert (context.color_range, context.color_primaries, context.color_trc, context.colorspace) == (2, 9, 16, 9)
        assert (context.width, context.height) == (96, 64)


@pytest.mark.parametrize(("rotation", "seen"), [(0, 0), (90, -90), (180, -180), (270, 90)])
def test_init_carries_rotation(rotation, seen):
    format = replace(FINE, rotation=rotation)
    made = chunk(2, format, [0, 3600])
    with av.open(io.BytesIO(init_segment(format) + fragment(made.units, 7200, 1, format))) as container:
        assert next(container.decode(video=0)).rotation == seen


def test_slow_video_with_b_frames_keeps_times_and_pictures():
    made = chunk(20, FINE, [5 * 90000 * index + 900 for index in range(20)])
    made = replace(made, end_pts=made.pts[-1] + 450000)
    data = fragment(made.units, made.end_pts, 1, FINE, 900)
    assert [unit.pts for unit in made.units] != list(made.pts)
    assert _same(_read(init_segment(FINE) + data), _want([made], 900))
    assert parse_fragment(data, FINE, 900) == (list(made.units), made.end_pts)


def test_fragment_drops_sei():
    made = chunk(2)
    noisy = CodedUnit(0, join([bytes([SEI]) + b"\x05\x03GPS"]) + made.units[0].data)
    assert fragment((noisy, *made.units[1:]), 2, 1, FORMAT) == fragment(made.units, 2, 1, FORMAT)


def test_parse_fragment_brings_units_back():
    chunks = _video()
    for made, data in zip(chunks, _fragments(chunks, 900), strict=True):
        units, end_pts = parse_fragment(data, FINE, 900)
        assert tuple(units) == made.units and end_pts == made.end_pts
    again = decode_units(units, "h264", 96, 64)
    assert len(again) == 9 and split(units[0].data)


def test_parse_fragment_of_a_fraction_of_ticks_brings_units_back():
    format = replace(FORMAT, time_base=Fraction(6, 179))
    made = chunk(5, format, [3, 4, 6, 7, 11])
    data = fragment(made.units, 12, 4, format, 3)
    assert parse_fragment(data, format, 3) == (list(made.units), 12)


def test_parse_fragment_of_every_truncation_raises():
    made = chunk(3)
    data = fragment(made.units, 3, 1, FORMAT)
    for size in [*range(0, 200), *range(200, len(data), 37)]:
        with pytest.raises(MalformedRecord):
            parse_fragment(data[:size], FORMAT)
    with pytest.raises(MalformedRecord):
        parse_fragment(data + b"\x00", FORMAT)


def test_parse_fragment_of_a_changed_header_raises_or_differs():
    made = chunk(3)
    data = fragment(made.units, 3, 1, FORMAT)
    good = parse_fragment(data, FORMAT)
    free = {*range(20, 24)}  # the sequence number says nothing about the units
    for at in range(88 + 3 * 16 + 8):
        changed = data[:at] + bytes([data[at] ^ 0x01]) + data[at + 1 :]
        try:
            assert at in free or parse_fragment(changed, FORMAT) != good
        except MalformedRecord:
            continue


@pytest.mark.parametrize(
    ("times", "end", "sequence", "origin"),
    [
        ([], 1, 1, 0),
        ([0, 0], 1, 1, 0),
        ([0, 1], 1, 1, 0),
        ([0, 1], 2, -1, 0),
        ([1, 0], 2, 1, 0),
        ([0, 1], 2, 1, 1),
        ([0, 1], 2**34, 1, 0),
    ],
)
def test_fragment_with_times_that_do_not_fit_raises(times, end, sequence, origin):
    data = chunk(1).units[0].data
    with pytest.raises(MalformedRecord):
        fragment([CodedUnit(time, data) for time in times], end, sequence, FORMAT, origin)
