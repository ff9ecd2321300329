"""How many are in view, over the day: adds up `operator.events.v1` in steps of ten seconds. Each chunk counts once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from infra.kafka import Message
from schemas.errors import PoisonError
from schemas.movement import Movement, from_json
from schemas.topics import DAY_MS, OPERATOR_EVENTS
from streams.clock import now_ms
from streams.operating.follow import Follower
from streams.operating.store import Connections

STEP_MS = 10_000
KEEP_MS = 30 * DAY_MS
REMEMBER_MS = 3 * DAY_MS
"""How long it is known which chunks were counted: longer than the topic keeps them."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class InView:
    """How many were in view for `step_ms` from a time on: on average over `frames` that were searched, and at most."""

    from_ms: int
    step_ms: int
    frames: int
    people: float
    plates: float
    most_people: int
    most_plates: int


class MovementKeeper(Follower):
    """Keeps how many are in view, of each camera."""

    topic, table = OPERATOR_EVENTS, "counted"

    def keep(self, db: Any, message: Message) -> None:
        """Count a chunk, unless it is counted."""
        try:
            movement = from_json(message.value)
        except PoisonError as error:
            log.warning("no movement at %s/%s: %s", message.partition, message.offset, error)
            return
        now = now_ms()
        new = db.execute(
            "INSERT INTO counted VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (movement.video_id, movement.chunk_seq, message.partition, message.offset, now),
        ).rowcount
        if new:
            _add(db, movement, now)
        if message.offset % 1000 == 0:
            db.execute("DELETE FROM counted WHERE received_ms < %s", (now - REMEMBER_MS,))
            db.execute("DELETE FROM movement WHERE received_ms < %s", (now - KEEP_MS,))


def _add(db: Any, movement: Movement, now_ms: int) -> None:
    people, plates = movement.of(plates=False), movement.of(plates=True)
    db.execute(
        "INSERT INTO movement AS m VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (camera_id, from_ms)"
        " DO UPDATE SET frames = m.frames + excluded.frames, unseen = m.unseen + excluded.unseen,"
        " people = m.people + excluded.people, plates = m.plates + excluded.plates,"
        " most_people = greatest(m.most_people, excluded.most_people),"
        " most_plates = greatest(m.most_plates, excluded.most_plates), received_ms = excluded.received_ms",
        (movement.camera_id, movement.capture_ms // STEP_MS * STEP_MS, len(movement.counts), len(movement.unseen),
         sum(people), sum(plates), max(people, default=0), max(plates, default=0), now_ms),
    )


def in_view(database: Connections, camera_id: str, from_ms: int, to_ms: int, step_ms: int) -> Sequence[InView]:
    """How many were in view of a camera in [from_ms, to_ms), by steps of `step_ms`; steps without video are left out.

    Frames that are masked whole don't count: nobody was looked for there.
    """
    step_ms = max(STEP_MS, step_ms)
    with database.connection() as db:
        rows = db.execute(
            "SELECT %(from)s + (from_ms - %(from)s) / %(step)s * %(step)s AS begin, sum(frames - unseen),"
            " sum(people) / greatest(1, sum(frames - unseen)), sum(plates) / greatest(1, sum(frames - unseen)),"
            " max(most_people), max(most_plates) FROM movement WHERE camera_id = %(camera)s"
            " AND from_ms >= %(from)s AND from_ms < %(to)s GROUP BY begin ORDER BY begin",
            {"camera": camera_id, "from": from_ms, "to": to_ms, "step": step_ms},
        ).fetchall()
    return [InView(int(begin), step_ms, int(frames), float(people), float(plates), most_people, most_plates)
            for begin, frames, people, plates, most_people, most_plates in rows]
