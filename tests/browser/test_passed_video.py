"""A camera's own H.264, passed, then a chunk encoded here, then passed again: one file that every player takes.

The pictures of passed chunks are the camera's coded units; both files are read by libavformat, not by our own reader.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from playwright.sync_api import Page

from infra.camera import open_source
from operators.codec import encode
from operators.desensitise.policy import Policy
from operators.pipeline import Pipeline
from operators.pixels import blank
from operators.sign import SigningKey
from schemas.codec import decode
from schemas.frames import FrameChunk
from schemas.records import OperatorBody, OperatorChunk
from schemas.regions import Region, RegionSet
from schemas.state import CameraState
from tests.support.browser import run
from tests.support.shared import ROOT

NEGATIVE = ROOT.parent / "shared/data/clips/intel-iot-devkit+sample-videos/bottle-detection.mp4"
POLICY = Policy({"faces": frozenset({"face"})}, preset="ultrafast")
GOP = 30
DECODED_AHEAD = 8  # frames that a player may have decoded before it is told to play; 4 with Chromium 156
SLICE_KINDS, SETS = (1, 5), (7, 8)

PLAY = """
const v = document.createElement('video'); v.muted = true; v.src = args[0]; document.body.replaceChildren(v);
const happens = (n) => new Promise((ok, no) => {
  v.addEventListener(n, ok, {once: true});
  v.addEventListener('error', () => no(new Error(v.error.message)), {once: true}); });
const picture = () => new Promise((ok) => v.requestVideoFrameCallback((now, frame) => ok(frame.mediaTime)));
const first = picture();
await happens('loadeddata');
const shown = [await first];
for (const time of args[1]) {
  const seen = picture();
  v.currentTime = time;
  await happens('seeked');
  shown.push(await seen);
}
v.currentTime = 0; await happens('seeked');
const before = v.getVideoPlaybackQuality().totalVideoFrames;
v.playbackRate = args[2]; const ended = happens('ended'); await v.play(); await ended;
const quality = v.getVideoPlaybackQuality();
return {shown, at: v.currentTime, duration: v.duration, size: [v.videoWidth, v.videoHeight], error: v.error,
        played: quality.totalVideoFrames - before, corrupted: quality.corruptedVideoFrames};
