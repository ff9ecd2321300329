"""Consumer groups on a broker that other tests have filled."""

from __future__ import annotations

from infra.kafka import Message
from tests.support.services import Broker


def from_now_on(broker: Broker, principal: str, group: str, topic: str) -> None:
    """Let a group begin where the topic ends now."""
    with broker.access(principal).consumer(group) as consumer:
        for partition in consumer.partitions(topic):
            _, high = consumer.bounds(topic, partition)
            if high:
                consumer.commit(Message(topic, partition, high - 1, b"", b"", 0))
