"""One generated clip per rule of conversion: frames out are frames in, at the same times."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import av
import cv2
import numpy as np
import pytest
from av.video.frame import VideoFrame

from infra.camera import describe, open_source
from infra.camera_convert import UPRIGHT, FormatRule, turn_of
from operators.codec import decode, encode
from operators.fragment import init_segment
from schemas.frames import MAX_CODED_BYTES, MAX_DECODED_BYTES, FrameChunk
from tests.support.shared import Clip, clips

WIDTH, HEIGHT, COUNT = 96, 64, 20


def _rgb(index: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    picture = np.add.outer(np.arange(height), np.arange(width))[..., None] + np.array([0, 40, 80]) + 4 * index
    picture = (picture % 200 + 20).astype(np.uint8)
    picture[8:24, (3 * index) % (width - 16) :][:, :16] = 235
    return picture


def write(
    path: Path,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    size: tuple[int, int] = (WIDTH, HEIGHT),
    options: dict[str, str] | None = None,
    times: Sequence[int] = tuple(range(COUNT)),
    time_base: Fraction = Fraction(1, 25),
    setup: Callable[..., None] | None = None,
    sound: bool = False,
    format: str | None = None,
) -> Path:
    """Write a clip with PyAV's muxers."""
    with av.open(str(path), "w", format=format) as out:
        stream = out.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.time_base = stream.codec_context.time_base = time_base
        if setup is not None:
            setup(stream)
        audio = out.add_stream("aac", rate=16000) if sound else None
        for index, time in enumerate(times):
            frame = VideoFrame.from_ndarray(_rgb(index, *size), format="rgb24").reformat(format=pixels)
            frame.pts, frame.time_base = time, time_base
            if setup is not None and codec == "libx264":
                frame.color_range = stream.codec_context.color_range
            out.mux(stream.encode(frame))
        if audio is not None:
            for index in range(12):
                samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
                samples.sample_rate, samples.pts, samples.time_base = 16000, 1024 * index, Fraction(1, 16000)
                out.mux(audio.encode(samples))
            out.mux(audio.encode(None))
        out.mux(stream.encode(None))
    return path


