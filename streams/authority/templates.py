"""Keys of face templates: every vector of an authority is turned by a secret of its key store before it is stored.

The number of the key stands beside each vector; the secret never leaves the key store. A video's vectors all have one
key, so that they compare. `reissue` turns a whole index to a fresh key, video by video, while searches go on: until it
is done, they look under both keys. Then the old key is destroyed, and vectors that were stolen before fit nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infra.keys import KeyStore
from infra.postgres import Database
from operators.embed import FEATURES
from operators.rotation import Rotation, rotation
from schemas.errors import ConfigError, NotForMe
from schemas.regions import Array
from streams.authority.looks import vector, vector_text

PLAIN = 0
"""Number of no key: vectors as the embedder made them, of indexes from before keys."""
_SHARED = "SELECT pg_advisory_xact_lock_shared(hashtext('sealframe templates'))"
_ALONE = "SELECT pg_advisory_xact_lock(hashtext('sealframe templates'))"
Step = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Reissued:
    """What a re-issue did: the new key's number, vectors turned, and old keys destroyed."""

    key: int
    vectors: int
    destroyed: tuple[int, ...]


class Templates:
    """The keys of one authority; without a key store vectors stay as they are, for tests and trials."""

    def __init__(self, keys: KeyStore | None = None, clock: Callable[[], int] = lambda: 0) -> None:
        self._keys, self._clock = keys, clock
        self._known: dict[int, Rotation] = {}

    def for_video(self, db: Any, video_id: str) -> int:
        """The key that new vectors of a video are turned by: that of those it has, else the newest; made if missing.

        Until the transaction ends, no re-issue does.
        """
        db.execute(_SHARED)
        row = db.execute(
            "SELECT template_key FROM track_features WHERE video_id = %s AND embedding IS NOT NULL LIMIT 1", (video_id,)
        ).fetchone()
        if row is not None:
            return int(row[0])
        return PLAIN if self._keys is None else self._newest(db)

    def living(self, db: Any) -> tuple[int, ...]:
        """The keys that vectors are searched by."""
        rows = db.execute(
            "SELECT 0 WHERE EXISTS (SELECT 1 FROM subject_features WHERE template_key = 0)"
            " UNION ALL SELECT number FROM template_keys ORDER BY 1"
        ).fetchall()
        return tuple(row[0] for row in rows) or (PLAIN,)

    def turned(self, vectors: Array, key: int) -> Array:
        """Vectors (..., 128) as they are stored under a key.

        Raises:
            ConfigError: the key isn't in the key store.

        """
        return vectors if key == PLAIN else self._rotation(key).turn(vectors)

    def plain(self, vectors: Array, key: int) -> Array:
        """Stored vectors as the embedder made them; errors as `turned`."""
        return vectors if key == PLAIN else self._rotation(key).back(vectors)

    def reissue(self, database: Database, step: Step = lambda done, of: None) -> Reissued:
        """Turn all vectors to a fresh key and destroy the old ones; run again after a failure, it goes on.

        Raises:
            ConfigError: there is no key store, or it lacks a key that vectors are turned by.

        """
        if self._keys is None:
            raise ConfigError("templates are re-issued with the key store that holds their keys")
        with database.connection() as db:
            db.execute(_ALONE)
            key = self._fresh(db)
        moved = 0
        while videos := self._left(database, key):
            for number, video_id in enumerate(videos):
                with database.connection() as db:
                    moved += self._move(db, video_id, key)
                step(number + 1, len(videos))
        old = tuple(range(1, key))
        for number in old:
            self._keys.destroy_secret(_name(number))
            self._known.pop(number, None)
        return Reissued(key, moved, old)

    def _left(self, database: Database, key: int) -> list[str]:
        """Videos with vectors of another key; once there are none and no write is under way, the other keys go."""
        with database.connection() as db:
            db.execute(_ALONE)
            rows = db.execute(
                "SELECT DISTINCT video_id FROM track_features WHERE template_key <> %s ORDER BY 1", (key,)
            ).fetchall()
            if not rows:
                db.execute("DELETE FROM template_keys WHERE number <> %s", (key,))
        return [row[0] for row in rows]

    def _fresh(self, db: Any) -> int:
        """The key that vectors go to; a re-issue that was cut short goes on with its own."""
        numbers = [row[0] for row in db.execute("SELECT number FROM template_keys ORDER BY number").fetchall()]
        return numbers[-1] if len(numbers) > 1 else self._make(db, max(numbers, default=PLAIN) + 1)

    def _move(self, db: Any, video_id: str, key: int) -> int:
        """Turn one video's vectors; the lock on its row keeps the sink from it meanwhile."""
        db.execute("SELECT 1 FROM videos WHERE video_id = %s FOR UPDATE", (video_id,))
        moved = 0
        for table, place in (("track_features", "track, look"), ("subject_features", "subject_id, track, look")):
            rows = db.execute(
                f"SELECT {place}, embedding::text, template_key FROM {table}"  # noqa: S608
                " WHERE video_id = %s AND template_key <> %s FOR UPDATE", (video_id, key),
            ).fetchall()
            names = place.split(", ")
            where = " AND ".join(f"{name} = %s" for name in names)
            for *at, text, before in rows:
                found = vector(text)
                again = None if found is None else vector_text(self.turned(self.plain(found, before), key))
                db.execute(
                    f"UPDATE {table} SET embedding = %s::vector, template_key = %s"  # noqa: S608
                    f" WHERE video_id = %s AND {where}", (again, key, video_id, *at),
                )
                moved += found is not None
        return moved

    def _newest(self, db: Any) -> int:
        row = db.execute("SELECT max(number) FROM template_keys").fetchone()
        return self._make(db, 1) if row is None or row[0] is None else int(row[0])

    def _make(self, db: Any, number: int) -> int:
        """A key in the key store first, then in the list: what is listed can be opened."""
        if self._keys is not None:
            self._keys.create_secret(_name(number))
        db.execute(
            "INSERT INTO template_keys VALUES (%s, %s) ON CONFLICT DO NOTHING", (number, self._clock())
        )
        return number

    def _rotation(self, key: int) -> Rotation:
        if key not in self._known:
            if self._keys is None:
                raise ConfigError(f"vectors are turned by template key {key}: open the key store that holds it")
            try:
                self._known[key] = rotation(self._keys.secret(_name(key)), FEATURES)
            except NotForMe as error:
                raise ConfigError(f"template key {key} isn't in this key store: restore its backup") from error
        return self._known[key]


def _name(number: int) -> str:
    return f"templates-{number}"
