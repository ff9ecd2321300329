"""A second worker joins while the first one works, and leaves again: partitions move, every chunk is delivered once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from schemas.frames import FrameChunk
from schemas.topics import RAW
from streams.app import partition_of
from tests.support.delivered import delivered_once, ended
from tests.support.services import Broker, unique
from tests.support.shared import shared_data
from tests.support.worker import Deployment, clip, wait_for

CLIP = "intel-iot-devkit+sample-videos/asl_gestures/help.mkv"
EVERY_S = 0.5
PATIENCE_S = 120.0


def _cameras(deployment: Deployment) -> list[str]:
    """One a partition."""
    with deployment.broker.access("pipeline").consumer("pipeline.test") as consumer:
        count = len(consumer.partitions(RAW))
    cameras: dict[int, str] = {}
    while len(cameras) < count:
        camera = unique("cam")
        cameras.setdefault(partition_of(camera.encode(), count), camera)
    return list(cameras.values())


@dataclass(frozen=True)
class Second:
    """What has come of the second worker."""

    holds: Event = field(default_factory=Event)
    works: Event = field(default_factory=Event)
    left: Event = field(default_factory=Event)

    def gone(self) -> None:
        """Nobody need wait for it any more."""
        for event in (self.holds, self.works, self.left):
            event.set()


def _coming(chunks: Sequence[FrameChunk], second: Second) -> Iterator[FrameChunk]:
    """Some at once; some one by one when the other has its partitions, some while it leaves; the last when it has."""
    for chunk in chunks:
        yield chunk
        share = (chunk.chunk_seq + 1) / len(chunks)
        if share > 0.2:
            second.holds.wait(PATIENCE_S)
            second.works.wait(EVERY_S if share < 0.5 else PATIENCE_S)
        if share > 0.6:
            second.left.wait(EVERY_S if share < 0.9 else PATIENCE_S)


def test_worker_that_joins_and_leaves_loses_and_doubles_nothing(worker_broker: Broker, tmp_path: Path) -> None:
    deployment, seen = Deployment(worker_broker), Second()
    cameras = _cameras(deployment)
    films = {camera: clip(shared_data() / "clips" / CLIP, camera, frames=3) for camera in cameras}
    first, second = (deployment.worker(tmp_path / name, member=name) for name in ("1", "2"))
    with deployment.platforms(), ThreadPoolExecutor(len(cameras)) as pool, first:
        pushes = [pool.submit(deployment.push, _coming(film, seen), c) for c, film in films.items()]
        try:
            wait_for(lambda: first.figure("processed") > 0, "work of the first")
            with second:
                wait_for(lambda: second.figure("partitions") > 0, "partitions", PATIENCE_S, says=second.log)
                assert second.figure("partitions") < len(cameras)
                seen.holds.set()
                wait_for(lambda: second.figure("processed") > 0, "work of the second", PATIENCE_S, says=second.log)
                seen.works.set()
                wait_for(lambda: second.figure("processed") > 3, "more of it", PATIENCE_S, says=second.metrics)
        finally:
            seen.gone()
        assert {push.result().chunks for push in pushes} == {len(film) for film in films.values()}
        wait_for(lambda: all(ended(deployment, camera) for camera in cameras), "the videos' ends", PATIENCE_S)
    for camera in cameras:
        delivered_once(deployment, camera, len(films[camera]))
