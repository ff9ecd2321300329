"""A search whose subjects are more than its list takes says so; and sessions that nobody uses end."""

from __future__ import annotations

import numpy as np

from infra.models import FACE_EMBEDDER
from infra.postgres import Database, connect
from streams.authority.looks import vector_text
from streams.clock import now_ms
from streams.forensic.log import AccessLog
from streams.forensic.search import MAX_MATCHES
from streams.forensic.service import Forensics
from streams.forensic.sessions import Sessions
from tests.support.authority import NOW_MS
from tests.support.cases import GROUND, gate, open_case
from tests.support.faces import by_colour
from tests.support.services import Postgres


def _stored(owner: str, count: int) -> str:
    """So many subjects that are all alike, a video each; the first one's id."""
    rng = np.random.default_rng(2)
    base = rng.normal(0, 1, 128)
    with connect(owner) as db:
        for number in range(count):
            seen = base + rng.normal(0, 0.05, 128)
            video, start = f"cam-{NOW_MS + number * 60_000}-{number:08x}", NOW_MS + number * 60_000
            db.execute("INSERT INTO videos (video_id, camera_id, start_ms, bytes, end_ms)"
                       " VALUES (%s, 'cam', %s, 1, %s)", (video, start, start + 1000))
            db.execute("INSERT INTO subjects VALUES (%s, %s, 'cam', 'face', '{1}', 1, %s, %s)",
                       (f"{video}/s1", video, start, start + 1000))
            db.execute("INSERT INTO subject_features (subject_id, video_id, camera_id, from_ms, to_ms, quality,"
                       " embedding, width, embedder, track) VALUES (%s, %s, 'cam', %s, %s, 1, %s, 100, %s, 1)",
                       (f"{video}/s1", video, start, start + 1000,
                        vector_text((seen / np.linalg.norm(seen)).astype(np.float32)), FACE_EMBEDDER))
        db.commit()
    return f"cam-{NOW_MS}-{0:08x}/s1"


def test_subjects_beyond_the_list_are_told(postgres_authority: Postgres) -> None:
    for count, more in ((MAX_MATCHES + 30, True), (MAX_MATCHES + 1, False)):
        app, owner = postgres_authority.fresh()
        database = Database(app, vectors=True)
        first = _stored(owner, count)
        open_case(database)
        answer = Forensics(database, AccessLog(database, now_ms), lambda: by_colour(FACE_EMBEDDER)).search_subject(
            first, GROUND
        )
        assert (len(answer.matches), answer.more) == (MAX_MATCHES, more)
        assert ("aren't listed" in answer.said) == more and first not in {m.subject_id for m in answer.matches}
        database.close()


def test_session_that_a_page_alone_keeps_busy_ends(postgres_authority: Postgres) -> None:
    with postgres_authority.database() as database:
        gate(database)
        now = [NOW_MS]
        sessions = Sessions(database, lambda: now[0], 15 * 60_000, 8 * 3_600_000)
        token = sessions.create("inspector")
        for _ in range(20):
            now[0] += 60_000
            assert sessions.look(token)
        for minute in range(20):
            now[0] += 60_000
            assert (sessions.look(token, used=False) is not None) == (minute < 14)
