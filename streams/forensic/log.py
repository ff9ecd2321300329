"""The access log: every search, restoration, refusal and erasure, appended before its answer leaves.

An entry is canonical JSON. Each is chained to the one before (SHA-256 of chain and entry) and is a leaf of a Merkle
tree (RFC 6962), so that who holds an old root or chain value can prove what was there. The database refuses changes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.postgres import Database
from operators.merkle import inclusion_proof, leaf_hash, root, verify_inclusion
from schemas.errors import IntegrityError, UsageError

FIRST = bytes(32)
_LOCK = 0x5EA1F8A3


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as it was logged."""

    seq: int
    time_ms: int
    content: Mapping[str, Any]
    chain: bytes


@dataclass(frozen=True, slots=True)
class LogInfo:
    """Size, Merkle root and head of the chain: what to keep elsewhere, to check the log against later."""

    size: int
    root: bytes
    chain: bytes


@dataclass(frozen=True, slots=True)
class Proof:
    """That an entry is in the log of `size` entries with this root; `verify_proof` checks it without the database."""

    seq: int
    size: int
    entry: bytes
    path: tuple[bytes, ...]
    root: bytes


class AccessLog:
    """The access log of one authority; `clock` gives milliseconds since 1970."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database, self._clock = database, clock

    def append(self, action: str, actor: str, case: str, purpose: str, detail: Mapping[str, Any]) -> Entry:
        """Append an entry, in a transaction of its own; it is on the disk when this returns."""
        with self._database.connection() as db:
            db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            row = db.execute("SELECT seq, chain FROM access_log ORDER BY seq DESC LIMIT 1").fetchone()
            seq, before = (row[0] + 1, bytes(row[1])) if row else (0, FIRST)
            time_ms = self._clock()
            content = {"seq": seq, "time_ms": time_ms, "action": action, "actor": actor, "case": case,
                       "purpose": purpose, "detail": dict(detail)}
            entry = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
            chain = hashlib.sha256(before + entry).digest()
            db.execute("INSERT INTO access_log VALUES (%s, %s, %s, %s, %s)",
                       (seq, time_ms, entry, leaf_hash(entry), chain))
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

    def info(self) -> LogInfo:
        """Size, root and head."""
        with self._database.connection() as db:
            rows = db.execute("SELECT leaf, chain FROM access_log ORDER BY seq").fetchall()
        return LogInfo(len(rows), root([bytes(row[0]) for row in rows]), bytes(rows[-1][1]) if rows else FIRST)

    def prove(self, seq: int) -> Proof:
        """That an entry is in the log as it is now.

        Raises:
            UsageError: no such entry.

        """
        with self._database.connection() as db:
            leaves = [bytes(row[0]) for row in db.execute("SELECT leaf FROM access_log ORDER BY seq").fetchall()]
            row = db.execute("SELECT entry FROM access_log WHERE seq = %s", (seq,)).fetchone()
        entry = b"" if row is None else bytes(row[0])
        return Proof(seq, len(leaves), entry, inclusion_proof(seq, leaves), root(leaves))

    def verify(self, known: LogInfo | None = None) -> LogInfo:
        """Check every entry, and that the log still begins as `known` (kept elsewhere) says.

        Raises:
            IntegrityError: an entry was changed, taken out or put in, or the log was cut or replaced.

        """
        with self._database.connection() as db:
            rows = db.execute("SELECT seq, time_ms, entry, leaf, chain FROM access_log ORDER BY seq").fetchall()
        chain, leaves = FIRST, []
        for expected, (seq, time_ms, raw, leaf, kept) in enumerate(rows):
            entry = bytes(raw)
            chain = hashlib.sha256(chain + entry).digest()
            leaves.append(leaf_hash(entry))
            content = json.loads(entry)
            same = (content["seq"], content["time_ms"]) == (seq, time_ms) and seq == expected
            if not same or chain != bytes(kept) or leaves[-1] != bytes(leaf):
                raise IntegrityError(f"entry {expected} of the access log was changed")
        if known and (len(leaves) < known.size or root(leaves[: known.size]) != known.root):
            raise IntegrityError(f"the access log isn't the one that had {known.size} entries: it was cut or replaced")
        return LogInfo(len(leaves), root(leaves), chain)


def verify_proof(proof: Proof) -> None:
    """Check a proof by itself.

    Raises:
        IntegrityError: it doesn't hold.

    """
    verify_inclusion(leaf_hash(proof.entry), proof.seq, proof.size, proof.path, proof.root)
