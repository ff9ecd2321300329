"""Keeps the alarms of `alarms.v1` in the operating platform's database, each once, as long as the topic keeps them.

The place of the last alarm kept is the place to go on from: no offsets are committed. A broker that was set up anew
counts from the beginning again, and is read from there.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from infra.kafka import Consumer, KafkaAccess, Message
from infra.postgres import Database
from schemas.codec import unpack_as
from schemas.errors import PoisonError
from schemas.records import Alarm
from schemas.topics import ALARMS, DAY_MS
from streams.operating.store import Connections
from streams.readiness import Background, wall_ms

KEEP_MS = 30 * DAY_MS
MAX_SHOWN, MAX_TEXT = 200, 2000
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """An alarm with how often it came: equal ones of a camera count as one, at the time of the last."""

    alarm: Alarm
    times: int


class AlarmKeeper(Background):
    """One thread, one consumer."""

    def __init__(self, access: KafkaAccess, database: Database, group: str) -> None:
        super().__init__("alarms")
        self._access, self._database, self._group = access, database, group

    def session(self) -> None:
        """Take alarms until halted; raises as `Consumer.poll` and `Database.connection`."""
        with self._access.consumer(f"{self._group}.alarms") as consumer:
            consumer.assign(self._places(consumer))
            while not self.halted:
                message = consumer.poll(0.5)
                if message is not None:
                    self._keep(message)

    def _places(self, consumer: Consumer) -> list[tuple[str, int, int]]:
        with self._database.connection() as db:
            known = dict(db.execute("SELECT partition, max(place) + 1 FROM alarms GROUP BY partition").fetchall())
        places = []
        for number in consumer.partitions(ALARMS):
            low, high = consumer.bounds(ALARMS, number)
            after = int(known.get(number, low))
            places.append((ALARMS, number, after if low <= after <= high else low))
        return places

    def _keep(self, message: Message) -> None:
        try:
            alarm: Alarm = unpack_as("alarm", message.value)
        except PoisonError as error:
            log.warning("not an alarm at %s/%s: %s", message.partition, message.offset, error)
            return
        with self._database.connection() as db:
            db.execute(
                "INSERT INTO alarms VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                (message.partition, message.offset, alarm.time_ms, _plain(alarm.kind), _plain(alarm.source),
                 _plain(alarm.camera_id), _plain(alarm.text)),
            )
            db.execute("DELETE FROM alarms WHERE time_ms < %s", (wall_ms() - KEEP_MS,))


def newest(database: Connections, count: int = 50) -> Sequence[Kept]:
    """The newest alarms, `MAX_SHOWN` at most, newest first."""
    with database.connection() as db:
        rows = db.execute(
            "SELECT kind, source, camera_id, max(time_ms), text, count(*) FROM alarms"
            " GROUP BY kind, source, camera_id, text ORDER BY max(time_ms) DESC LIMIT %s", (min(count, MAX_SHOWN),)
        ).fetchall()
    return [Kept(Alarm(*row[:5]), row[5]) for row in rows]


def _plain(text: str) -> str:
    return text.replace("\0", "")[:MAX_TEXT]
