"""`sealframe bench log`: what appending to and proving from a long access log costs, on a real database.

The log is filled in one go, as its own code would have; then single calls are timed at a short and at the full length,
beside what reading all leaves takes (the floor of a log without a stored tree).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from infra.postgres import Connection, Database, connect
from operators.merkle import Place, completed, covering, leaf_hash, root
from operators.sign import SigningKey
from schemas.errors import UsageError
from streams.clock import now_ms
from streams.evaluate.report import Figure
from streams.evaluate.stage import fresh_database, timed_ms
from streams.forensic.log import AccessLog, LogSigner
from streams.forensic.proofs import FIRST, check_consistency, check_inclusion, origin_of

SHORT = 1000
CALLS = 300
SLOWER = 1.5
NAME = "bench"
Tell = Callable[[str], None]


def evaluate(count: int, tell: Tell) -> list[Figure]:
    """Figures of a log of so many entries.

    Raises:
        UsageError: too few to tell short from long.

    """
    if count < 10 * SHORT:
        raise UsageError(f"at least {10 * SHORT} entries are needed to compare with a short log")
    key = SigningKey(hashlib.sha256(b"bench log").digest())
    signer = LogSigner(origin_of(NAME), lambda: SigningKey(key.seed, key.public))
    with _database() as (database, owner):
        log = AccessLog(database, now_ms, signer)
        tell(f"filling {SHORT} entries")
        state = _fill(owner, 0, SHORT, FIRST, {})
        short = _appends(log)
        tell(f"filling {count} entries")
        _fill(owner, SHORT + CALLS, count, *_state(log, owner, state[1]))
        owner.execute("ANALYZE")
        owner.commit()
        tell("appending and proving")
        old = log.checkpoint()
        long = _appends(log)
        proofs = [timed_ms(partial(_proven, log, at)) for at in _spread(count)]
        growth = [timed_ms(lambda: check_consistency(log.prove_growth(old), _identify)) for _ in range(CALLS)]
        naive = [timed_ms(lambda: _all_leaves(database)) for _ in range(3)]
        tell("verifying")
        whole = timed_ms(lambda: log.verify([old.said])) / 1000
    return [
        Figure("log_append_ms", _median(long), "ms", n=CALLS, better="<=",
               note=f"entry, tree, signed checkpoint, on the disk, at {count:,} entries; median"),
        Figure("log_append_p95_ms", sorted(long)[int(len(long) * 0.95)], "ms", n=CALLS, better="<="),
        Figure("log_append_ratio", _median(long) / _median(short), "", "<=", SLOWER, CALLS,
               f"to that at {SHORT:,} entries"),
        Figure("log_prove_ms", _median(proofs), "ms", n=CALLS, better="<=", note="inclusion, checked; median"),
        Figure("log_growth_ms", _median(growth), "ms", n=CALLS, better="<=", note="consistency, checked; median"),
        Figure("log_all_leaves_ms", _median(naive), "ms", n=3, better="<=",
               note="reading all leaves for their root instead"),
        Figure("log_verify_seconds", whole, "s", n=count, better="<=", note="every entry read again"),
    ]


@contextmanager
def _database() -> Iterator[tuple[Database, Connection]]:
    with (
        fresh_database(f"authority-{NAME}") as server,
        connect(server.owner()) as owner,
        Database(server.app()) as database,
    ):
        yield database, owner


def _fill(
    db: Connection, first: int, last: int, chain: bytes, known: dict[Place, bytes]
) -> tuple[bytes, dict[Place, bytes]]:
    """Entries `first` up to `last`, as `AccessLog.append` writes them; returns chain and tree."""
    rows: list[tuple[object, ...]] = []
    nodes: dict[Place, bytes] = {}
    for seq in range(first, last):
        entry = json.dumps({
            "seq": seq, "time_ms": seq, "action": "search-face", "actor": "investigator-bench",
            "case": f"case-{seq % 97}", "purpose": "bench",
            "detail": {"matches": [[f"cam-{seq}/s{number}", 0.93] for number in range(5)]},
        }, sort_keys=True, separators=(",", ":")).encode()
        chain, leaf = hashlib.sha256(chain + entry).digest(), leaf_hash(entry)
        made = completed(seq, leaf, {place: known[place] for place in covering(0, seq)})
        known |= made
        nodes |= made
        rows.append((seq, seq, entry, leaf, chain))
    with db.cursor() as cursor:
        with cursor.copy("COPY access_log FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        with cursor.copy("COPY log_nodes FROM STDIN") as copy:
            for (level, at), value in nodes.items():
                copy.write_row((level, at, value))
    db.commit()
    return chain, known


def _state(log: AccessLog, db: Connection, known: dict[Place, bytes]) -> tuple[bytes, dict[Place, bytes]]:
    """Chain and tree after entries that the log itself appended."""
    rows = db.execute("SELECT level, index, hash FROM log_nodes").fetchall()
    return log.info().chain, known | {(level, at): bytes(value) for level, at, value in rows}


def _appends(log: AccessLog) -> list[float]:
    return [timed_ms(lambda: log.append("look", "investigator-bench", "case-1", "bench", {})) for _ in range(CALLS)]


def _spread(count: int) -> list[int]:
    return [(number * count) // CALLS for number in range(CALLS)]


def _proven(log: AccessLog, seq: int) -> None:
    check_inclusion(log.prove(seq), _identify)


def _all_leaves(database: Database) -> bytes:
    with database.connection() as db:
        return root([bytes(row[0]) for row in db.execute("SELECT leaf FROM access_log ORDER BY seq").fetchall()])


def _identify(signer: bytes, time_ms: int) -> tuple[str, bytes]:
    return f"authority-{NAME}", signer


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
