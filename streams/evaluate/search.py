"""How fast a library of faces is searched, and how many of the truly nearest are found.

A fresh Postgres with the real migrations gets subjects with vectors like those of photographed people: the mean face
plus a random mixture of real people's differences from it, which has their spread and their nearest neighbours'
likeness. Searched are subjects under the difference of two photographs of one person. The true neighbours come from
comparing with every vector, in memory. With `camera_hour` the whole answer is timed, coverage too; with wider filters
the search and the weighing of its matches. A floor stands beside: the same rows one by one, without the index.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from infra.postgres import Connection, Database, connect
from operators.embed import FEATURES, SAME
from schemas.regions import Array
from schemas.topics import MINUTE_MS
from streams.authority.faces import Faces
from streams.authority.looks import vector_text
from streams.authority.templates import Templates
from streams.evaluate import faces as photographs
from streams.evaluate.recognition import Ints
from streams.evaluate.report import Figure
from streams.evaluate.stage import fresh_database
from streams.forensic import nearest
from streams.forensic.face_search import FaceSearch, rates
from streams.forensic.gate import Limits
from streams.forensic.nearest import Sought
from streams.forensic.probe import Probes
from streams.forensic.search import Filters, Period

CAMERAS, HOURS, VIDEO_MS = 40, 168, 30 * MINUTE_MS
HOUR_MS = 60 * MINUTE_MS
START_MS = 1_700_000_000_000
MIXED, AT_ONCE = 6, 20_000
PEOPLE = 200
"""Of so many people of the data two photographs are read."""
MOST_MS, LEAST_RECALL, NEAREST = 60.0, 0.98, 10
INSERT_SECONDS = 0.05
LOOPS = 15
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class Library:
    """Vectors (n, 128), and of each the camera's number and when it is seen first, ms."""

    vectors: Array
    cameras: Ints
    times: Ints

    def allowed(self, chosen: Filters) -> Ints:
        """Numbers of those that a filter leaves."""
        left = np.ones(len(self.vectors), bool)
        if chosen.cameras is not None:
            left &= np.isin(self.cameras, [int(name.rpartition("-")[2]) for name in chosen.cameras])
        if chosen.period is not None and chosen.period.from_ms is not None and chosen.period.to_ms is not None:
            left &= (self.times <= chosen.period.to_ms) & (self.times + MINUTE_MS >= chosen.period.from_ms)
        return np.asarray(np.flatnonzero(left), np.intp)


@dataclass(frozen=True, slots=True)
class Asked:
    """How long a search took in ms, and how many of the ten nearest it found, as a share."""

    ms: float
    recall: float


