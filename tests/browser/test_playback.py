"""A file of chunks by two encoders plays and seeks in Chromium, as a file and through MSE."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page

from operators.codec import decode, encode
from operators.fragment import fragment, init_segment
from operators.pixels import blank
from schemas.frames import CodedUnit, FrameChunk, Planes, VideoFormat
from tests.support.browser import run

FORMAT = VideoFormat(160, 96, Fraction(1, 90000), primaries=6, transfer=6, matrix=6)
STEP, COUNT = 3600, 75


def _picture(index: int) -> Planes:
    """The frame number as eight black or white columns, with a moving grey stripe under them."""
    planes = blank(160, 96)
    for bit in range(8):
        planes.y[:64, 20 * bit : 20 * bit + 20] = 235 if index >> bit & 1 else 16
    left = 2 * index % 140
    planes.y[64:, left : left + 20] = 120
    return planes


def _video() -> bytes:
    """Three chunks of one second, the second by another encoder; the first pts isn't 0."""
    parts = [init_segment(FORMAT)]
    for seq in range(3):
        numbers = range(25 * seq, 25 * seq + 25)
        pts = [900 + STEP * number for number in numbers]
        preset = "ultrafast" if seq == 1 else "veryfast"
        units: tuple[CodedUnit, ...] = encode([_picture(n) for n in numbers], pts, FORMAT, crf=20, preset=preset)
        parts.append(fragment(units, pts[-1] + STEP, seq + 1, FORMAT, 900))
    return b"".join(parts)


@pytest.fixture
def page(window: Page, serve: Callable[[Path], str], tmp_path: Path) -> Page:
    (tmp_path / "video.mp4").write_bytes(_video())
    (tmp_path / "index.html").write_text("<!doctype html><video id=v muted></video><canvas id=c></canvas>")
    window.goto(f"{serve(tmp_path)}/index.html")
    return window


LOAD = """
const data = await (await fetch('video.mp4')).arrayBuffer();
const v = document.getElementById('v');
const event = (t, n) => new Promise((ok, no) => {
  t.addEventListener(n, ok, {once: true});
  v.addEventListener('error', () => no(v.error.message), {once: true}); });
if (args[0] === 'file') {
  v.src = URL.createObjectURL(new Blob([data], {type: 'video/mp4'})); await event(v, 'loadeddata');
} else {
  const source = new MediaSource(); v.src = URL.createObjectURL(source); await event(source, 'sourceopen');
  const buffer = source.addSourceBuffer('video/mp4; codecs="avc3.640033"');
  buffer.appendBuffer(data); await event(buffer, 'updateend');
  if (args[0] === 'mse') { source.endOfStream(); }
  if (v.readyState < 2) { await event(v, 'loadeddata'); }
}
const c = document.getElementById('c'); c.width = 160; c.height = 96;
const number = () => {
  const g = c.getContext('2d', {willReadFrequently: true}); g.drawImage(v, 0, 0, 160, 96);
  let n = 0; for (let b = 0; b < 8; b++) { if (g.getImageData(20 * b + 10, 30, 1, 1).data[0] > 128) n += 1 << b; }
  return n; };
"""
SEEK = LOAD + """
const seen = [];
for (const wanted of args[1]) {
  v.currentTime = (wanted + 0.5) / 25; await event(v, 'seeked');
  // 'seeked' may come before the picture is drawn: a right one is waited for, a wrong one stays.
  for (let turn = 0; turn < 40 && number() !== wanted; turn++) { await new Promise(ok => setTimeout(ok, 25)); }
  seen.push(number());
}
return {seen, duration: v.duration, buffered: v.buffered.length, start: v.buffered.start(0), end: v.buffered.end(0)};
"""
PLAY = LOAD + """
const times = []; let frame = 0;
const tick = (_, meta) => { times.push(meta.mediaTime); v.requestVideoFrameCallback(tick); };
v.requestVideoFrameCallback(tick);
await v.play(); await event(v, 'ended');
return {times, last: number(), total: v.getVideoPlaybackQuality().totalVideoFrames};
"""


@pytest.mark.parametrize("way", ["file", "mse"])
def test_file_seeks_to_the_asked_frame(page: Page, way: str) -> None:
    numbers = [60, 30, *range(COUNT), 1, 37]
    result = run(page, SEEK, way, numbers)
    assert result["seen"] == numbers
    assert result["duration"] == pytest.approx(3, abs=0.001)
    assert (result["buffered"], result["start"]) == (1, 0) and result["end"] == pytest.approx(3, abs=0.001)


@pytest.mark.parametrize("way", ["file", "mse"])
def test_file_plays_to_its_end(page: Page, way: str) -> None:
    result = run(page, PLAY, way)
    assert result["last"] == COUNT - 1
    times = np.array(result["times"])
    assert (np.diff(times) > 0).all() and len(times) > COUNT // 2
    assert np.abs(times * 25 - np.round(times * 25)).max() < 0.01


def test_pictures_hold_their_number() -> None:
    units = encode([_picture(7)], [0], FORMAT, crf=20, preset="veryfast")
    chunk = FrameChunk("cam", "cam-0-0", 0, 0, 0, FORMAT, "h264", units, STEP)
    assert decode(chunk).frames[0].planes.y[30, 10] > 128
