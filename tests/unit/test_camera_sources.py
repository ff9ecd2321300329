"""Folders, bad files, loops, pace and the report of a source."""

from __future__ import annotations

import itertools
import time
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from infra import camera_segment
from infra.camera import describe, open_source
from infra.camera_segment import Trust
from infra.camera_units import check_gop
from operators.codec import decode, encode
from schemas.errors import SourceError, UsageError
from tests.support.rights import as_nobody, open_place
from tests.unit.test_camera_formats import read, times_of, write


def _picture(path: Path, value: int, size: tuple[int, int] = (64, 48)) -> None:
    VideoFrame.from_ndarray(np.full((size[1], size[0], 3), value, np.uint8), format="rgb24").save(str(path))


def test_folder_of_pictures_is_read_in_natural_order(tmp_path):
    for index in (10, 2, 1):
        _picture(tmp_path / f"p{index}.png", 20 * index)
    (tmp_path / "notes.txt").write_text("not a picture")
    chunks = read(tmp_path)
    levels = [int(frame.planes.y.mean()) for chunk in chunks for frame in decode(chunk).frames]
    assert levels == sorted(levels) and len(levels) == 3
    assert times_of(chunks) == pytest.approx([0, 0.04, 0.08])


def test_picture_of_another_size_begins_a_video(tmp_path):
    for index, size in enumerate([(64, 48), (64, 48), (80, 48)]):
        _picture(tmp_path / f"{index}.jpg", 90, size)
    chunks = list(open_source(str(tmp_path), encode=encode, camera_id="cam"))
    assert [(len(c.units), c.format.width, c.end, c.chunk_seq) for c in chunks] == [(2, 64, True, 0), (1, 80, True, 0)]
    assert chunks[0].video_id != chunks[1].video_id


def test_still_picture_is_a_chunk_of_one_frame(tmp_path):
    _picture(tmp_path / "a.jpg", 90)
    assert len(times_of(read(tmp_path / "a.jpg"))) == 1


def _bad(folder: Path, name: str) -> Path:
    path = folder / name
    if name == "empty.mp4":
        path.write_bytes(b"")
    elif name == "text.txt":
        path.write_text("this is no video\n" * 200)
    elif name == "noise.mp4":
        path.write_bytes(np.random.default_rng(1).bytes(50_000))
    elif name == "noise.h264":
        path.write_bytes(np.random.default_rng(1).bytes(50_000))
    elif name == "cut.mp4":
        path.write_bytes(write(folder / "whole.mp4").read_bytes()[:700])
    elif name == "playlist.m3u8":
        path.write_text("#EXTM3U\n#EXTINF:1,\nwhole.mp4\n")
    elif name == "pictures":
        path.mkdir()
    elif name == "sound.mp4":
        with av.open(str(path), "w") as out:
            stream = out.add_stream("aac", rate=16000)
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate = 16000
            out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    "name",
    ["empty.mp4", "text.txt", "noise.mp4", "noise.h264", "cut.mp4", "missing.mp4", "playlist.m3u8", "pictures",
     "sound.mp4"],
)
def test_bad_source_says_what_to_do(tmp_path, name):
    path = _bad(tmp_path, name)
    with pytest.raises(SourceError, match=name.split(".")[0]) as raised:
        list(open_source(str(path), encode=encode, camera_id="cam"))
    assert any(sign in str(raised.value) for sign in ("?", ";", "wanted"))
    with pytest.raises(SourceError):
        describe(str(path))


@pytest.mark.parametrize(("name", "mode"), [
    ("folder", 0), ("folder", 0o444), ("folder/a.png", 0), ("folder/a.png", 0o644), ("open/a.png", 0),
    ("folder/" + 300 * "a", 0o755),
])  # fmt: skip
def test_source_that_may_not_be_looked_at_says_what_to_do(name: str, mode: int) -> None:
    with open_place() as place:
        for folder in ("folder", "open"):
            (place / folder).mkdir()
            _picture(place / folder / "a.png", 90)
        (place / "open/a.png").chmod(mode)
        (place / "folder").chmod(mode)
        try:
            for look in (describe, partial(open_source, encode=encode, camera_id="cam")):
                with as_nobody(), pytest.raises(SourceError, match=r"can't be looked at \(.*\); check its name"):
                    look(str(place / name))
        finally:
            (place / "folder").chmod(0o755)


@pytest.mark.parametrize("size", [(8200, 16), (8, 8)])
def test_absurd_size_is_refused(tmp_path, size):
    path = write(tmp_path / "a.mkv", "ffv1", "yuv420p", size, times=[0]) if size[0] > 16 else None
    if path is None:
        _picture(tmp_path / "a.png", 9, size)
        path = tmp_path / "a.png"
    with pytest.raises(SourceError, match="a side"):
        open_source(str(path), encode=encode, camera_id="cam")


