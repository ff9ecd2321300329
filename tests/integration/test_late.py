"""A late live camera on the real broker: the worker spends less, says so, leaves no face bare, and recovers.

Lateness is the broker's times against a clock that the test stops, so that load doesn't change what is expected.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from infra.tls import signer_at
from operators.alarms import LATE
from operators.codec import decode as decode_pictures
from operators.effort import COARSE, FULL, SPARSE, WHOLE
from operators.masks import unpack_masks
from schemas.codec import unpack_as
from schemas.frames import BLOCK, FrameChunk
from schemas.records import Alarm, OperatorChunk
from schemas.topics import ALARMS, QUARANTINE, RAW
from streams.custodian import Keys, open_held
from streams.replay import record
from streams.setup import detector
from streams.verify import check_chain, check_record
from tests.support.services import Broker, unique
from tests.support.shared import shared_data
from tests.support.worker import CUSTODIAN, Deployment, clip, wait_for

CLIP = "intel-iot-devkit+sample-videos/asl_gestures/help.mkv"
LATE_MS = 20_000
LATE_CHUNKS = 8
SURE = 0.5
SKEW_MS = 30_000
FEW_BYTES = 40_000
"""So few may wait that the partition is paused again and again."""


def _live(camera: str) -> list[FrameChunk]:
    """Some short chunks, as a camera would send them."""
    chunks = [replace(chunk, live=True) for chunk in clip(shared_data() / "clips" / CLIP, camera, frames=2)]
    assert len(chunks) == 29
    return chunks


def _sent(deployment: Deployment, camera: str) -> list[int]:
    """When the broker took each chunk, ms."""
    return [m.timestamp_ms for m in deployment.read(RAW, "pipeline") if m.key == camera.encode()]


def _out(deployment: Deployment, camera: str) -> list[OperatorChunk]:
    return [body.chunk for body in deployment.bodies(camera) if body.chunk]


def test_late_camera_gets_less_says_so_leaks_nothing_and_recovers(worker_broker: Broker, tmp_path: Path) -> None:
    deployment, camera = Deployment(worker_broker), unique("cam")
    chunks = _live(camera)
    deployment.push(chunks[:LATE_CHUNKS], camera)
    worker = deployment.worker(tmp_path / "worker", waiting_bytes=FEW_BYTES)
    worker.set_clock(min(_sent(deployment, camera)) + LATE_MS)
    with deployment.platforms(), worker:
        wait_for(lambda: len(_out(deployment, camera)) >= LATE_CHUNKS - 1, "the late chunks", says=worker.metrics)
        figures = worker.metrics()
        worker.set_clock(min(_sent(deployment, camera)))
        deployment.push(chunks[LATE_CHUNKS:], camera)
        wait_for(lambda: any(body.end for body in deployment.bodies(camera)), "the video's end", says=worker.metrics)
    assert f'sealframe_worker_effort{{camera="{camera}"}} {float(WHOLE)}' in figures
    assert "sealframe_worker_eased 1.0" in figures

    check_chain([check_record(record, deployment.identify) for record in deployment.operator(camera)])
    out = _out(deployment, camera)
    efforts = [chunk.effort for chunk in out]
    assert [chunk.chunk_seq for chunk in out] == list(range(len(chunks)))
    assert efforts[:LATE_CHUNKS] == [FULL, COARSE, COARSE, WHOLE, WHOLE, WHOLE, WHOLE, WHOLE]
    recovery = efforts[LATE_CHUNKS:]
    assert recovery == sorted(recovery, reverse=True) and set(recovery) == {WHOLE, COARSE, SPARSE, FULL}
    faces = _check_masked(chunks, out)
    assert faces > 40
    alarms = [unpack_as("alarm", m.value) for m in deployment.read(ALARMS, "operator") if m.key == camera.encode()]
    assert _steps(alarms) == {LATE[COARSE], LATE[WHOLE]}
    whole = [one for one, made in zip(chunks, out, strict=True) if made.effort == WHOLE]
    _check_opened(deployment, camera, whole, tmp_path)


def _check_opened(deployment: Deployment, camera: str, chunks: list[FrameChunk], folder: Path) -> None:
    """The custodian's key, and a recording of the topic, give the camera's pictures of these chunks."""
    broker = deployment.broker
    with broker.access("admin").consumer("admin.record") as consumer:
        record(consumer, QUARANTINE, folder / "quarantine.rec")
    done = open_held(folder / "quarantine.rec", Keys(CUSTODIAN), signer_at(broker.tls_folder / "ca.pem"), folder,
                     camera=camera)
    assert not done.refused
    with av.open(str(folder / f"{chunks[0].video_id}.mp4")) as film:
        shown = [frame.to_ndarray(format="yuv420p") for frame in film.decode(video=0)]
    true = [one.planes.y for chunk in chunks for one in decode_pictures(chunk).frames]
    assert len(shown) == done.pictures == len(true)
    assert all((some[: len(y)] == y).all() for some, y in zip(shown, true, strict=True))


def _check_masked(chunks: list[FrameChunk], out: list[OperatorChunk]) -> int:
    """Every face that one sees for sure lies under its frame's mask; returns how many there are."""
    finder, faces = detector(), 0
    for chunk, made in zip(chunks, out, strict=True):
        masks = unpack_masks(made.masks, len(made.pts), chunk.format)
        for frame, mask in zip(decode_pictures(chunk).frames, masks, strict=True):
            assert mask.all() or made.effort < WHOLE
            found = finder.detect_planes(frame.planes, chunk.format)
            samples = mask.repeat(BLOCK, 0).repeat(BLOCK, 1)
            for x1, y1, x2, y2 in np.rint(found.boxes[found.scores >= SURE]).astype(int):
                faces += 1
                assert samples[y1:y2, x1:x2].mean() >= 0.95, (made.chunk_seq, frame.frame_no)
    return faces


def _steps(alarms: list[Alarm]) -> set[str]:
    return {alarm.text.split("late, ")[1].split(";")[0] for alarm in alarms if alarm.kind == "overload"}


@pytest.mark.parametrize("ahead_ms", [-SKEW_MS, SKEW_MS])
def test_camera_is_late_by_the_brokers_clock_whatever_the_workers_says(
    worker_broker: Broker, tmp_path: Path, ahead_ms: int
) -> None:
    deployment, camera = Deployment(worker_broker), unique("cam")
    chunks = _live(camera)[:6]
    worker = deployment.worker(tmp_path / "worker")
    worker.set_skew(ahead_ms)
    with deployment.platforms(), worker:
        deployment.push(chunks, camera)
        pushed_s = time.monotonic()
        wait_for(lambda: len(_out(deployment, camera)) >= len(chunks) - 1, "the chunks", says=worker.metrics)
        figures, took_s = worker.metrics(), time.monotonic() - pushed_s
    figure = f'sealframe_worker_late_seconds{{camera="{camera}"}}'
    (late,) = [line for line in figures.splitlines() if line.startswith(figure)]
    assert 0 < float(late.split()[-1]) <= took_s + 1
