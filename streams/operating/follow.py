"""Follows a topic without committing: what is kept in the database says where to go on.

A broker that was set up anew counts from the beginning again, and is read from there.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from infra.kafka import Consumer, KafkaAccess, Message
from infra.postgres import Database
from streams.readiness import Background

BATCH = 256


class Follower(Background):
    """One thread, one consumer, one table that remembers the place (`partition`, `place`) of each record."""

    topic: str
    table: str

    def __init__(self, access: KafkaAccess, database: Database, group: str) -> None:
        super().__init__(self.table)
        self._access, self._database, self._group = access, database, group

    @abstractmethod
    def keep(self, db: Any, message: Message) -> None:
        """Take one record, in the transaction of its batch."""

    def session(self) -> None:
        """Take records until halted; raises as `Consumer.poll` and `Database.connection`."""
        with self._access.consumer(f"{self._group}.{self.table}") as consumer:
            consumer.assign(self._places(consumer))
            while not self.halted:
                messages = _gather(consumer)
                if messages:
                    with self._database.connection() as db:
                        for message in messages:
                            self.keep(db, message)

    def _places(self, consumer: Consumer) -> list[tuple[str, int, int]]:
        with self._database.connection() as db:
            known = dict(db.execute(
                f"SELECT partition, max(place) + 1 FROM {self.table} GROUP BY partition"  # noqa: S608
            ).fetchall())
        places = []
        for number in consumer.partitions(self.topic):
            low, high = consumer.bounds(self.topic, number)
            after = int(known.get(number, low))
            places.append((self.topic, number, after if low <= after <= high else low))
        return places


def _gather(consumer: Consumer) -> list[Message]:
    messages: list[Message] = []
    while len(messages) < BATCH and (message := consumer.poll(0.0 if messages else 0.5)) is not None:
        messages.append(message)
    return messages
