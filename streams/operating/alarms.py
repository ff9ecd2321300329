"""Keeps the alarms of `alarms.v1` in the operating platform's database, each once, as long as the topic keeps them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from infra.kafka import Message
from schemas.codec import unpack_as
from schemas.errors import PoisonError
from schemas.records import Alarm
from schemas.topics import ALARMS, DAY_MS
from streams.clock import now_ms
from streams.operating.follow import Follower
from streams.operating.store import Connections

KEEP_MS = 30 * DAY_MS
MAX_SHOWN, MAX_TEXT = 200, 2000
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """An alarm with how often it came: equal ones of a camera count as one, at the time of the last."""

    alarm: Alarm
    times: int


class AlarmKeeper(Follower):
    """Keeps each alarm once."""

    topic, table = ALARMS, "alarms"

    def keep(self, db: Any, message: Message) -> None:
        """Keep an alarm; drop those whose time is over."""
        try:
            alarm: Alarm = unpack_as("alarm", message.value)
        except PoisonError as error:
            log.warning("not an alarm at %s/%s: %s", message.partition, message.offset, error)
            return
        db.execute(
            "INSERT INTO alarms VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (message.partition, message.offset, alarm.time_ms, _plain(alarm.kind), _plain(alarm.source),
             _plain(alarm.camera_id), _plain(alarm.text)),
        )
        db.execute("DELETE FROM alarms WHERE time_ms < %s", (now_ms() - KEEP_MS,))


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
