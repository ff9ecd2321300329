"""The access log: every search, restoration, refusal and erasure, appended before its answer leaves.

An entry is canonical JSON. Each is chained to the one before (SHA-256 of chain and entry) and is a leaf of a Merkle
tree (RFC 6962) whose root a signed checkpoint (C2SP) holds, written with the entry: who keeps a checkpoint elsewhere
can prove what was there. The database refuses changes; whoever gets around that shows. The hash of every complete
subtree is stored, so appending and proving read as many rows as the tree has levels.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.postgres import Database
from operators.merkle import Place, completed, consistency_places, covering, inclusion_places, joined, leaf_hash, proof
from operators.note import Checkpoint, sign_checkpoint
from operators.sign import SigningKey, digest
from schemas.errors import ConfigError, IntegrityError, UsageError
from streams.forensic.proofs import FIRST, Consistency, Inclusion, LogInfo, Signed, check_entries

_LOCK = 0x5EA1F8A3
PAGE = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as it was logged."""

    seq: int
    time_ms: int
    content: Mapping[str, Any]
    chain: bytes


@dataclass(frozen=True, slots=True)
class LogSigner:
    """The log's name, and the authority's signing key with its certificate, read anew when it may have been renewed."""

    origin: str
    key: Callable[[], SigningKey]


class AccessLog:
    """The access log of one authority; `clock` gives milliseconds since 1970.

    Without a signer entries are appended all the same; the next checkpoint of who has one covers them.
    """

    def __init__(self, database: Database, clock: Callable[[], int], signer: LogSigner | None = None) -> None:
        self._database, self._clock, self._signer = database, clock, signer

    def append(self, action: str, actor: str, case: str, purpose: str, detail: Mapping[str, Any]) -> Entry:
        """Append an entry and its checkpoint, in a transaction of its own; both are on the disk when this returns."""
        with self._database.connection() as db:
            return self.add(db, action, actor, case, purpose, detail)

    def add(self, db: Any, action: str, actor: str, case: str, purpose: str, detail: Mapping[str, Any]) -> Entry:
        """The same in the caller's transaction: what that changes and its entry are there together, or neither is.

        Entries wait for one another until it ends, so it comes as late in it as can be.
        """
        db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        seq, before = _head(db)
        time_ms = self._clock()
        content = {"seq": seq, "time_ms": time_ms, "action": action, "actor": actor, "case": case,
                   "purpose": purpose, "detail": dict(detail)}
        entry = _coded(content)
        chain, leaf = hashlib.sha256(before + entry).digest(), leaf_hash(entry)
        db.execute("INSERT INTO access_log VALUES (%s, %s, %s, %s, %s)", (seq, time_ms, entry, leaf, chain))
        known = _nodes(db, covering(0, seq))
        made = completed(seq, leaf, known)
        levels, places = zip(*made, strict=True)
        db.execute("INSERT INTO log_nodes SELECT * FROM unnest(%s::smallint[], %s::bigint[], %s::bytea[])",
                   (list(levels), list(places), list(made.values())))
        if self._signer:
            _sign(db, self._signer, seq + 1, known | made, time_ms)
        return Entry(seq, time_ms, content, chain)

    def get(self, seq: int) -> Entry:
        """One entry.

        Raises:
            UsageError: no such entry.

        """
        with self._database.connection() as db:
            row = db.execute("SELECT time_ms, entry, chain FROM access_log WHERE seq = %s", (seq,)).fetchone()
        if row is None:
            raise UsageError(f"the log has no entry {seq}")
        return Entry(seq, row[0], json.loads(bytes(row[1])), bytes(row[2]))

    def last(self, count: int = 50) -> list[Entry]:
        """The newest entries, newest first."""
        with self._database.connection() as db:
            rows = db.execute(
                "SELECT seq, time_ms, entry, chain FROM access_log ORDER BY seq DESC LIMIT %s", (count,)
            ).fetchall()
        return [Entry(seq, time_ms, json.loads(bytes(entry)), bytes(chain)) for seq, time_ms, entry, chain in rows]

    def raw(self, first: int, count: int = PAGE) -> list[tuple[bytes, bytes]]:
        """Entries and chain values as they are stored, in the order of their numbers, `first` rows passed over."""
        with self._database.connection() as db:
            rows = db.execute(
                "SELECT entry, chain FROM access_log WHERE seq >= %s ORDER BY seq LIMIT %s", (first, count)
            ).fetchall()
        return [(bytes(entry), bytes(chain)) for entry, chain in rows]

    def checkpoint(self) -> Signed:
        """The newest checkpoint, which covers all entries; it is signed now where none does.

        Raises:
            ConfigError: that needs the authority's signing key, which isn't here.

        """
        with self._database.connection() as db:
            size = _head(db)[0]
            found = _checkpoint(db, size)
            if found is None:
                if self._signer is None:
                    raise ConfigError("checkpoints of the access log are signed by the forensic service")
                db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                size = _head(db)[0]
                found = _checkpoint(db, size) or _sign(
                    db, self._signer, size, _nodes(db, covering(0, size)), self._clock()
                )
        return found

    def info(self) -> LogInfo:
        """Size, root and head."""
        with self._database.connection() as db:
            size, chain = _head(db)
            places = covering(0, size)
            known = _nodes(db, places)
        return LogInfo(size, joined([known[place] for place in places]), chain)

    def prove(self, seq: int) -> Inclusion:
        """That an entry is in the log of the newest checkpoint.

        Raises:
            UsageError: no such entry.

        """
        checkpoint = self.checkpoint()
        groups = inclusion_places(seq, checkpoint.said.size)
        with self._database.connection() as db:
            row = db.execute("SELECT entry FROM access_log WHERE seq = %s", (seq,)).fetchone()
            known = _nodes(db, [place for group in groups for place in group])
        return Inclusion(seq, bytes(row[0]) if row else b"", proof(groups, known), checkpoint)

    def prove_growth(self, old: Signed) -> Consistency:
        """That the log of the newest checkpoint begins as that of an old one, whose signature isn't looked at.

        Raises:
            UsageError: the old one has more entries than this log.

        """
        return Consistency(old, *self.growth(old.said.size))

    def growth(self, old: int) -> tuple[Signed, tuple[bytes, ...]]:
        """The newest checkpoint, and the hashes that prove that its log begins as the one of `old` entries."""
        new = self.checkpoint()
        groups = consistency_places(old, new.said.size) if old else ()
        with self._database.connection() as db:
            known = _nodes(db, [place for group in groups for place in group])
        return new, proof(groups, known)

    def verify(self, kept: Sequence[Checkpoint] = ()) -> LogInfo:
        """Read every entry again, and check that the log is that of its tree, its checkpoint and all kept ones.

        Raises:
            IntegrityError: an entry was changed, taken out, put in or moved, or the log was cut, replaced or forked.

        """
        own = self.info()
        read = check_entries(self._rows(own.size), kept)
        if read != own:
            raise IntegrityError("the access log isn't the one that its tree was made from")
        with self._database.connection() as db:
            if db.execute("SELECT 1 FROM access_log WHERE (seq, time_ms) IS DISTINCT FROM"
                          " ((convert_from(entry, 'utf8')::jsonb->>'seq')::bigint,"
                          " (convert_from(entry, 'utf8')::jsonb->>'time_ms')::bigint) LIMIT 1").fetchone():
                raise IntegrityError("an entry of the access log was changed: its number or time isn't its own")
            newest = _checkpoint(db, own.size)
        if newest and newest.said.root != own.root:
            raise IntegrityError("the access log isn't the one that its newest checkpoint was signed for")
        return own

    def _rows(self, size: int) -> Iterator[tuple[bytes, bytes]]:
        for first in range(0, size, PAGE):
            yield from self.raw(first, min(PAGE, size - first))