def test_truncated_tail_ends_the_video_cleanly(tmp_path):
    whole = write(tmp_path / "a.ts", times=range(60), options={"g": "10"}).read_bytes()
    path = tmp_path / "b.ts"
    path.write_bytes(whole[: len(whole) * 2 // 3])
    chunks = read(path, chunk_ms=400)
    assert 30 <= len(times_of(chunks)) < 60 and chunks[-1].end


def test_damaged_middle_leaves_the_rest(tmp_path):
    data = bytearray(write(tmp_path / "a.h264", times=range(60), options={"g": "10"}, format="h264").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 300] = np.random.default_rng(3).bytes(300)
    path = tmp_path / "b.h264"
    path.write_bytes(bytes(data))
    assert len(times_of(read(path, chunk_ms=400))) >= 55


def test_size_change_in_the_stream_begins_a_video(tmp_path):
    parts = [
        write(tmp_path / f"{size[0]}.h264", size=size, options={"g": "10"}, format="h264").read_bytes()
        for size in ((96, 64), (128, 96))
    ]
    path = tmp_path / "both.h264"
    path.write_bytes(b"".join(parts))
    chunks = list(open_source(str(path), encode=encode, camera_id="cam"))
    assert [(len(decode(c).frames), c.format.width, c.end) for c in chunks] == [(20, 96, True), (20, 128, True)]


def test_loop_repeats_as_new_videos(tmp_path):
    path = write(tmp_path / "a.mp4")
    source = open_source(str(path), encode=encode, camera_id="cam", start_ms=1000, loop=True)
    chunks = list(itertools.islice(source, 3))
    assert [chunk.capture_ms for chunk in chunks] == [1000, 1800, 2600]
    assert len({chunk.video_id for chunk in chunks}) == 3 and chunks[0].units == chunks[2].units


def test_realtime_waits_for_the_last_frame(tmp_path):
    path = write(tmp_path / "a.mp4", options={"g": "5"})
    began = time.monotonic()
    first = next(open_source(str(path), encode=encode, camera_id="cam", chunk_ms=200, realtime=True))
    assert len(first.units) == 5 and 0.15 <= time.monotonic() - began < 2


def test_wrong_calls_are_refused_at_once(tmp_path):
    path = str(write(tmp_path / "a.mp4"))
    with pytest.raises(UsageError):
        open_source(path, encode=encode, camera_id="cam/1")
    with pytest.raises(UsageError):
        open_source(path, encode=encode, camera_id="cam", chunk_ms=20_000)


def test_describe_says_what_is_kept_and_why_not(tmp_path):
    kept = describe(str(write(tmp_path / "a.mp4", options={"g": "10"}, sound=True)))
    assert (kept.codec, kept.width, kept.height, kept.rate, kept.audio) == ("h264", 96, 64, 25.0, "aac")
    assert (kept.gops, kept.kept, kept.recoded, kept.reasons) == ((10, 10), 2, 0, ())
    other = describe(str(write(tmp_path / "b.mp4", pixels="yuv422p")))
    assert other.kept == 0 and other.recoded == 1 and "yuv422p" in other.reasons[0]


def _decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts pictures of the GOPs that are decoded."""
    counted: list[int] = []

    def check(gop, codec):
        counted.append(len(gop))
        return check_gop(gop, codec)

    monkeypatch.setattr(camera_segment, "check_gop", check)
    return counted


GOPS = {"g": "2", "x264-params": "scenecut=0:open-gop=0:bframes=1"}


def test_a_camera_whose_pictures_are_in_order_has_one_gop_in_eight_decoded_and_the_last(tmp_path, monkeypatch):
    path = write(tmp_path / "a.mp4", options=GOPS, times=range(60))
    counted = _decoded(monkeypatch)
    plain = read(path, chunk_ms=200)
    assert len(counted) == 30
    counted.clear()
    live = list(open_source(str(path), encode=encode, camera_id="cam-1", chunk_ms=200, realtime=True))
    assert [(c.pts, c.units, c.format, c.end) for c in live] == [(c.pts, c.units, c.format, c.end) for c in plain]
    assert len(counted) == 8 + 3 + 1


def test_a_cameras_gop_with_other_parameter_sets_or_after_damage_is_decoded(tmp_path, monkeypatch):
    parts = [write(tmp_path / f"{n}.ts", options={**GOPS, "profile": profile}, times=range(n, n + 40)).read_bytes()
             for n, profile in ((0, "high"), (40, "main"))]
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(parts))
    counted = _decoded(monkeypatch)
    chunks = list(open_source(str(path), encode=encode, camera_id="cam-1", chunk_ms=200, realtime=True))
    assert sum(len(decode(chunk).frames) for chunk in chunks) == 80
    assert len(counted) == (8 + 2) + (1 + 2 + 1)
    trust = Trust(in_order=20)
    trust.note([], "pictures that don't decode")
    assert trust.in_order == 0
