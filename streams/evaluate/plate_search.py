"""How fast the plate library is searched, and whether the right plate is in the answer.

A fresh Postgres with the real migrations gets drawn plates of many countries' formats, one line in fifty of a car that
drives by again and again. Each query is a whole answer of the forensic service: coverage, search, entry in the access
log on the disk; HTTPS and the certificate's check come on top. Texts that are asked for stand in the library;
tolerant ones are asked for with one twin (O for 0, ...) or one edit.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from infra.postgres import Connection, Database, connect
from operators.plate_text import TWINS, keys
from operators.plates import DIGITS, LETTERS, PROVINCES
from schemas.topics import DAY_MS, MINUTE_MS
from streams.authority.plate_index import cover
from streams.clock import now_ms
from streams.evaluate.report import Figure
from streams.evaluate.stage import fresh_database
from streams.forensic.cases import Draft
from streams.forensic.log import AccessLog
from streams.forensic.service import Forensics, Ground
from streams.forensic.terms import ALL_CAMERAS, Rules, Scope

FORMATS = (
    "AA000AA", "AA00AAA", "AAA000", "AAA0000", "000AAA", "0AAA000", "AA00000", "A000000", "AA0000", "0000AAA",
    "AAA0A00", "AA00AA0000", "PA00000", "PA0A000", "PA000A0", "AAAAAAA",
)  # fmt: skip
PER_VIDEO, CAMERAS, CHUNKS = 250, 40, 10
REGULARS, OFTEN = 200, 50
"""So many cars drive by again and again: each is one line in `OFTEN` times `REGULARS`."""
START_MS = 1_700_000_000_000
EXACT_MS, PREFIX_MS, TOLERANT_MS = 10.0, 10.0, 150.0
FOUND = 1.0
GROUND = Ground("evaluation", "none", "how long a search takes")

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """How long a query took in ms, whether the plate it was made from is in the answer, and first in it."""

    ms: float
    found: bool
    first: bool


def evaluate(plates: int, queries: int, seed: int, tell: Tell) -> list[Figure]:
    """Figures of a library of so many plates, over so many queries of each sort."""
    rng = random.Random(seed)  # noqa: S311  # draws test data
    with _library(plates, rng, tell) as (database, size):
        texts = _sample(database, rng, 3 * queries)
        service = _service(database)
        ask = _Asker(service)
        tell("asking")
        exact = [ask(text, text, exact=True) for text in texts[:queries]]
        prefix = [ask(_with_prefix(text, rng), text) for text in texts[:queries]]
        ends = [ask(f"*{text[-4:]}", text) for text in texts[:queries]]
        inside = [ask(f"*{text[1:-1]}*", text) for text in texts[: max(1, queries // 10)]]
        twins = [ask(_twin(text, rng), text) for text in texts if _twin(text, rng) != text][:queries]
        edits = [ask(_edited(text, rng), text) for text in texts[-queries:]]
        service.log.verify()
    alike = twins + edits
    return [
        _p95("exact", exact, EXACT_MS, f"of {plates:,} plates; a whole answer with coverage and log"),
        _p95("prefix", prefix, PREFIX_MS, "a pattern that begins with two to four plain signs"),
        _p95("tolerant", alike, TOLERANT_MS, "one twin or one edit"),
        _found("exact", exact), _found("prefix", prefix, "or the answer says that there are more"),
        _found("tolerant", alike),
        Figure("plate_search_tolerant_first", _share([one.first for one in alike]), n=len(alike),
               note="the plate is the first in the answer; others may be as near"),
        _p95("ends", ends, None, "a pattern that ends with four plain signs"),
        _p95("inside", inside, None, "a pattern without either: reads the whole library"),
        Figure("plate_search_bytes", size / plates, "bytes", n=plates, note="a plate's, on disk, with all indexes"),
    ]


def _service(database: Database) -> Forensics:
    """A service with the case that all ask under."""
    now, rules = now_ms(), Rules(limits={"searches": 1_000_000})
    service = Forensics(database, AccessLog(database, now_ms), None, rules=rules)
    people, cases = service.gate.people, service.gate.cases
    scope = Scope(ALL_CAMERAS, 0, now + DAY_MS, ("plate",))
    with database.connection() as db:
        opener = people.put(db, GROUND.actor, GROUND.actor, ["investigator"], by=GROUND.actor)
        approver = people.put(db, "approver", "approver", ["approver"], by=GROUND.actor)
    case = cases.open(opener, Draft(GROUND.purpose, "drawn plates", scope, now + DAY_MS), GROUND.case)
    cases.approve(approver, GROUND.case, case.terms.digest)
    return service


class _Asker:
    """Asks the service, and takes the time of the whole answer."""

    def __init__(self, service: Forensics) -> None:
        self._service = service

    def __call__(self, typed: str, wanted: str, exact: bool = False) -> Asked:
        began = time.perf_counter()
        answer = self._service.search_plate(typed, GROUND, exact=exact)
        took = (time.perf_counter() - began) * 1000
        listed = [match.text for match in answer.matches]
        cut = answer.mode == "wildcard" and answer.more
        return Asked(took, wanted in listed or cut, listed[:1] == [wanted])


@contextmanager
def _library(plates: int, rng: random.Random, tell: Tell) -> Iterator[tuple[Database, int]]:
    """A database with a filled library, and how many bytes that has on disk."""
    with fresh_database() as server:
        with connect(server.owner()) as db:
            _fill(db, plates, rng, tell)
        with connect(server.owner(), autocommit=True) as db:
            db.execute("VACUUM ANALYZE")
            size = int(_one(db, "SELECT pg_total_relation_size('plates')"))
        with Database(server.app(), vectors=True) as database:
            yield database, size


def _fill(db: Connection, plates: int, rng: random.Random, tell: Tell) -> None:
    """Videos with their evidence, subjects, and plates; indexes are made when all lines are there."""
    videos = [_video(number) for number in range(-(-plates // PER_VIDEO))]
    with db.cursor() as cursor:
        _copy(cursor, "videos (video_id, camera_id, start_ms, bytes, end_ms)",
              [(video, camera, start, 0, start + 30 * MINUTE_MS) for video, camera, start in videos])
        _copy(cursor, "evidence (video_id, chunk_seq, digest, operator_digest, previous, parts, epoch, quality, at,"
              " length, received_ms)",
              ((video, seq, b"", b"", seq, 1, "day", "high", 0, 0, start)
               for video, _, start in videos for seq in range(CHUNKS)))
        tell(f"{plates:,} subjects")
        _copy(cursor, "subjects", (
            (f"{video}/p{number}", video, camera, "plate", [number], number, start, start + MINUTE_MS)
            for video, camera, start in videos for number in range(PER_VIDEO)
        ))
        kept = db.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'plates' AND indexname <> 'plates_pkey'"
        ).fetchall()
        for name, _ in kept:
            cursor.execute(f"DROP INDEX {name}".encode())
        tell("plates")
        _copy(cursor, "plates", _lines(videos, rng))
        cursor.execute("SET LOCAL maintenance_work_mem = '512MB'")
        for name, definition in kept:
            tell(name)
            cursor.execute(definition.encode())
    cover(db, [video for video, _, _ in videos])


def _lines(videos: Sequence[tuple[str, str, int]], rng: random.Random) -> Iterator[tuple[Any, ...]]:
    regulars = [_drawn(rng) for _ in range(REGULARS)]
    for video, camera, start in videos:
        for number in range(PER_VIDEO):
            text = rng.choice(regulars) if rng.randrange(OFTEN) == 0 else _drawn(rng)
            sure = [round(rng.betavariate(20, 1), 3) for _ in text]
            yield (f"{video}/p{number}", video, camera, start, start + MINUTE_MS, text, keys(text), sure, min(sure),
                   0.5, number)


def _video(number: int) -> tuple[str, str, int]:
    camera, start = f"camera-{number % CAMERAS}", START_MS + number // CAMERAS * 30 * MINUTE_MS
    return f"{camera}-{start}-{number:08x}", camera, start


def _copy(cursor: Any, table: str, rows: Any) -> None:
    with cursor.copy(f"COPY {table} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _sample(database: Database, rng: random.Random, count: int) -> list[str]:
    """Texts of the library, each once, in a drawn order."""
    found: set[str] = set()
    with database.connection() as db:
        while len(found) < count:
            video, _, _ = _video(rng.randrange(int(_one(db, "SELECT count(*) FROM videos"))))
            found.add(_one(db, "SELECT text FROM plates WHERE subject_id = %s", f"{video}/p{rng.randrange(PER_VIDEO)}"))
    return sorted(found, key=lambda _: rng.random())


def _drawn(rng: random.Random) -> str:
    signs = {"A": LETTERS, "0": DIGITS, "P": PROVINCES[:8]}
    return "".join(rng.choice(signs[sign]) for sign in rng.choice(FORMATS))


def _with_prefix(text: str, rng: random.Random) -> str:
    return rng.choice((f"{text[:2]}?{text[3:5]}*", f"{text[:3]}*", f"{text[:4]}*", f"{text[:2]}*{text[-2:]}"))


def _twin(text: str, rng: random.Random) -> str:
    """The text with one sign taken for its twin; the same text if it has none."""
    twins = {pair[at]: pair[1 - at] for pair in TWINS for at in (0, 1)}
    places = [at for at, sign in enumerate(text) if sign in twins]
    if not places:
        return text
    at = rng.choice(places)
    return text[:at] + twins[text[at]] + text[at + 1 :]


def _edited(text: str, rng: random.Random) -> str:
    """The text with one sign taken for another, left out or put in."""
    at, how = rng.randrange(len(text)), rng.randrange(3)
    sign = "" if how == 1 else rng.choice(LETTERS + DIGITS)
    return text[:at] + sign + text[at + (how != 2) :]


def _p95(name: str, asked: Sequence[Asked], target: float | None, note: str) -> Figure:
    times = sorted(one.ms for one in asked)
    value, middle = times[min(len(times) - 1, int(0.95 * len(times)))], times[len(times) // 2]
    return Figure(f"plate_search_{name}_p95_ms", value, "ms", "<=", target, len(times), f"median {middle:.1f}; {note}")


def _found(name: str, asked: Sequence[Asked], note: str = "") -> Figure:
    share = _share([one.found for one in asked])
    return Figure(f"plate_search_{name}_found", share, target=FOUND, n=len(asked), note=f"in the answer {note}".strip())


def _share(what: Sequence[bool]) -> float:
    return sum(what) / max(1, len(what))


def _one(db: Any, query: str, *values: object) -> Any:
    return db.execute(query, values).fetchone()[0]
