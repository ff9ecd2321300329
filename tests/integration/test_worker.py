"""The worker as a process on the real broker: from a camera's chunks to the operator's records and sealed evidence."""

from __future__ import annotations

from pathlib import Path

import pytest

from operators.desensitise.policy import Policy
from operators.pipeline import Pipeline
from operators.seal import evidence_aad, unseal
from operators.sign import check
from schemas.codec import decode, unpack_as
from schemas.records import Quarantined, SealedEvidence
from schemas.topics import ALARMS, QUARANTINE, RAW, evidence_topic
from streams.setup import detector
from streams.topology import quarantine_aad
from streams.verify import check_chain, check_evidence, check_record, expected_evidence
from tests.support.kafka_calls import write
from tests.support.services import Broker, unique
from tests.support.shared import shared_data
from tests.support.worker import CUSTODIAN, EPOCHS, KINDS, Deployment, clip, wait_for

CLIP = "intel-iot-devkit+sample-videos/asl_gestures/help.mkv"
RECORD = b"\x08\x01"  # how each begins: its version


@pytest.fixture(scope="module")
def deployment(worker_broker: Broker) -> Deployment:
    return Deployment(worker_broker)


def _ended(deployment: Deployment, camera: str) -> bool:
    return any(body.end for body in deployment.bodies(camera))


def test_worker_delivers_a_whole_chain_and_its_evidence(deployment: Deployment, tmp_path: Path) -> None:
    path = shared_data() / "clips" / CLIP
    camera = unique("cam")
    pushed = deployment.push(clip(path, camera), camera)
    with deployment.platforms(), deployment.worker(tmp_path / "worker") as worker:
        wait_for(lambda: _ended(deployment, camera), "the video's end")
        assert '"failing": ""' in worker.get("health")
        assert "sealframe_worker_processed" in worker.get("metrics")
        assert worker.stop() == 0, worker.log()
    chain = check_chain([check_record(record, deployment.identify) for record in deployment.operator(camera)])
    bodies = [body.chunk for body in deployment.bodies(camera) if body.chunk]
    assert [chunk.chunk_seq for chunk in bodies] == list(range(pushed.chunks))
    assert sum(len(chunk.pts) for chunk in bodies) == pushed.frames
    assert chain
    got: dict[int, int] = {}
    topic = evidence_topic("city-faces")
    for message in deployment.read(topic, "authority-city-faces"):
        if message.key != camera.encode():
            continue
        signed = unpack_as("evidence", message.value)
        principal, public = deployment.identify(signed.signer)
        assert principal == "pipeline"
        evidence = decode(SealedEvidence, check(signed, "evidence", public))
        for part in evidence.parts:
            assert unseal(part.sealed, [EPOCHS["city-faces"]], evidence_aad(evidence, part, topic))
        got[evidence.chunk_seq] = len(evidence.parts)
    checked = [check_record(record, deployment.identify) for record in deployment.operator(camera)]
    expected = expected_evidence(checked, "city-faces")
    check_evidence(expected, got)
    assert got


def test_camera_writing_as_another_is_quarantined(deployment: Deployment, tmp_path: Path) -> None:
    path = shared_data() / "clips" / CLIP
    victim, thief = unique("cam"), unique("cam")
    deployment.push(clip(path, victim), victim, as_camera=thief)
    deployment.push(clip(path, thief), thief)
    with deployment.platforms(), deployment.worker(tmp_path / "worker"):
        wait_for(lambda: _ended(deployment, thief), "the thief's own video")
        wait_for(lambda: bool(_quarantined(deployment, victim)), "quarantine")
    assert deployment.operator(victim) == []
    found = _quarantined(deployment, victim)
    assert all(record.reason.startswith("SignerNotEnrolled") for record in found)
    first = found[0]
    aad = quarantine_aad(first.topic, first.partition, first.offset)
    assert unpack_as("raw_chunk", unseal(first.sealed, [CUSTODIAN], aad))