def source_times(path: Path) -> list[float | None]:
    """Times in seconds of the pictures that PyAV decodes from a file."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [None if f.pts is None else float(f.pts * stream.time_base) for f in container.decode(stream)]


def times_of(chunks: list[FrameChunk]) -> list[float]:
    """Times in seconds of the frames of chunks."""
    return [float(pts * chunk.format.time_base) for chunk in chunks for pts in chunk.pts]


def read(path: Path, **more: object) -> list[FrameChunk]:
    """All chunks of a source, checked against what every chunk promises."""
    chunks = list(open_source(str(path), encode=encode, camera_id="cam-1", **{"chunk_ms": 1000, **more}))
    frame_no = 0
    for seq, chunk in enumerate(chunks):
        assert (chunk.chunk_seq, chunk.first_frame) == (seq, frame_no)
        assert chunk.end == (seq == len(chunks) - 1)
        assert sum(len(unit.data) for unit in chunk.units) <= MAX_CODED_BYTES
        assert len(chunk.units) * chunk.format.frame_bytes <= MAX_DECODED_BYTES
        assert chunk.pts[-1] < chunk.end_pts and (seq + 1 == len(chunks) or chunk.end_pts == chunks[seq + 1].pts[0])
        frame_no += len(decode(chunk).frames)
    assert len({chunk.video_id for chunk in chunks}) == 1
    return chunks


def _same_times(path: Path, chunks: list[FrameChunk]) -> bool:
    return np.allclose(times_of(chunks), source_times(path), rtol=0, atol=0.001)


def test_plain_h264_keeps_its_pictures_byte_for_byte(tmp_path):
    path = write(tmp_path / "a.mp4", options={"g": "10", "x264-params": "scenecut=0:open-gop=0"})
    chunks = read(path)
    assert _same_times(path, chunks) and [len(chunk.units) for chunk in chunks] == [20]
    with av.open(str(path)) as container:
        sizes = [packet.size for packet in container.demux(video=0) if packet.size]
    assert [len(unit.data) for unit in chunks[0].units][1:10] == sizes[1:10]
    assert [len(c.units) for c in read(path, chunk_ms=400)] == [10, 10]


def test_long_gop_is_split_at_the_chunk_length_when_re_encoded(tmp_path):
    path = write(tmp_path / "a.mp4", times=range(0, 400, 20), options={"g": "400"})  # 16 s
    chunks = read(path, chunk_ms=4000)
    assert _same_times(path, chunks) and [len(chunk.units) for chunk in chunks] == [5, 5, 5, 5]


def test_open_gop_is_not_kept_as_it_is(tmp_path):
    options = {"g": "5", "bf": "2", "x264-params": "open-gop=1:scenecut=0:b-adapt=0:min-keyint=5"}
    path = write(tmp_path / "a.mp4", options=options)
    assert _same_times(path, read(path, chunk_ms=400))


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "size"),
    [
        ("ten-bit.mp4", "libx264", "yuv420p10le", (96, 64)),
        ("ten-bit-hevc.mkv", "libx265", "yuv420p10le", (96, 64)),
        ("four-two-two.mp4", "libx264", "yuv422p", (96, 64)),
        ("four-four-four.mp4", "libx264", "yuv444p", (96, 64)),
        ("odd.mkv", "ffv1", "yuv420p", (95, 63)),
        ("odd.mp4", "libx264", "yuv444p", (97, 65)),
        ("mjpeg.avi", "mjpeg", "yuvj420p", (96, 64)),
        ("vp9.webm", "libvpx-vp9", "yuv420p", (96, 64)),
        ("alpha.mkv", "ffv1", "bgra", (96, 64)),
        ("grey.mkv", "ffv1", "gray", (96, 64)),
        ("animated.gif", "gif", "rgb8", (96, 64)),
    ],
)
def test_other_pictures_become_plain_ones(tmp_path, name, codec, pixels, size):
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    path = write(tmp_path / name, codec, pixels, size, options)
    chunks = read(path)
    assert _same_times(path, chunks) and len(times_of(chunks)) == COUNT
    assert {c.codec for c in chunks} == {"h264"}
    assert (chunks[0].format.width, chunks[0].format.height) == (size[0] & ~1, size[1] & ~1)
    with av.open(str(path)) as container:
        want = next(container.decode(video=0)).to_ndarray(format="gray")[: size[1] & ~1, : size[0] & ~1].astype(int)
    got = decode(chunks[0]).frames[0].planes.y.astype(int)
    got = got if chunks[0].format.full_range else (got - 16) * 255 / 219
    assert np.abs(got - want).mean() < 6


def test_hevc_with_idr_pictures_is_kept(tmp_path):
    options = {"x265-params": "log-level=none:keyint=10:scenecut=0:open-gop=0"}
    path = write(tmp_path / "a.mp4", "libx265", options=options)
    chunks = read(path)
    assert _same_times(path, chunks) and {c.codec for c in chunks} == {"hevc"}


def test_alpha_is_laid_over_black(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "bgra"
        picture = np.full((32, 32, 4), 255, np.uint8)
        picture[:16, :, 3] = 0
        out.mux(stream.encode(VideoFrame.from_ndarray(picture, format="bgra")))
        out.mux(stream.encode(None))
    y = decode(read(path)[0]).frames[0].planes.y
    assert y[:14].mean() < 20 and y[18:].mean() > 230


@pytest.mark.parametrize("pixels", ["yuvj420p", "yuvj422p"])
def test_full_range_stays_full_range(tmp_path, pixels):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"qp": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, pixels
        frame = VideoFrame(64, 64, pixels)
        for plane, value in zip(frame.planes, (3, 128, 128), strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    chunk = read(path)[0]
    assert chunk.format.full_range
    assert abs(int(decode(chunk).frames[0].planes.y[5, 5]) - 3) <= 1


@pytest.mark.parametrize("turn", [90, 180, 270])
@pytest.mark.parametrize("codec", ["libx264", "mjpeg"])
def test_turned_pictures_are_put_upright(tmp_path, turn, codec):
    def rotate(stream):
        stream.set_display_rotation(-turn)

    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    chunks = read(write(tmp_path / "a.mp4", codec, pixels, setup=rotate))
    stored = decode(read(write(tmp_path / "b.mp4", codec, pixels))[0]).frames[3].planes
    assert {chunk.format.rotation for chunk in chunks} == {0} and _same_times(tmp_path / "a.mp4", chunks)
    upright = decode(chunks[0]).frames[3].planes
    for plane, wanted in zip(upright.all(), stored.all(), strict=True):
        turned = np.rot90(wanted, -turn // 90)
        assert plane.shape == turned.shape and np.abs(plane.astype(int) - turned).mean() < 2
    assert not describe(str(tmp_path / "a.mp4")).kept and describe(str(tmp_path / "a.mp4")).rotation == turn


@pytest.mark.parametrize(("matrix", "way"), [
    ((1, 0, 0, 1), lambda p: p), ((-1, 0, 0, 1), lambda p: p[:, ::-1]), ((-1, 0, 0, -1), lambda p: p[::-1, ::-1]),
    ((1, 0, 0, -1), lambda p: p[::-1]), ((0, 1, 1, 0), lambda p: p.T), ((0, 1, -1, 0), lambda p: np.rot90(p, -1)),
    ((0, -1, -1, 0), lambda p: np.rot90(p, 2).T), ((0, -1, 1, 0), lambda p: np.rot90(p)),
])  # fmt: skip
def test_all_eight_ways_of_a_picture_are_put_upright(matrix, way):
    class Side:
        """A picture's display matrix."""

        side_data: ClassVar = {"DISPLAYMATRIX": 2**16 * np.array([*matrix[:2], 0, *matrix[2:], 0, 0, 0, 1], np.int32)}

    plane = np.arange(6 * 4, dtype=np.uint8).reshape(6, 4)
    upright = turn_of(Side()).plane(plane)
    assert np.array_equal(upright, way(plane)) and not upright.flags.writeable


