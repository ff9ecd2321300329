"""Epoch keys and the upload address: one X25519 key a day (UTC), published signed; destroyed once its evidence is in.

A day's address holds until one hour into the next, and the next day's is published one hour ahead, so that a pipeline
always has one. Times are milliseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from infra.keys import KeyStore
from operators.sign import SigningKey, sign
from schemas.codec import encode
from schemas.errors import UsageError
from schemas.records import Signed, UploadAddress
from schemas.topics import DAY_MS, MINUTE_MS, evidence_topic
from streams.authority import store

OVERLAP_MS = 60 * MINUTE_MS
RECORD_TYPE = "upload_address"


@dataclass(frozen=True, slots=True)
class EpochState:
    """An epoch: whether its key still exists, and how much evidence came under it."""

    name: str
    expires_ms: int
    open: bool
    chunks: int


class Epochs:
    """The epochs of one authority, which wants evidence of these kinds."""

    def __init__(
        self, authority: str, kinds: Sequence[str], keys: KeyStore, signer: SigningKey, retention_ms: int = 2 * DAY_MS
    ) -> None:
        """`retention_ms`: how long the topic keeps evidence; after it an epoch's key is of no use."""
        if not kinds:
            raise UsageError("an authority must want at least one kind of evidence")
        self._authority, self._kinds = authority, tuple(sorted(set(kinds)))
        self._keys, self._signer, self._retention_ms = keys, signer, retention_ms

    def due(self, db: Any, now_ms: int) -> tuple[Signed, ...]:
        """Addresses that must be published now and haven't been: today's, and near midnight tomorrow's."""
        days = [now_ms // DAY_MS]
        if (now_ms + OVERLAP_MS) // DAY_MS != days[0]:
            days.append(days[0] + 1)
        found = [self._address(db, day) for day in days]
        return tuple(signed for signed in found if signed is not None)

    def current(self, db: Any, now_ms: int) -> tuple[Signed, ...]:
        """All addresses that hold now, to be published again after a start (versions stay)."""
        rows = db.execute(
            "SELECT version, epoch, not_before_ms, expires_ms FROM upload_addresses WHERE expires_ms > %s ORDER BY 1",
            (now_ms,),
        ).fetchall()
        public = {identity.name: identity.public for identity in self._keys.identities()}
        return tuple(
            self._signed(version, epoch, not_before, expires, public[epoch])
            for version, epoch, not_before, expires in rows if epoch in public
        )

    def close(self, db: Any, now_ms: int, *, caught_up: bool) -> tuple[str, ...]:
        """Destroy the keys of epochs that are over and taken in, or past retention; the names of those destroyed.

        `caught_up`: the sink has read its topic to the end since the epoch expired.
        """
        destroyed = []
        for epoch in self.states(db):
            over = now_ms > epoch.expires_ms + OVERLAP_MS and caught_up and not store.gaps(db, self._videos(db, epoch))
            if epoch.open and (over or now_ms > epoch.expires_ms + self._retention_ms):
                self._keys.destroy_identity(epoch.name)
                destroyed.append(epoch.name)
        return tuple(destroyed)

    def states(self, db: Any) -> tuple[EpochState, ...]:
        """All epochs that were published."""
        alive = {identity.name for identity in self._keys.identities() if identity.destroyed_ms is None}
        rows = db.execute(
            "SELECT a.epoch, max(a.expires_ms), (SELECT count(*) FROM evidence e WHERE e.epoch = a.epoch)"
            " FROM upload_addresses a GROUP BY a.epoch ORDER BY 1"
        ).fetchall()
        return tuple(EpochState(name, expires, name in alive, chunks) for name, expires, chunks in rows)

    def _videos(self, db: Any, epoch: EpochState) -> list[str]:
        rows = db.execute("SELECT DISTINCT video_id FROM evidence WHERE epoch = %s", (epoch.name,)).fetchall()
        return [row[0] for row in rows]

    def _address(self, db: Any, day: int) -> Signed | None:
        """A day's address, unless it has been made already."""
        name = epoch_name(day)
        if db.execute("SELECT 1 FROM upload_addresses WHERE epoch = %s", (name,)).fetchone():
            return None
        identity = self._keys.create_identity(name)
        not_before, expires = day * DAY_MS, (day + 1) * DAY_MS + OVERLAP_MS
        (version,) = db.execute("SELECT coalesce(max(version), 0) + 1 FROM upload_addresses").fetchone()
        db.execute("INSERT INTO upload_addresses VALUES (%s, %s, %s, %s)", (version, name, not_before, expires))
        return self._signed(version, name, not_before, expires, identity.public)

    def _signed(self, version: int, epoch: str, not_before: int, expires: int, public: bytes) -> Signed:
        address = UploadAddress(
            self._authority, version, evidence_topic(self._authority), self._kinds, epoch, public, not_before, expires
        )
        return sign(encode(address), RECORD_TYPE, self._signer)


def epoch_name(day: int) -> str:
    """Name of the epoch of a day (days since 1970)."""
    return datetime.fromtimestamp(day * DAY_MS / 1000, UTC).strftime("%Y-%m-%d")
