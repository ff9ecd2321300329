"""Short calls of a broker that end with its refusal."""

from __future__ import annotations

import time

from infra.kafka import KafkaAccess


def write(access: KafkaAccess, topic: str) -> None:
    with access.producer(timeout_ms=8_000) as producer:
        producer.send(topic, b"key", b"value")


def fetch(access: KafkaAccess, topic: str) -> None:
    """Read from a partition without a group, wait for a refusal, 10 s at most."""
    with access.consumer(access.identity.principal) as consumer:
        consumer.assign([(topic, 0, 0)])
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and consumer.poll(0.2) is None:
            continue


def join(access: KafkaAccess, topic: str, group: str) -> None:
    """Subscribe and wait for a refusal, 10 s at most."""
    with access.consumer(group, [topic]) as consumer:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and consumer.poll(0.2) is None:
            continue