def test_topics_full_of_what_is_no_record_do_not_disturb_other_cameras(deployment: Deployment, tmp_path: Path) -> None:
    broker, camera = deployment.broker, unique("cam")
    deployment.push(clip(shared_data() / "clips" / CLIP, camera), camera)
    for spec in broker.specs:
        for principal in (name for name in spec.writers if not name.endswith("*")):
            write(broker.access(principal), spec.name)
    write(broker.camera("key"), RAW)
    with deployment.platforms(), deployment.worker(tmp_path / "worker"):
        wait_for(lambda: _ended(deployment, camera), "the video's end")
        wait_for(lambda: bool(_quarantined(deployment, "key")), "quarantine")


def test_nothing_is_processed_before_all_platforms_answered(deployment: Deployment, tmp_path: Path) -> None:
    path = shared_data() / "clips" / CLIP
    camera = unique("cam")
    deployment.push(clip(path, camera), camera)
    with deployment.worker(tmp_path / "worker") as worker:
        with deployment.platforms(silent=("authority-city-plates",)):
            wait_for(lambda: _unready(deployment), "the alarm")
            assert "not ready: authority-city-plates" in worker.get("health")
            assert deployment.operator(camera) == []
        with deployment.platforms():
            wait_for(lambda: _ended(deployment, camera), "the video's end")


def test_silent_camera_with_a_held_chunk_is_delivered(deployment: Deployment, tmp_path: Path) -> None:
    path = shared_data() / "clips" / CLIP
    camera = unique("cam")
    first = clip(path, camera)[0]
    deployment.push([first], camera)
    with deployment.platforms(), deployment.worker(tmp_path / "worker"):
        wait_for(lambda: any(body.chunk for body in deployment.bodies(camera)), "the held chunk")
    assert not _ended(deployment, camera)


@pytest.mark.parametrize("count", [1, None], ids=["nothing after it", "chunks after it"])
def test_record_that_faust_drops_at_its_start_is_read_again(
    deployment: Deployment, tmp_path: Path, count: int | None
) -> None:
    camera = unique("cam")
    chunks = clip(shared_data() / "clips" / CLIP, camera)[:count]
    deployment.push(chunks, camera)
    with deployment.platforms(), deployment.worker(tmp_path / "worker", dropping=True) as worker:
        wait_for(lambda: _seqs(deployment, camera) == list(range(len(chunks))), "every chunk", 40, says=worker.metrics)
        assert "sealframe_worker_lag 0.0" in worker.metrics()


def test_topology_cut_after_tracking_delivers_the_same_as_in_process(deployment: Deployment, tmp_path: Path) -> None:
    camera = unique("cam")
    chunks = clip(shared_data() / "clips" / CLIP, camera)
    deployment.push(chunks, camera)
    with deployment.platforms(), deployment.worker(tmp_path / "one", "locate"), deployment.worker(
        tmp_path / "two", "protect"
    ):
        wait_for(lambda: _ended(deployment, camera), "the video's end")
    policy = Policy({name: frozenset(kinds) for name, kinds in KINDS.items()}, preset="ultrafast")
    pipeline = Pipeline(policy, detector(), deployment.signer("pipeline"))
    state, direct = pipeline.initial(camera), []
    for chunk, following in zip(chunks, [*chunks[1:], None], strict=True):
        state, outgoing = pipeline.step(state, chunk, following)
        direct += outgoing.operator
    assert deployment.operator(camera) == direct


def _seqs(deployment: Deployment, camera: str) -> list[int]:
    return [body.chunk.chunk_seq for body in deployment.bodies(camera) if body.chunk]


def _quarantined(deployment: Deployment, camera: str) -> list[Quarantined]:
    found = [m.value for m in deployment.read(QUARANTINE, "admin") if m.key == camera.encode()]
    return [unpack_as("quarantined", value) for value in found if value.startswith(RECORD)]


def _unready(deployment: Deployment) -> bool:
    found = [message.value for message in deployment.read(ALARMS, "operator")]
    # other tests write to this topic what is no record
    alarms = [unpack_as("alarm", value) for value in found if value.startswith(RECORD)]
    return any(alarm.kind == "platform-unready" and "city-plates" in alarm.text for alarm in alarms)
