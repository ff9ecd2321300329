"""What a forensic service has to search in tests of who may: two cameras at gates."""

from __future__ import annotations

from infra.postgres import Database
from tests.support.desk_service import DeskService

AT, END = 1_700_000_000_000, 1_700_000_060_000
VIDEO = f"gate-1-{AT}-0000000a"


def with_gates(desk: DeskService) -> DeskService:
    """The same service, with one face seen at gate-1 and one at gate-2, and a plate."""
    with Database(desk.database) as database, database.connection() as db:
        for camera, kind, name in (("gate-1", "face", "s1"), ("gate-2", "face", "s1"), ("gate-1", "plate", "p1")):
            video = VIDEO.replace("gate-1", camera)
            if db.execute("SELECT 1 FROM subjects WHERE subject_id = %s", (f"{video}/{name}",)).fetchone():
                continue
            db.execute("INSERT INTO videos (video_id, camera_id, start_ms, bytes, end_ms) VALUES (%s, %s, %s, 0, %s)"
                       " ON CONFLICT DO NOTHING", (video, camera, AT, END))
            db.execute("INSERT INTO subjects VALUES (%s, %s, %s, %s, '{1}', 1, %s, %s)",
                       (f"{video}/{name}", video, camera, kind, AT, END))
            db.execute("INSERT INTO spans VALUES (%s, %s, 0, %s, 0, 1, 2)", (video, int(name[1]) + len(kind), kind))
    return desk
