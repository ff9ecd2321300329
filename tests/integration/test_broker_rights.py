from __future__ import annotations

import time

import pytest
from aiokafka.partitioner import DefaultPartitioner

from infra.kafka_admin import KafkaAdmin
from schemas.errors import AccessDenied, ChunkTooLarge, ConfigError, ServiceUnavailable
from schemas.topics import (
    ALARMS,
    CHANGELOG,
    KEYS,
    MAX_RECORD_BYTES,
    OPERATOR_EVENTS,
    OPERATOR_VIDEO,
    QUARANTINE,
    RAW,
    REGIONS,
    WORKER_GROUP,
    TopicSpec,
    evidence_topic,
)
from tests.support.kafka_calls import fetch, join, write
from tests.support.services import Broker, unique

READ_DENIED = [
    ("operator", RAW),
    ("operator", REGIONS),
    ("operator", evidence_topic("city-faces")),
    ("operator", KEYS),
    ("operator", QUARANTINE),
    ("operator", CHANGELOG),
    ("authority-city-faces", RAW),
    ("authority-city-faces", OPERATOR_VIDEO),
    ("authority-city-faces", evidence_topic("city-plates")),
    ("authority-city-faces", QUARANTINE),
    ("authority-city-plates", evidence_topic("city-faces")),
    ("pipeline", evidence_topic("city-faces")),
    ("pipeline", QUARANTINE),
    ("camera-7", RAW),
    ("camera-7", OPERATOR_VIDEO),
]
WRITE_DENIED = [
    ("operator", OPERATOR_VIDEO),
    ("operator", RAW),
    ("operator", KEYS),
    ("authority-city-faces", evidence_topic("city-faces")),
    ("authority-city-faces", OPERATOR_VIDEO),
    ("pipeline", RAW),
    ("pipeline", KEYS),
    ("camera-7", OPERATOR_VIDEO),
    ("camera-7", OPERATOR_EVENTS),
    ("camera-7", evidence_topic("city-faces")),
    ("camera-7", ALARMS),
    ("camera-not-enrolled", RAW),
    ("stranger", RAW),
]


@pytest.mark.parametrize(("principal", "topic"), READ_DENIED)
def test_reading_anothers_topic_is_refused(broker: Broker, principal: str, topic: str) -> None:
    access = broker.camera("7") if principal == "camera-7" else broker.access(principal)
    with pytest.raises(AccessDenied):
        fetch(access, topic)
    with pytest.raises(AccessDenied):
        join(access, topic, principal)


@pytest.mark.parametrize(("principal", "topic"), WRITE_DENIED)
def test_writing_anothers_topic_is_refused(broker: Broker, principal: str, topic: str) -> None:
    access = broker.camera("7") if principal == "camera-7" else broker.access(principal)
    with pytest.raises(AccessDenied):
        write(access, topic)


@pytest.mark.parametrize("group", [WORKER_GROUP, "authority-city-faces", "operatorx", "other"])
def test_joining_anothers_group_is_refused(broker: Broker, group: str) -> None:
    with pytest.raises(AccessDenied):
        join(broker.access("operator"), OPERATOR_VIDEO, group)


def test_creating_a_topic_and_granting_rights_are_refused(broker: Broker) -> None:
    admin = KafkaAdmin(broker.access("operator"))
    mine = TopicSpec("mine.v1", "", "", "one", 1000, ("operator",), ("operator",))
    with pytest.raises(AccessDenied):
        admin.apply([mine])
    with pytest.raises(AccessDenied):
        admin.enroll("camera-operator", broker.specs)
    with pytest.raises(AccessDenied):
        admin.reload_certificate(broker.identity("broker").keystore)


def test_every_right_of_the_table_works(broker: Broker) -> None:
    for spec in broker.specs:
        for principal in (p for p in spec.writers if not p.endswith("*")):
            write(broker.access(principal), spec.name)
        for principal in spec.readers:
            access = broker.access(principal)
            with access.consumer(f"{principal}.{unique('test')}") as consumer:
                assert consumer.read_all(spec.name) or spec.name == RAW
    write(broker.camera("7"), RAW)
    with broker.access("pipeline").consumer("pipeline.test") as consumer:
        assert consumer.read_all(RAW)


def test_revoked_camera_is_refused(broker: Broker) -> None:
    camera = unique("cam")
    access = broker.camera(camera)
    write(access, RAW)
    assert broker.admin().revoke(f"camera-{camera}") == 1
    for _ in range(20):
        try:
            write(access, RAW)
        except AccessDenied:
            return
        time.sleep(0.1)
    pytest.fail("a revoked camera still writes")


def test_writing_to_a_missing_topic_fails_and_creates_none(broker: Broker) -> None:
    with pytest.raises(ServiceUnavailable):
        write(broker.access("admin"), "no.such.topic.v1")
    assert "no.such.topic.v1" not in broker.admin().existing()


# records


def test_record_limits_hold(broker: Broker) -> None:
    with broker.camera("7").producer() as producer:
        largest = producer.send(RAW, b"7", bytes(MAX_RECORD_BYTES - 4096))
    assert largest.result().topic == RAW
    with broker.camera("7").producer() as producer, pytest.raises(ChunkTooLarge):
        producer.send(RAW, b"7", bytes(MAX_RECORD_BYTES + 1))


def test_both_clients_place_keys_alike(broker: Broker) -> None:
    spec = TopicSpec(f"{unique('keys')}.v1", "", "", "frames", 600_000, (), ())
    broker.admin().apply([spec], frame_partitions=7)
    keys = [f"camera-{number}".encode() for number in range(1000)]
    with broker.access("admin").producer() as producer:
        sent = [producer.send(spec.name, key, b"") for key in keys]
    placed = [future.result().partition for future in sent]
    assert placed == [DefaultPartitioner()(key, list(range(7)), list(range(7))) for key in keys]
    assert set(placed) == set(range(7))
    broker.admin().delete([spec.name])


def test_committed_records_do_not_come_again(broker: Broker) -> None:
    spec = TopicSpec(f"{unique('commit')}.v1", "", "", "one", 600_000, (), ())
    broker.admin().apply([spec])
    access, group = broker.access("admin"), unique("group")
    with access.producer() as producer:
        for number in range(3):
            producer.send(spec.name, b"k", bytes([number]))

    def read(count: int) -> list[int]:
        with access.consumer(group, [spec.name]) as consumer:
            found = []
            while len(found) < count:
                message = consumer.poll(5)
                assert message is not None
                found.append(message)
            consumer.commit(found[0])
            return [message.value[0] for message in found]

    assert read(2) == [0, 1]
    assert read(2) == [1, 2]
    broker.admin().delete([spec.name])


def test_apply_to_other_partitions_is_refused(broker: Broker) -> None:
    with pytest.raises(ConfigError, match="partitions"):
        broker.admin().apply(broker.specs, frame_partitions=5)
    assert all(change.action == "keep" for change in broker.admin().apply(broker.specs))
