"""The subjects nearest to a face among those that the filters leave: exactly where they are few, else by HNSW.

So many rows as `EXACT_BELOW` are compared one by one, found by camera and time. More are left to the index over
half-precision vectors, which is scanned on until the filters have left enough (pgvector's iterative scan); what it
finds is put in order by the whole vectors. Plans depend on the values, so no statement is prepared for later ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from operators.face_rates import NAMED, Rates
from operators.likeness import LONE, NEIGHBOURS, standings
from schemas.regions import Array
from streams.authority import store
from streams.authority.looks import vector_text
from streams.authority.templates import Templates
from streams.forensic.search import MAX_MATCHES, Filters, Match

EXACT_BELOW = 50_000
"""Comparing so many one by one takes as long as the index does (measured; see `FIGURES.md`)."""
FETCHED = max(MAX_MATCHES, NEIGHBOURS)
DEEP = 1000
"""So many where as many as `FETCHED` are all alike: passes of a few regulars may fill a list that others belong in."""
LEAST_LIST, MOST_LIST, SPARE = 300, 1000, 1.5
"""`hnsw.ef_search`: how many candidates the index keeps while it searches, at least and at most. It keeps so many, and
half as many to spare, that the filters should leave enough in one go: going on later costs several times as much."""
_COLUMNS = (
    "f.subject_id, f.video_id, f.camera_id, f.quality, f.from_ms, f.to_ms, f.track, f.look, coalesce(f.width, 0),"
    " vector_send(f.embedding)"
)


@dataclass(frozen=True, slots=True, eq=False)
class Near:
    """A look of a subject: its place, best view, vector (as the embedder made it) and cosine to what is searched."""

    subject_id: str
    video_id: str
    camera_id: str
    quality: float
    from_ms: int
    to_ms: int
    track: int
    look: int
    width: float
    vector: Array = field(repr=False)
    cosine: float


@dataclass(frozen=True, slots=True, eq=False)
class Sought:
    """What is searched: unit vector, width of its face in pixels, and the subject that it is of, if it is one's."""

    vector: Array = field(repr=False)
    width: float
    subject_id: str = ""


@dataclass(frozen=True, slots=True)
class Nearest:
    """Looks, nearest first; `exact`: every one was compared; `more`: there are others, no more alike than the last."""

    looks: Sequence[Near]
    exact: bool
    more: bool


def nearest(db: Any, sought: Sought, chosen: Filters, templates: Templates, embedder: str) -> Nearest:
    """The nearest looks but those of the subject itself."""
    found = _nearest(db, sought, chosen, templates, embedder, FETCHED)
    if found.more and found.looks[-1].cosine > LONE:
        found = _nearest(db, sought, chosen, templates, embedder, DEEP)
    return found


def _nearest(
    db: Any, sought: Sought, chosen: Filters, templates: Templates, embedder: str, count: int
) -> Nearest:
    condition, values = where(chosen)
    values |= {"embedder": embedder, "count": count + 1}
    if sought.subject_id:
        condition, values["own"] = f"{condition} AND f.subject_id <> %(own)s", sought.subject_id
    kept = _kept(db, condition, values)
    found: dict[tuple[str, int, int], Near] = {}
    keys = templates.living(db)
    if len(keys) > 1:
        condition += " AND f.template_key = %(key)s"
    for key in keys:
        values |= {"v": vector_text(templates.turned(sought.vector, key)), "key": key}
        for near in _rows(db, condition, values, kept, templates, key, sought.vector):
            found[near.subject_id, near.track, near.look] = near
    looks = sorted(found.values(), key=lambda near: (-near.cosine, near.subject_id))
    return Nearest(looks[:count], not kept, len(looks) > count)


def matches(
    db: Any, sought: Sought, nearest: Nearest, threshold: float, subjects: int, rates: Rates
) -> list[Match]:
    """The subjects among the nearest that are at least so alike, by how far they stand out; each with its error rates.

    What is indexed is pooled over views, so the rates are those of pools; of the two faces the smaller one counts.
    Others that would be in the crowd, but weren't fetched, may be as alike as the last look that was.
    """
    found = nearest.looks
    if not found:
        return []
    numbers = {name: number for number, name in enumerate(dict.fromkeys(near.subject_id for near in found))}
    owners = np.array([numbers[near.subject_id] for near in found], np.intp)
    listed = sum(near.cosine >= threshold for near in found)
    least = max(LONE, found[-1].cosine) if nearest.more else LONE
    apart = standings(sought.vector, np.stack([near.vector for near in found]), owners, listed, least=least)
    best: dict[str, tuple[float, Near]] = {}
    for near, standing in zip(found, apart.tolist(), strict=False):
        if near.subject_id not in best or best[near.subject_id][0] < standing:
            best[near.subject_id] = (standing, near)
    frames, looks = _frames(db, [near for _, near in best.values()])
    made = [
        _match(near, standing, min(sought.width, near.width), subjects, rates, frames, looks)
        for standing, near in best.values()
    ]
    return sorted(made, key=lambda match: (-match.stands_out, match.subject_id))