def _coded(content: Mapping[str, Any]) -> bytes:
    """An entry's bytes; half a character, as hostile text may have, becomes `?`: nothing keeps an entry out."""
    return json.dumps(
        content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode("utf-8", "replace")


def _head(db: Any) -> tuple[int, bytes]:
    """How many entries there are, and the chain's value behind the last."""
    row = db.execute("SELECT seq, chain FROM access_log ORDER BY seq DESC LIMIT 1").fetchone()
    return (row[0] + 1, bytes(row[1])) if row else (0, FIRST)


def _nodes(db: Any, places: Iterable[Place]) -> dict[Place, bytes]:
    wanted = list(places)
    rows = db.execute(
        "SELECT level, index, hash FROM log_nodes JOIN unnest(%s::smallint[], %s::bigint[]) AS w (level, index)"
        " USING (level, index)", ([level for level, _ in wanted], [at for _, at in wanted]),
    ).fetchall()
    found = {(level, at): bytes(value) for level, at, value in rows}
    if len(found) != len(set(wanted)):
        raise IntegrityError("nodes of the access log's tree are missing: it was tampered with")
    return found


def _checkpoint(db: Any, size: int) -> Signed | None:
    row = db.execute(
        "SELECT note, certificate FROM checkpoints JOIN log_signers USING (signer) WHERE size = %s", (size,)
    ).fetchone()
    return None if row is None else Signed(row[0], bytes(row[1]))


def _sign(db: Any, signer: LogSigner, size: int, known: Mapping[Place, bytes], time_ms: int) -> Signed:
    """Sign the log as it is and note that."""
    key = signer.key()
    root = joined([known[place] for place in covering(0, size)])
    signed = Signed(sign_checkpoint(Checkpoint(signer.origin, size, root, time_ms), key), key.signer)
    name = digest(key.signer)
    db.execute("INSERT INTO log_signers VALUES (%s, %s) ON CONFLICT DO NOTHING", (name, key.signer))
    db.execute("INSERT INTO checkpoints VALUES (%s, %s, %s)", (size, signed.note, name))
    return signed