def _exif(orientation: int) -> bytes:
    """Exif of one tag, as a phone writes it (CIPA DC-008): which way up the picture is."""
    tag = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + tag + bytes(4)


def _photograph(orientation: int) -> bytes:
    """A JPEG file with it: white above left, grey above right."""
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:32, :48], picture[:32, 48:] = 235, 120
    data, exif = cv2.imencode(".jpg", picture)[1].tobytes(), _exif(orientation)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]


@pytest.mark.parametrize(("orientation", "way"), [
    (1, lambda p: p), (2, lambda p: p[:, ::-1]), (3, lambda p: p[::-1, ::-1]), (4, lambda p: p[::-1]),
    (5, lambda p: p.T), (6, lambda p: np.rot90(p, -1)), (7, lambda p: np.rot90(p, 2).T), (8, lambda p: np.rot90(p)),
])  # fmt: skip
def test_photograph_of_a_phone_is_read_and_put_upright(tmp_path, orientation, way):
    (tmp_path / "a.jpg").write_bytes(_photograph(orientation))
    chunks = read(tmp_path / "a.jpg")
    upright = decode(chunks[0]).frames[0].planes.y
    stored = np.full((64, 96), 16)
    stored[:32, :48], stored[:32, 48:] = 219, 120
    wanted = way(stored)
    assert upright.shape == wanted.shape and np.median(np.abs(upright.astype(int) - wanted)) < 24
    corners = (slice(4, 12), slice(-12, -4))
    order = [[int(plane[y, x].mean()) // 70 for y in corners for x in corners] for plane in (upright, wanted)]
    assert order[0] == order[1]
    assert not any(b"Exif" in unit.data for chunk in chunks for unit in chunk.units)


def test_turn_of_a_photograph_is_the_same_each_time():
    found = set()
    for _ in range(200):
        with av.open(io.BytesIO(_photograph(6))) as container:
            found.add(turn_of(next(container.decode(video=0))))
    assert len(found) == 1


def test_folder_of_photographs_and_film_of_them_are_read(tmp_path):
    (tmp_path / "photos").mkdir()
    for number in range(3):
        (tmp_path / "photos" / f"{number}.jpg").write_bytes(_photograph(6))
    assert sum(len(chunk.units) for chunk in read(tmp_path / "photos")) == 3
    with av.open(str(tmp_path / "a.avi"), "w") as out:
        stream = out.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p"
        for number in range(3):
            packet = av.Packet(_photograph(1))
            packet.pts = packet.dts = number
            packet.time_base, packet.stream, packet.is_keyframe = Fraction(1, 25), stream, True
            out.mux(packet)
    assert sum(len(chunk.units) for chunk in read(tmp_path / "a.avi")) == 3
    cv2.imwrite(str(tmp_path / "a.tif"), np.full((64, 96, 3), 99, np.uint8))
    assert len(read(tmp_path / "a.tif")[0].units) == 1


def test_sides_of_samples_are_swapped_with_those_of_the_picture(tmp_path):
    def rotate(stream):
        stream.set_display_rotation(-90)
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)

    found = read(write(tmp_path / "a.mp4", setup=rotate))[0].format
    assert (found.width, found.height, found.sample_aspect) == (HEIGHT, WIDTH, Fraction(3, 4))


@pytest.mark.parametrize(("aspect", "kept"), [
    (Fraction(4, 3), True), (Fraction(1000), False), (Fraction(1, 200), False), (Fraction(70_001, 70_000), False),
])  # fmt: skip
def test_sides_of_samples_that_no_mp4_can_hold_are_left_out(aspect, kept):
    rule = FormatRule(Fraction(1, 25), aspect, UPRIGHT, (0, 2, 2, 2))
    found = rule.of(VideoFrame(WIDTH, HEIGHT, "yuv420p"))
    assert found.sample_aspect == (aspect if kept else 1) and init_segment(found)


def test_variable_rate_keeps_its_times(tmp_path):
    times = [0, 30, 33, 37, 120, 121, 400, 440, 470, 471, 900, 930, 1800, 1830, 1860, 2500]
    path = write(tmp_path / "a.mkv", times=times, time_base=Fraction(1, 1000), options={"g": "6"})
    assert _same_times(path, read(path)) and _same_times(path, read(path, chunk_ms=300))


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_interlaced_becomes_progressive_frame_by_frame(tmp_path, codec):
    options = {"x264-params": "interlaced=1"} if codec == "libx264" else {"flags": "+ildct+ilme", "bf": "0"}
    path = write(tmp_path / "a.mkv", codec, options=options)
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).interlaced_frame
    chunks = read(path)
    assert _same_times(path, chunks) and len(times_of(chunks)) == COUNT
    context = av.CodecContext.create("h264", "r")
    frames = [f for unit in chunks[0].units for f in context.decode(av.Packet(unit.data))] + context.decode(None)
    assert not any(frame.interlaced_frame for frame in frames)


