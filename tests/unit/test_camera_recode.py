"""What is encoded again begins where its camera's pictures do, goes on after damage, and ends when the last does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import av
import pytest
from av.video.stream import VideoStream

from infra.camera import open_source
from infra.camera_units import UnitReader
from operators.annexb import split
from operators.codec import encode
from schemas.frames import FrameChunk
from tests.unit.test_camera_formats import read, source_times, times_of, write

NOT_FRAMES = bytes([0xC1, 20, 20, 0xC1])
"""The index of a VP9 superframe of two frames of 20 bytes each."""
OPEN = {"g": "10", "x264-params": "open-gop=1:bframes=2:scenecut=0:keyint=10:min-keyint=10"}


def _two_frames(data: bytes) -> bytes:
    """Two frames that aren't any."""
    return bytes(40) + NOT_FRAMES


def _zeros(data: bytes) -> bytes:
    """What a disk gives for a sector that it can't read."""
    return data[:4] + bytes(len(data) - 4)


def _noise(data: bytes) -> bytes:
    return data[:12] + Random(len(data)).randbytes(max(0, len(data) - 12))


def _rewritten(
    path: Path, out: Path, damaged: frozenset[int] = frozenset(), skip: int = 0,
    made_of: Callable[[bytes], bytes] = _two_frames,
) -> Path:
    """The file without so many of its GOPs, some of its packets damaged."""
    with av.open(str(path)) as source, av.open(str(out), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        keys = 0
        for number, packet in enumerate(source.demux(video=0)):
            keys += packet.is_keyframe
            if not packet.size or keys <= skip:
                continue
            made = av.Packet(made_of(bytes(packet))) if number in damaged else packet
            made.pts, made.dts, made.duration = packet.pts, packet.dts, packet.duration
            made.time_base, made.is_keyframe, made.stream = packet.time_base, packet.is_keyframe, stream
            target.mux(made)
    return out


def test_a_damaged_packet_of_vp9_does_not_cost_the_pictures_after_the_next_key_picture(tmp_path: Path) -> None:
    path = write(tmp_path / "a.webm", "libvpx-vp9", options={"g": "10", "lag-in-frames": "0"}, times=range(40))
    chunks = read(_rewritten(path, tmp_path / "b.webm", frozenset({12})))
    times = times_of(chunks)
    assert {round(25 * time) for time in times} >= {*range(12), *range(20, 40)}
    assert len(times) + sum(chunk.gaps for chunk in chunks) == 40


@pytest.mark.parametrize("made_of", [_zeros, _noise])
@pytest.mark.parametrize("numbers", [range(30, 40), range(20, 40), (5, 51, 77)])
@pytest.mark.parametrize(("codec", "options"), [
    ("libx264", {"g": "20", "bf": "2"}), ("libx264", {"g": "20", "x264-params": "open-gop=1:bframes=2"}),
    ("libx265", {"g": "20", "x265-params": "log-level=none"}),
])
def test_every_picture_of_a_damaged_stretch_is_there_or_counted(
    tmp_path: Path, codec: str, options: dict[str, str], numbers: Sequence[int], made_of: Callable[[bytes], bytes]
) -> None:
    path = write(tmp_path / "a.mp4", codec, options=options, times=range(100))
    chunks = read(_rewritten(path, tmp_path / "b.mp4", frozenset(numbers), made_of=made_of))
    taken, lost = len(times_of(chunks)), sum(chunk.gaps for chunk in chunks)
    assert lost and taken + lost == 100


@pytest.mark.parametrize("options", [{}, {"flags": "+ildct+ilme", "x264-params": "tff=1"}])
def test_nothing_counts_as_lost_where_nothing_is(tmp_path: Path, options: dict[str, str]) -> None:
    for name in ("a.mp4", "a.ts", "a.mkv"):
        chunks = read(write(tmp_path / name, options=OPEN | options, times=range(40)))
        assert (len(times_of(chunks)), sum(chunk.gaps for chunk in chunks)) == (40, 0)


@pytest.mark.parametrize("name", ["a.ts", "a.mp4", "a.mkv"])
def test_h264_that_begins_at_a_recovery_point_keeps_its_beginning(tmp_path: Path, name: str) -> None:
    path = _rewritten(write(tmp_path / name, options=OPEN, times=range(40)), tmp_path / f"cut-{name}", skip=1)
    expected = source_times(path)
    chunks = list(open_source(str(path), encode=encode, camera_id="cam"))
    assert len(expected) >= 28
    assert times_of(chunks) == pytest.approx(expected, abs=0.001)


def _kinds(chunks: list[FrameChunk]) -> set[int]:
    return {nal[0] & 31 for chunk in chunks for unit in chunk.units for nal in split(unit.data)}


@pytest.mark.parametrize("options", [OPEN, {"g": "10", "x264-params": "open-gop=0"}])
def test_a_cameras_sei_is_in_no_chunk(tmp_path: Path, options: dict[str, str]) -> None:
    path = write(tmp_path / "a.mp4", options=options, times=range(40))
    with av.open(str(path)) as container:
        stream: VideoStream = container.streams.video[0]
        reader = UnitReader(stream, "h264")
        items = [reader.read(packet, 0) for packet in container.demux(stream) if packet.size]
    assert any(item and item.hints for item in items)
    assert not any(item and {nal[0] & 31 for nal in split(item.data)} & {6} for item in items)
    assert _kinds(read(path)) <= {1, 5, 7, 8}


def _gif(path: Path, lengths: list[int]) -> Path:
    """Pictures that are shown so many hundredths of a second each."""
    first = write(path.with_suffix(".first.gif"), "gif", "rgb8", times=range(len(lengths)))
    data, place = bytearray(first.read_bytes()), 0
    for length in lengths:
        place = data.index(b"\x21\xf9\x04", place) + 4
        data[place : place + 2] = length.to_bytes(2, "little")
    path.write_bytes(bytes(data))
    return path


@pytest.mark.parametrize("lengths", [[4, 50, 100, 10, 300], [10]])
def test_the_last_picture_of_a_gif_is_shown_as_long_as_it_says(tmp_path: Path, lengths: list[int]) -> None:
    chunks = read(_gif(tmp_path / "a.gif", lengths))
    last = chunks[-1]
    assert float(last.end_pts * last.format.time_base) == pytest.approx(sum(lengths) / 100)


def test_a_last_picture_that_claims_hours_lasts_no_longer_than_a_gap_may(tmp_path: Path) -> None:
    last = read(_gif(tmp_path / "a.gif", [10, 60_000]))[-1]
    assert float(last.end_pts * last.format.time_base) == pytest.approx(10.1)