"""


@dataclass(frozen=True)
class Made:
    """The camera's file, the operator's file, and what the pipeline says of its chunks."""

    source: Path
    public: Path
    chunks: tuple[OperatorChunk, ...]

    @property
    def passed(self) -> list[bool]:
        """For every frame: its chunk went out unchanged."""
        return [chunk.passed for chunk in self.chunks for _ in chunk.pts]


@dataclass(frozen=True)
class Opened:
    """A file as libavformat and libavcodec read it: packets in decoding order, pictures and times (s) as shown."""

    packets: list[bytes]
    times: list[float]
    pictures: list[bytes]


def _foreign(path: Path) -> Path:
    """A camera's file unlike what we write: B-frames as references, four slices, delimiters, SEI, GOPs of 1.2 s."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        stream.codec_context.thread_count = 1
        stream.options = {"preset": "medium", "x264-params": f"keyint={GOP}:min-keyint={GOP}:scenecut=0:open-gop=0:"
                          "bframes=3:b-pyramid=normal:ref=4:slices=4:aud=1:cabac=1:nal-hrd=vbr:vbv-maxrate=800:"
                          "vbv-bufsize=800"}
        for index in range(3 * GOP):
            planes = blank(160, 96)
            planes.y[:64] = 40 + 2 * index
            planes.y[64:, index : index + 40] = 200
            frame = av.VideoFrame.from_ndarray(np.concatenate([p.reshape(-1, 160) for p in planes.all()]), "yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def _regions(chunk: FrameChunk, hidden: bool) -> RegionSet:
    box = Region(1, "face", (20, 72, 52, 92), 0.9, "detected")
    frames = ((box,) if hidden else (),) * len(chunk.units)
    return RegionSet(chunk.camera_id, chunk.video_id, chunk.chunk_seq, frames)


def _process(source: Path, folder: Path) -> Made:
    """The pipeline behind the detector, with something found in the second chunk only."""
    pipeline, state = Pipeline(POLICY, None, SigningKey(b"p" * 32)), CameraState()  # type: ignore[arg-type]
    media, chunks = [], []
    for chunk in open_source(str(source), encode=encode, camera_id="cam"):
        state, out = pipeline.protect(state, chunk, _regions(chunk, chunk.chunk_seq == 1))
        for record in out.operator:
            media.append(record.media)
            body = decode(OperatorBody, record.signed.body).chunk
            chunks += [body] if body else []
    public = folder / "public.mp4"
    public.write_bytes(b"".join(media))
    return Made(source, public, tuple(chunks))


@pytest.fixture(scope="module", params=["generated", "negative clip"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder: Path = tmp_path_factory.mktemp("passed")
    if request.param == "generated":
        return _process(_foreign(folder / "camera.mp4"), folder)
    if not NEGATIVE.is_file():
        pytest.skip("shared/data isn't beside the checkout")
    return _process(NEGATIVE, folder)


def _open(path: Path) -> Opened:
    with av.open(str(path)) as file:
        packets = [bytes(packet) for packet in file.demux(video=0) if packet.size]
    with av.open(str(path)) as file:
        file.streams.video[0].thread_count = 1
        frames = [(float(frame.time), frame.to_ndarray().tobytes()) for frame in file.decode(video=0)]
    return Opened(packets, [time for time, _ in frames], [picture for _, picture in frames])


def _units(sample: bytes) -> list[bytes]:
    """NAL units of a sample, each with a length of four bytes in front."""
    units, at = [], 0
    while at < len(sample):
        size = int.from_bytes(sample[at : at + 4])
        units.append(sample[at + 4 : at + 4 + size])
        at += 4 + size
    return units


def _slices(sample: bytes) -> list[bytes]:
    return [unit for unit in _units(sample) if unit[0] & 31 in SLICE_KINDS]


def test_passed_chunks_keep_the_cameras_coded_pictures(made: Made) -> None:
    assert [chunk.passed for chunk in made.chunks] == [seq != 1 for seq in range(len(made.chunks))]
    before, after = _open(made.source), _open(made.public)
    assert {unit[0] & 31 for sample in after.packets for unit in _units(sample)} == {*SLICE_KINDS, *SETS}
    assert len(after.packets) == len(after.pictures) == len(before.packets) == len(made.passed)
    for passed, mine, theirs in zip(made.passed, after.packets, before.packets, strict=True):
        assert (_slices(mine) == _slices(theirs)) == passed
    for passed, mine, theirs in zip(made.passed, after.pictures, before.pictures, strict=True):
        assert (mine == theirs) == passed


def test_mixed_file_has_the_sources_times_and_seeks_in_libav(made: Made) -> None:
    times = _open(made.public).times
    assert np.abs(np.array(times) - _open(made.source).times).max() < 0.001
    count = len(times)
    for wanted in (0, count // 6, count // 2, count - 2):
        with av.open(str(made.public)) as file:
            file.seek(round((times[wanted] + 0.001) * 1_000_000))
            frames = [frame.time for frame in file.decode(video=0) if frame.time >= times[wanted] - 0.001]
        assert len(frames) == count - wanted and frames[0] == pytest.approx(times[wanted], abs=0.001)


def test_mixed_file_plays_to_its_end_and_seeks_in_chromium(
    made: Made, window: Page, serve: Callable[[Path], str]
) -> None:
    (made.public.parent / "index.html").write_text("<!doctype html><body></body>")
    window.goto(f"{serve(made.public.parent)}/index.html")
    before = _open(made.source)
    count, end = len(before.times), float(made.chunks[-1].end_pts) * _tick(made)
    asked = [count - 2, 3, count // 2, count // 3, count // 3 - 1, count // 2 + 7, 1]
    edges = [*before.times, end]
    result = run(window, PLAY, "public.mp4", [(edges[n] + edges[n + 1]) / 2 for n in asked], max(1.0, end / 5))
    assert result["error"] is None and result["corrupted"] == 0
    assert tuple(result["size"]) == _size(made.source)
    assert result["shown"] == pytest.approx([before.times[n] for n in (0, *asked)], abs=0.001)
    assert result["duration"] == pytest.approx(end, abs=0.01) and result["at"] == pytest.approx(end, abs=0.01)
    assert count - DECODED_AHEAD <= result["played"] <= count


def _tick(made: Made) -> float:
    with av.open(str(made.public)) as file:
        return float(file.streams.video[0].time_base or 0)


def _size(path: Path) -> tuple[int, int]:
    with av.open(str(path)) as file:
        return file.streams.video[0].width, file.streams.video[0].height