def where(chosen: Filters) -> tuple[str, dict[str, Any]]:
    """A condition over `subject_features` (as f), with its values; only what is asked for stands in it."""
    parts, values = ["f.embedder = %(embedder)s"], dict[str, Any]()
    if chosen.cameras is not None:
        parts.append("f.camera_id = ANY(%(cameras)s)")
        values["cameras"] = list(chosen.cameras)
    if chosen.period is not None and chosen.period.to_ms is not None:
        parts.append("f.from_ms <= %(to)s")
        values["to"] = chosen.period.to_ms
    if chosen.period is not None and chosen.period.from_ms:
        # nobody is seen for longer than a video lasts: so the index has two ends
        parts.append("f.to_ms >= %(from)s AND f.from_ms >= %(from)s - %(longest)s")
        values |= {"from": chosen.period.from_ms, "longest": store.MAX_VIDEO_MS}
    return " AND ".join(parts), values


def _kept(db: Any, condition: str, values: dict[str, Any]) -> int:
    """How many candidates the index has to keep; 0 where the filters leave so few that comparing each is faster."""
    (count,) = db.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM subject_features f WHERE {condition} LIMIT {EXACT_BELOW}) AS fitting",  # noqa: S608
        values, prepare=False,
    ).fetchone()
    if count < EXACT_BELOW:
        return 0
    (plan,) = db.execute(
        f"EXPLAIN (FORMAT JSON) SELECT 1 FROM subject_features f WHERE {condition}", values, prepare=False  # noqa: S608
    ).fetchone()
    (every,) = db.execute("SELECT reltuples FROM pg_class WHERE oid = 'subject_features'::regclass").fetchone()
    share = min(1.0, max(float(plan[0]["Plan"]["Plan Rows"]), EXACT_BELOW) / max(float(every), EXACT_BELOW))
    return int(min(MOST_LIST, max(LEAST_LIST, SPARE * values["count"] / share)))


def _rows(
    db: Any, condition: str, values: dict[str, Any], kept: int, templates: Templates, key: int, probe: Array
) -> list[Near]:
    if not kept:
        # adding 0 keeps the planner from the HNSW index, which may miss neighbours
        query = (f"SELECT {_COLUMNS} FROM subject_features f WHERE {condition}"  # noqa: S608
                 f" ORDER BY (f.embedding <=> %(v)s::vector) + 0 LIMIT %(count)s")
    else:
        db.execute(f"SET LOCAL hnsw.iterative_scan = 'relaxed_order'; SET LOCAL hnsw.ef_search = {kept};"
                   " SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        query = (f"SELECT {_COLUMNS} FROM subject_features f WHERE {condition}"  # noqa: S608
                 f" ORDER BY f.embedding::halfvec(128) <=> %(v)s::halfvec(128) LIMIT %(count)s")
    rows = db.execute(query, values, prepare=False, binary=True).fetchall()
    if not rows:
        return []
    vectors = np.stack([np.frombuffer(row[-1], ">f4", offset=4) for row in rows]).astype(np.float32)
    plain = templates.plain(vectors, key)
    cosines = (plain @ probe).tolist()
    found = []
    for (*place, quality, first, last, track, look, width, _), one, cosine in zip(rows, plain, cosines, strict=True):
        subject, video, camera = place
        found.append(Near(subject, video, camera, quality, first, last, track, look, width, one, cosine))
    return found


def _frames(db: Any, found: Sequence[Near]) -> tuple[dict[tuple[str, int, int], int], dict[str, int]]:
    """The frame of each look's best view, and how many looks each subject has."""
    frames = {(video, track, look): frame for video, track, look, frame in db.execute(
        "SELECT w.video_id, w.track, w.look, t.frame_no"
        " FROM unnest(%s::text[], %s::bigint[], %s::integer[]) AS w(video_id, track, look), LATERAL (SELECT frame_no"
        " FROM track_features o WHERE (o.video_id, o.track, o.look) = (w.video_id, w.track, w.look) OFFSET 0) AS t",
        ([near.video_id for near in found], [near.track for near in found], [near.look for near in found]),
    ).fetchall()}
    looks = dict(db.execute(
        "SELECT subject_id, count(*) FROM subject_features WHERE subject_id = ANY(%s) GROUP BY 1",
        ([near.subject_id for near in found],),
    ).fetchall())
    return frames, looks


def _match(
    near: Near, standing: float, width: float, subjects: int, rates: Rates,
    frames: dict[tuple[str, int, int], int], looks: dict[str, int],
) -> Match:
    frame = frames.get((near.video_id, near.track, near.look), 0)
    return Match(
        near.subject_id, near.video_id, near.camera_id, near.cosine, near.quality, near.from_ms, near.to_ms,
        f"{near.video_id}/{frame}", int(looks.get(near.subject_id, 1)),
        standing >= rates.needed(NAMED, subjects, width, "pooled"), standing, near.width,
        rates.of_comparison(near.cosine, width), rates.of_search(standing, subjects, width, "pooled"),
    )