@pytest.mark.parametrize(("codec", "name"), [("libx264", "h264"), ("libx265", "hevc")])
def test_raw_stream_without_times_gets_them_from_the_rate(tmp_path, codec, name):
    options = {"bf": "2", "g": "7"} if codec == "libx264" else {"x265-params": "log-level=none:keyint=7:open-gop=0"}
    chunks = read(write(tmp_path / f"a.{name}", codec, options=options, format=name))
    assert times_of(chunks) == pytest.approx([index / 25 for index in range(COUNT)], abs=0.001)
    assert {chunk.codec for chunk in chunks} == {name}


def test_first_time_other_than_zero_is_kept(tmp_path):
    path = write(tmp_path / "a.ts", times=range(250, 270), options={"g": "10"})
    assert _same_times(path, read(path)) and times_of(read(path))[0] > 9


def test_sound_is_dropped_unless_asked_for(tmp_path):
    path = write(tmp_path / "a.mp4", options={"g": "10"}, sound=True)
    silent = write(tmp_path / "b.mp4", options={"g": "10"})
    chunks, without = read(path), read(silent)
    assert [c.units for c in chunks] == [c.units for c in without]
    assert all(chunk.audio == b"" for chunk in chunks)
    heard = read(path, audio=True)
    assert [c.units for c in chunks] == [c.units for c in heard] and heard[0].audio
    assert read(silent, audio=True)[0].audio == b""
    assert read(path, audio=True)[0].audio == heard[0].audio


def test_container_tags_and_sei_do_not_leave_the_camera(tmp_path):
    chunks = read(write(tmp_path / "a.mp4"))
    assert b"x264" not in b"".join(unit.data for chunk in chunks for unit in chunk.units)


@pytest.mark.parametrize("clip", clips(), ids=lambda clip: f"{clip.path.parent.name}-{clip.path.name}")
def test_shared_clip_frames_out_are_frames_in(clip: Clip):
    def quick(frames, pts, format, *, crf, preset):
        return encode(frames, pts, format, crf=crf + 12, preset="ultrafast")

    chunks = list(open_source(str(clip.path), encode=quick, camera_id="cam-1", chunk_ms=10_000))
    got, want = times_of(chunks), source_times(clip.path)
    assert len(got) == clip.frames == len(want)
    if want[0] is None:
        want = [index / 25 for index in range(clip.frames)]
    assert np.allclose(got, want, rtol=0, atol=0.001)
    assert [chunk.end for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert (chunks[0].format.width, chunks[0].format.height) == (clip.width, clip.height)


@pytest.mark.parametrize(("which", "damage"), [
    (range(30, 31), 0), (range(30, 31), 255), (range(50, 75), 255),
])  # fmt: skip
def test_packets_that_hold_no_picture_any_more_are_counted(tmp_path, which, damage):
    def grouped(stream):
        stream.options = {"g": "25", "bf": "0", "sc_threshold": "0"}

    path = write(tmp_path / "a.mp4", times=range(200), setup=grouped)
    with av.open(str(path)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    for number in which:
        pos, size = places[number]
        data[pos : pos + size] = bytes([damage]) * size
    path.write_bytes(data)
    chunks = list(open_source(str(path), encode=encode, camera_id="cam-1"))
    taken, lost = sum(len(chunk.units) for chunk in chunks), sum(chunk.gaps for chunk in chunks)
    assert 150 <= taken < 200 and taken + lost == 200
