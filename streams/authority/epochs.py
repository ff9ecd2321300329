"""Epoch keys and the upload address: one X25519 key a day (UTC), published signed; destroyed once its evidence is in.

A day's address holds until one hour into the next, and the next day's is published one hour ahead, so that a pipeline
always has one. One whose key may be in others' hands is revoked: the day gets another one at the next upkeep. Times are
milliseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

from infra.keys import KeyStore
from infra.postgres import Database
from operators.sign import SigningKey, sign
from schemas.codec import encode
from schemas.errors import UsageError
from schemas.records import Signed, UploadAddress
from schemas.topics import DAY_MS, MINUTE_MS, evidence_topic
from streams.authority import store
from streams.forensic.log import AccessLog
from streams.forensic.terms import words

CASE = "keys"
"""What stands in the entries of the log where others name a case."""
OVERLAP_MS = 60 * MINUTE_MS
RECORD_TYPE = "upload_address"


@dataclass(frozen=True, slots=True)
class EpochState:
    """An epoch, and whether its key still exists."""

    name: str
    expires_ms: int
    open: bool

    def over(self, now_ms: int) -> bool:
        """Nothing is sealed under it any more, and what was has had an hour to come."""
        return now_ms > self.expires_ms + OVERLAP_MS


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
        """All addresses that hold now and whose keys exist, to be published again after a start (versions stay)."""
        rows = db.execute(
            "SELECT version, epoch, not_before_ms, expires_ms FROM upload_addresses WHERE expires_ms > %s ORDER BY 1",
            (now_ms,),
        ).fetchall()
        public = living(self._keys)
        return tuple(
            self._signed(version, epoch, not_before, expires, public[epoch])
            for version, epoch, not_before, expires in rows if epoch in public
        )

    def close(self, db: Any, now_ms: int, *, caught_up: bool) -> tuple[str, ...]:
        """Destroy the keys of epochs that are over and taken in, or past retention; the names of those destroyed.

        `caught_up`: the sink has read its topic to the end since the epoch expired.
        """
        destroyed = []
        for epoch in self._open(db):
            past = now_ms > epoch.expires_ms + self._retention_ms
            if past or (caught_up and epoch.over(now_ms) and not _gaps(db, [epoch])):
                self._keys.destroy_identity(epoch.name)
                destroyed.append(epoch.name)
        return tuple(destroyed)

    def over(self, db: Any, now_ms: int) -> bool:
        """An epoch is over whose key still exists."""
        return any(epoch.over(now_ms) for epoch in self._open(db))

    def gaps(self, db: Any) -> list[store.Gap]:
        """What is missing in the videos of epochs whose keys still exist: it may come yet."""
        return _gaps(db, self._open(db))

    def states(self, db: Any) -> tuple[EpochState, ...]:
        """All epochs that were published."""
        alive = living(self._keys)
        rows = db.execute(
            "SELECT epoch, max(expires_ms) FROM upload_addresses GROUP BY epoch ORDER BY 1"
        ).fetchall()
        return tuple(EpochState(name, expires, name in alive) for name, expires in rows)

    def _open(self, db: Any) -> list[EpochState]:
        return [epoch for epoch in self.states(db) if epoch.open]

    def _name(self, db: Any, day: int) -> str:
        """A day's epoch; its next where that is revoked, or destroyed as by a clock that ran ahead for a while."""
        used = {identity.name for identity in self._keys.identities() if identity.destroyed_ms is not None}
        used |= {name for name, in db.execute("SELECT epoch FROM upload_addresses WHERE revoked_ms IS NOT NULL")}
        return next(name for number in count(1) if (name := epoch_name(day, number)) not in used)

    def _address(self, db: Any, day: int) -> Signed | None:
        """A day's address, unless it has been made already and its key exists."""
        name = self._name(db, day)
        if db.execute("SELECT 1 FROM upload_addresses WHERE epoch = %s", (name,)).fetchone():
            return None
        identity = self._keys.create_identity(name)
        not_before, expires = day * DAY_MS, (day + 1) * DAY_MS + OVERLAP_MS
        (version,) = db.execute("SELECT coalesce(max(version), 0) + 1 FROM upload_addresses").fetchone()
        db.execute(
            "INSERT INTO upload_addresses (version, epoch, not_before_ms, expires_ms) VALUES (%s, %s, %s, %s)",
            (version, name, not_before, expires),
        )
        return self._signed(version, name, not_before, expires, identity.public)

    def _signed(self, version: int, epoch: str, not_before: int, expires: int, public: bytes) -> Signed:
        address = UploadAddress(
            self._authority, version, evidence_topic(self._authority), self._kinds, epoch, public, not_before, expires
        )
        return sign(encode(address), RECORD_TYPE, self._signer)


def revoke(database: Database, log: AccessLog, epoch: str, actor: str, reason: str, now_ms: int) -> None:
    """Take an address back, as its key may be in others' hands; with its entry in the log.

    Nothing of it is destroyed: what pipelines sealed under it until they have the day's next one still opens, and its
    key goes as any other, once all of that is in.

    Raises:
        UsageError: no such address holds, or nobody and no reason is named.

    """
    for name, text in (("actor", actor), ("reason", reason)):
        words(name, text)
    with database.connection() as db:
        found = db.execute(
            "UPDATE upload_addresses SET expires_ms = %s, revoked_ms = %s"
            " WHERE epoch = %s AND expires_ms > %s AND revoked_ms IS NULL RETURNING version",
            (now_ms, now_ms, epoch, now_ms),
        ).fetchone()
        if found is None:
            raise UsageError(f"no address of epoch {epoch!r} holds; `sealframe keys list` names those there are")
        log.add(db, "revoke", actor, CASE, reason, {"epoch": epoch, "version": found[0]})


def living(keys: KeyStore) -> dict[str, bytes]:
    """The public keys of the epochs whose private keys exist, by name."""
    return {one.name: one.public for one in keys.identities() if one.destroyed_ms is None}


def epoch_name(day: int, number: int = 1) -> str:
    """Name of the epoch of a day (days since 1970); where it took several, their number is in those after the first."""
    name = datetime.fromtimestamp(day * DAY_MS / 1000, UTC).strftime("%Y-%m-%d")
    return name if number == 1 else f"{name}.{number}"


def _gaps(db: Any, epochs: Sequence[EpochState]) -> list[store.Gap]:
    names = [epoch.name for epoch in epochs]
    rows = db.execute("SELECT DISTINCT video_id FROM evidence WHERE epoch = ANY(%s)", (names,)).fetchall()
    return store.gaps(db, [row[0] for row in rows])
