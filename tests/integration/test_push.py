"""Push and edge on the real broker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from threading import Event

import pytest

from operators.desensitise.policy import Policy
from schemas.errors import AccessDenied, SourceError, UsageError
from schemas.frames import FrameChunk
from schemas.records import UploadAddress
from schemas.topics import RAW, evidence_topic
from streams.app import partition_of
from streams.edge import run_edge
from streams.intake import Enrolment, Intake
from streams.push import paced, push
from streams.setup import detector
from streams.stage import Arrival
from streams.topology import Protection
from streams.verify import verify_video
from tests.support.scenes import chunk, crossing
from tests.support.services import Broker, unique
from tests.support.worker import CUSTODIAN, EPOCHS, KINDS, PIPELINE, Deployment


@pytest.fixture(scope="module")
def deployment(broker: Broker) -> Deployment:
    return Deployment(broker)


def _video(camera: str, count: int = 4) -> list[FrameChunk]:
    video = f"{camera}-1700000000000-0000000a"
    return [
        replace(chunk(crossing(), seq, end=seq == count - 1, video=video), camera_id=camera)
        for seq in range(count)
    ]


def test_push_writes_every_chunk_in_order_where_faust_looks_for_it(deployment: Deployment) -> None:
    camera = unique("cam")
    chunks, seen = _video(camera), []
    access = deployment.broker.camera(camera)
    with access.producer() as producer:
        signer = deployment.signer(f"camera-{camera}")
        totals = push(chunks, camera, producer, PIPELINE.public, signer, in_flight=2, report=seen.append)
    assert (totals.chunks, totals.frames, totals.videos) == (4, 40, (f"{camera}-1700000000000-0000000a",))
    assert [one.chunks for one in seen] == [1, 2, 3, 4]
    mine = [m for m in deployment.read(RAW, "pipeline") if m.key == camera.encode()]
    intake = Intake(PIPELINE, deployment.identify, Enrolment(), lambda key: partition_of(key, 2))
    assert [intake.open(Arrival(m.topic, m.partition, m.offset, m.key, m.value)) for m in mine] == chunks


def test_both_clients_place_a_thousand_keys_alike(deployment: Deployment) -> None:
    keys = [f"key-{number}".encode() for number in range(1000)]
    with deployment.broker.access("pipeline").producer() as producer:
        sent = [producer.send("operator.events.v1", key, b"{}") for key in keys]
        producer.flush()
    assert [one.result().partition for one in sent] == [partition_of(key, 2) for key in keys]


def test_push_of_a_camera_that_is_not_enrolled_is_refused(deployment: Deployment) -> None:
    camera = unique("cam")
    access = deployment.broker.access(f"camera-{camera}")
    with pytest.raises(AccessDenied), access.producer(timeout_ms=5_000) as producer:
        push(_video(camera, 1), camera, producer, PIPELINE.public, deployment.signer(f"camera-{camera}"))


def test_a_producer_that_the_broker_ended_says_why_and_writes_again_once_it_may(deployment: Deployment) -> None:
    camera = unique("cam")
    key = camera.encode()
    with deployment.broker.access(f"camera-{camera}").producer(timeout_ms=5_000) as producer:
        refused = [producer.send(RAW, key, b"early") for _ in range(3)]
        time.sleep(1.0)
        with pytest.raises(AccessDenied):
            producer.flush()
        assert all(isinstance(one.exception(), AccessDenied) for one in refused)
        deployment.broker.camera(camera)
        written = producer.send(RAW, key, b"in time")
        producer.flush()
    assert written.result().key == key
    assert [m.value for m in deployment.read(RAW, "pipeline") if m.key == key] == [b"in time"]


def test_push_of_another_cameras_chunk_is_wrong_use(deployment: Deployment) -> None:
    camera = unique("cam")
    with pytest.raises(UsageError), deployment.broker.camera(camera).producer() as producer:
        push(_video("other", 1), camera, producer, PIPELINE.public, deployment.signer(f"camera-{camera}"))


@pytest.mark.parametrize(("rate", "seconds"), [(1.0, 1.6), (4.0, 0.4)])
def test_paced_gives_chunks_when_their_last_frame_would_be_taken(rate: float, seconds: float) -> None:
    now = [100.0]
    chunks = list(paced(_video("cam"), rate, lambda: now[0], lambda wait: now.__setitem__(0, now[0] + wait)))
    assert len(chunks) == 4
    assert now[0] - 100.0 == pytest.approx(seconds)


def test_paced_refuses_a_rate_of_nothing() -> None:
    with pytest.raises(UsageError):
        next(paced([], 0))


class Ready:
    """Addresses of authorities that have answered."""

    def address(self, authority: str) -> UploadAddress:
        public = EPOCHS[authority].public
        return UploadAddress(authority, 1, evidence_topic(authority), ("face",), "day", public, 0, 2**50)

    def routes(self) -> Mapping[str, frozenset[str]]:
        return KINDS


@pytest.mark.parametrize("count", [1, 4])
def test_edge_sends_a_whole_video_without_the_raw_topic(deployment: Deployment, count: int) -> None:
    camera = unique("cam")
    before = len(deployment.read(RAW, "pipeline"))
    signer = deployment.signer("pipeline")
    protection = Protection(Policy({}, preset="ultrafast"), detector(), signer, Ready(), CUSTODIAN.public)

    def source() -> Iterator[FrameChunk]:
        yield from _video(camera, count)

    with deployment.broker.access("pipeline").producer() as producer, ThreadPoolExecutor(2) as pool:
        counters = asyncio.run(run_edge(source(), protection, producer, pool))
    assert (counters.processed, counters.quarantined) == (count, 0)
    chain = verify_video(deployment.operator(camera), deployment.identify)
    assert (chain.next_seq, chain.next_frame) == (count, 10 * count)
    assert len(deployment.read(RAW, "pipeline")) == before


@pytest.mark.parametrize("told", [True, False])
def test_edge_that_is_stopped_or_loses_its_camera_closes_its_video(deployment: Deployment, told: bool) -> None:
    camera, stop = unique("cam"), Event()
    protection = Protection(Policy({}, preset="ultrafast"), detector(), deployment.signer("pipeline"), Ready(),
                            CUSTODIAN.public)

    def source() -> Iterator[FrameChunk]:
        yield from _video(camera, 4)[:3]
        if not told:
            raise SourceError("the cable is out")
        stop.set()
        yield from _video(camera, 4)[3:]

    refused = nullcontext() if told else pytest.raises(SourceError, match="cable")
    with refused, deployment.broker.access("pipeline").producer() as producer, ThreadPoolExecutor(2) as pool:
        asyncio.run(run_edge(source(), protection, producer, pool, stop=stop))
    chain = verify_video(deployment.operator(camera), deployment.identify)
    assert chain.end is not None and (chain.next_seq, chain.next_frame) == (3, 30)


def test_edge_that_may_not_write_ends_though_its_camera_is_silent(deployment: Deployment) -> None:
    camera, silent, began = unique("cam"), Event(), time.monotonic()
    protection = Protection(Policy({}, preset="ultrafast"), detector(), deployment.signer("pipeline"), Ready(),
                            CUSTODIAN.public)

    def source() -> Iterator[FrameChunk]:
        yield from _video(camera, 3)
        silent.wait(120)

    with pytest.raises(AccessDenied), deployment.broker.camera(camera).producer() as producer:
        with ThreadPoolExecutor(2) as pool:
            asyncio.run(run_edge(source(), protection, producer, pool))
    assert time.monotonic() - began < 60
    silent.set()