def evaluate(data: Path, faces: Faces, count: int, queries: int, seed: int, tell: Tell) -> list[Figure]:
    """Figures of a library of so many subjects, over so many searches with each sort of filter."""
    rng = np.random.default_rng(seed)
    tell(f"reading photographs of {PEOPLE} people")
    centres, apart = _people(data, faces)
    library = _drawn(centres, count, rng)
    tell(f"{count:,} subjects")
    with _filled(library, tell) as (database, seconds, size):
        asker = _Asker(database, faces, library, apart, rng)
        found: list[Figure] = []
        for name, few, chosen in _filters(rng, queries):
            tell(name)
            asked = [asker(one, few) for one in chosen]
            found += _figures(name, asked, few)
        tell("searching while subjects come in")
        with _coming(database, library) as added:
            asked = [asker(one, True) for _, few, chosen in _filters(rng, queries) if few for one in chosen]
            asked += [asker(Filters(), False) for _ in range(queries)]
        found.append(_p95("inserting", asked, f"half with camera and hour, half without; {added[0]} came in meanwhile"))
        floor = [asker.exactly() for _ in range(LOOPS)]
    return [
        *found, Figure("search_floor_ms", sorted(floor)[LOOPS // 2], "ms", n=LOOPS, note="every row one by one"),
        Figure("search_build_seconds", seconds, "s", n=count, note="the index alone"),
        Figure("search_bytes", size / count, "bytes", n=count, note="a subject's vector on disk, with all indexes"),
    ]


class _Asker:
    """Searches as the forensic service does, and compares with the truly nearest."""

    def __init__(
        self, database: Database, faces: Faces, library: Library, apart: Array, rng: np.random.Generator
    ) -> None:
        self._database, self._faces, self._library, self._apart, self._rng = database, faces, library, apart, rng
        self._search = FaceSearch(database, lambda: faces)

    def __call__(self, chosen: Filters, whole: bool) -> Asked:
        allowed = self._library.allowed(chosen)
        probe = self._probe(allowed)
        began = time.perf_counter()
        if whole:
            period = chosen.period or Period(None, None)
            self._search.find(
                Probes((probe,)), SAME, Limits("", chosen.cameras, period.from_ms or 0, period.to_ms or 2**53)
            )
            ms = (time.perf_counter() - began) * 1000
        with self._database.connection() as db:
            began = time.perf_counter() if not whole else began
            near = nearest.nearest(db, probe, chosen, Templates(), self._faces.name)
            if not whole:
                nearest.matches(db, probe, near, SAME, len(self._library.vectors), rates(self._faces.name))
                ms = (time.perf_counter() - began) * 1000
        alike = self._library.vectors[allowed] @ probe.vector
        true = {_name(self._library, int(one)) for one in allowed[np.argsort(-alike)[:NEAREST]]}
        got = {one.subject_id for one in near.looks[: len(true)]}
        return Asked(ms, len(true & got) / len(true) if true else 1.0)

    def exactly(self) -> float:
        """How long comparing with every row takes, ms."""
        with self._database.connection() as db:
            began = time.perf_counter()
            db.execute(
                "SELECT subject_id FROM subject_features ORDER BY (embedding <=> %s::vector) + 0 LIMIT 10",
                (vector_text(self._probe(np.arange(len(self._library.vectors))).vector),), prepare=False,
            ).fetchall()
            return (time.perf_counter() - began) * 1000

    def _probe(self, allowed: Ints) -> Sought:
        at = self._rng.choice(allowed) if len(allowed) else self._rng.integers(len(self._library.vectors))
        one = self._library.vectors[at] + self._apart[self._rng.integers(len(self._apart))]
        return Sought(np.asarray(one / np.linalg.norm(one), np.float32), 96.0)


def _people(data: Path, faces: Faces) -> tuple[Array, Array]:
    """Mean vectors of people (n, 128), and differences of two photographs of one person (m, 128)."""
    pictures = photographs.listed(photographs.folder_of(data))
    rows = [np.flatnonzero(pictures.people == one)[:2] for one in range(int(pictures.people.max()) + 1)]
    pairs = [own for own in rows if len(own) == 2][:PEOPLE]
    paths = [pictures.paths[at] for own in pairs for at in own]
    read = photographs.embedded(paths, faces.probe, lambda said: None, lambda done, of: None).reshape(-1, 2, FEATURES)
    read = read[np.isfinite(read).all((1, 2))]
    return np.asarray(read.mean(1), np.float32), np.asarray(read[:, 0] - read[:, 1], np.float32)


def _drawn(centres: Array, count: int, rng: np.random.Generator) -> Library:
    mean, parts = centres.mean(0), []
    for first in range(0, count, AT_ONCE):
        size = min(AT_ONCE, count - first)
        shares = rng.normal(size=(size, MIXED)).astype(np.float32)
        shares /= np.linalg.norm(shares, axis=1, keepdims=True)
        mixed = mean + np.einsum("nk,nkd->nd", shares, (centres - mean)[rng.integers(0, len(centres), (size, MIXED))])
        parts.append(mixed / np.linalg.norm(mixed, axis=1, keepdims=True))
    cameras = rng.integers(0, CAMERAS, count, dtype=np.intp)
    times = START_MS + rng.integers(0, HOURS * HOUR_MS - MINUTE_MS, count, dtype=np.intp)
    return Library(np.asarray(np.concatenate(parts), np.float32), cameras, times)


def _filters(rng: np.random.Generator, queries: int) -> Iterator[tuple[str, bool, list[Filters]]]:
    """Sorts of filters: name, whether they leave few, so many of them."""
    def some(cameras: int | None, hours: int | None) -> Filters:
        names = None
        if cameras is not None:
            names = tuple(f"camera-{one}" for one in sorted(rng.choice(CAMERAS, cameras, replace=False)))
        if hours is None:
            return Filters(names)
        start = START_MS + int(rng.integers(0, HOURS - hours)) * HOUR_MS
        return Filters(names, Period(start, start + hours * HOUR_MS))

    for name, few, cameras, hours in (
        ("camera_hour", True, 1, 1), ("hour", False, None, 1), ("cameras_day", False, 4, 24),
        ("camera_week", False, 1, None), ("cameras_week", False, 4, None), ("half", False, CAMERAS // 2, None),
        ("all", False, None, None),
    ):
        yield name, few, [some(cameras, hours) for _ in range(queries)]


def _video(library: Library, number: int) -> tuple[str, str, int]:
    camera, time_ms = f"camera-{library.cameras[number]}", int(library.times[number])
    start = START_MS + (time_ms - START_MS) // VIDEO_MS * VIDEO_MS
    return f"{camera}-{start}-00000000", camera, start


def _name(library: Library, number: int) -> str:
    return f"{_video(library, number)[0]}/s{number}"


@contextmanager
def _filled(library: Library, tell: Tell) -> Iterator[tuple[Database, float, int]]:
    """A database with the library, how long its index took, and how many bytes that is on disk."""
    with fresh_database() as server:
        with Database(server.owner(), vectors=True, size=1) as owner, owner.connection() as db:
            seconds = _fill(db, library, tell)
        with connect(server.owner(), autocommit=True) as db:
            db.execute("VACUUM ANALYZE")
            row = db.execute("SELECT pg_total_relation_size('subject_features')").fetchone()
        with Database(server.app(), vectors=True) as database:
            yield database, seconds, int(row[0]) if row else 0


def _fill(db: Connection, library: Library, tell: Tell) -> float:
    """Videos, subjects and vectors by COPY BINARY; indexes are made when all rows are there. Seconds for HNSW."""
    places = [_video(library, number) for number in range(len(library.vectors))]
    with db.cursor() as cursor:
        _copy(cursor, "videos (video_id, camera_id, start_ms, bytes, end_ms)", "text text int8 int8 int8",
              [(video, camera, start, 0, start + VIDEO_MS) for video, camera, start in sorted(set(places))])
        _copy(cursor, "subjects", "text text text text int8[] int8 int8 int8", (
            (f"{video}/s{at}", video, camera, "face", [at], at, int(library.times[at]),
             int(library.times[at]) + MINUTE_MS) for at, (video, camera, _) in enumerate(places)
        ))
        _copy(cursor, "track_features (video_id, track, state, chunk_seq, frame_no, quality)",
              "text int8 text int8 int8 float4",
              ((video, at, "indexed", 0, 0, 0.5) for at, (video, _, _) in enumerate(places)))
        kept = db.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'subject_features'"
            " AND indexname <> 'subject_features_pkey'"
        ).fetchall()
        for name, _ in kept:
            cursor.execute(f"DROP INDEX {name}".encode())
        tell("vectors")
        _copy(cursor, "subject_features (subject_id, video_id, camera_id, from_ms, to_ms, quality, embedding, track,"
              " width)", "text text text int8 int8 float4 vector int8 float4", _rows(library, places))
        cursor.execute("SET LOCAL maintenance_work_mem = '3GB'")
        seconds = 0.0
        for name, definition in kept:
            tell(name)
            began = time.perf_counter()
            cursor.execute(definition.encode())
            seconds = max(seconds, time.perf_counter() - began)
    return seconds


def _rows(library: Library, places: Sequence[tuple[str, str, int]]) -> Iterator[tuple[Any, ...]]:
    for at, (video, camera, _) in enumerate(places):
        first = int(library.times[at])
        yield (f"{video}/s{at}", video, camera, first, first + MINUTE_MS, 0.5, library.vectors[at], at, 96.0)


def _copy(cursor: Any, table: str, types: str, rows: Any) -> None:
    with cursor.copy(f"COPY {table} FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(types.split())
        for row in rows:
            copy.write_row(row)


@contextmanager
def _coming(database: Database, library: Library) -> Iterator[list[int]]:
    """Subjects come in from another thread; the list's one number says how many have."""
    stop, added = threading.Event(), [0]

    def insert() -> None:
        while not stop.wait(INSERT_SECONDS):
            at = added[0]
            video, camera, _ = _video(library, at)
            first, number = int(library.times[at]), len(library.vectors) + at
            values = {"s": f"{video}/s{number}", "v": video, "c": camera, "f": first, "t": first + MINUTE_MS,
                      "n": number, "e": vector_text(np.roll(library.vectors[at], 1))}
            with database.connection() as db:
                db.execute("INSERT INTO subjects VALUES (%(s)s, %(v)s, %(c)s, 'face', ARRAY[%(n)s::bigint], %(n)s,"
                           " %(f)s, %(t)s)", values)
                db.execute("INSERT INTO subject_features (subject_id, video_id, camera_id, from_ms, to_ms, quality,"
                           " embedding, track) VALUES (%(s)s, %(v)s, %(c)s, %(f)s, %(t)s, 0.5, %(e)s::vector, %(n)s)",
                           values)
            added[0] += 1

    thread = threading.Thread(target=insert)
    thread.start()
    try:
        yield added
    finally:
        stop.set()
        thread.join()


def _figures(name: str, asked: Sequence[Asked], whole: bool) -> list[Figure]:
    note = "the whole answer, with coverage" if whole else "search and weighing of its matches"
    recall = sum(one.recall for one in asked) / len(asked)
    return [
        _p95(name, asked, note),
        Figure(f"search_{name}_recall10", recall, "", ">=", LEAST_RECALL, len(asked), "of the ten truly nearest"),
    ]


def _p95(name: str, asked: Sequence[Asked], note: str) -> Figure:
    times = sorted(one.ms for one in asked)
    value, middle = times[min(len(times) - 1, int(0.95 * len(times)))], times[len(times) // 2]
    return Figure(f"search_{name}_p95_ms", value, "ms", "<=", MOST_MS, len(times), f"median {middle:.1f}; {note}")
