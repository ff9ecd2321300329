"""The worker killed at random moments, the broker restarted, the worker refused: nothing lost or in two versions."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.support.delivered import delivered_once, ended
from tests.support.services import Broker, unique
from tests.support.shared import shared_data
from tests.support.worker import Deployment, clip, wait_for

GESTURES = "intel-iot-devkit+sample-videos/asl_gestures"
CLIPS = (f"{GESTURES}/help.mkv", f"{GESTURES}/student.mkv")
KILLS = 3
SEED = 7


@pytest.fixture(scope="module")
def deployment(worker_broker: Broker) -> Deployment:
    return Deployment(worker_broker)


def _push_all(deployment: Deployment, cameras: list[str]) -> dict[str, int]:
    paths = [shared_data() / "clips" / name for name in CLIPS]
    pushed = [deployment.push(clip(paths[i % 2], camera, 5), camera) for i, camera in enumerate(cameras)]
    return {one.camera_id: one.chunks for one in pushed}


def _wait_for_progress(deployment: Deployment, cameras: list[str]) -> None:
    before = sum(len(deployment.operator(camera)) for camera in cameras)
    wait_for(lambda: sum(len(deployment.operator(camera)) for camera in cameras) > before
             or _all_ended(deployment, cameras), "work")


def _all_ended(deployment: Deployment, cameras: list[str]) -> bool:
    return all(ended(deployment, camera) for camera in cameras)


def test_worker_killed_at_random_moments_delivers_every_chunk_once(deployment: Deployment, tmp_path: Path) -> None:
    cameras = [unique("cam") for _ in range(3)]
    expected = _push_all(deployment, cameras)
    moments = random.Random(SEED)
    worker = deployment.worker(tmp_path / "worker")
    with deployment.platforms():
        for _ in range(KILLS):
            worker.start()
            _wait_for_progress(deployment, cameras)
            time.sleep(moments.uniform(0, 0.7))
            worker.kill()
        with worker:
            wait_for(lambda: _all_ended(deployment, cameras), "the videos' ends")
    for camera, chunks in expected.items():
        delivered_once(deployment, camera, chunks)


def test_broker_restarted_under_the_worker_loses_nothing(deployment: Deployment, tmp_path: Path) -> None:
    cameras = [unique("cam") for _ in range(2)]
    with deployment.platforms(), deployment.worker(tmp_path / "worker") as worker:
        expected = _push_all(deployment, cameras)
        wait_for(lambda: bool(deployment.operator(cameras[0])), "work")
        deployment.broker.server.stop()
        deployment.broker.server.start()
        wait_for(lambda: _all_ended(deployment, cameras), "the videos' ends", 120)
        assert worker.process is not None and worker.process.poll() is None, worker.log()
    for camera, chunks in expected.items():
        delivered_once(deployment, camera, chunks)


def test_worker_that_is_refused_ends_with_an_error(deployment: Deployment, tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    (folder / "pipeline").mkdir(parents=True)
    for name in ("ca.pem", "operator"):
        (folder / name).symlink_to(deployment.broker.tls_folder / name)
    deployment.broker.identity("operator")
    for name in ("cert.pem", "key.pem", "keystore.pem"):
        (folder / "pipeline" / name).symlink_to(deployment.broker.tls_folder / "operator" / name)
    deployment.signer("pipeline")
    for name in ("signer.pem", "signer-key.pem"):
        (folder / "pipeline" / name).symlink_to(deployment.broker.tls_folder / "pipeline" / name)
    worker = deployment.worker(tmp_path / "worker")
    worker.tls_folder = folder
    worker.start()
    assert worker.process is not None
    assert worker.process.wait(60) == 1
    assert "AccessDenied" in worker.log()
