"""Search the plate library for a text: exact, with wildcards, or tolerant; every answer says what it covers.

Tolerant: twins (O and 0, I and 1, B and 8, S and 5) are one sign, and up to two edits are allowed. Texts are found by
indexes alone, and then weighed: the exact text first, others by how probable their differences are where the reader
doubted. A pattern without plain signs at either end is the one search that reads the whole library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from operators.plate_text import (
    Difference,
    Pattern,
    edits_allowed,
    edits_between,
    has_wildcards,
    keys,
    likeness,
    normalised,
    pattern,
)
from streams.authority import store
from streams.authority.plate_index import counts
from streams.forensic.search import MAX_MATCHES, Coverage, Filters, retired, scope
from streams.words import plural

Mode = Literal["exact", "wildcard", "tolerant"]
MAX_TEXTS, MAX_WEIGHED = 20_000, 300
"""How many different texts of the library are compared, and how many of its lines are weighed."""
_BOUND = "SET LOCAL statement_timeout = '10s'"
_BY_INDEX = "; SET LOCAL enable_seqscan = off"
"""Statistics of texts and keys are poor: a planner that trusts them reads the whole table."""
_COLUMNS = "subject_id, video_id, camera_id, text, characters, confidence, quality, from_ms, to_ms, frame_no"
_CHOSEN = "(%(all)s OR camera_id = ANY(%(cameras)s)) AND from_ms <= %(to)s AND to_ms >= %(from)s"


@dataclass(frozen=True, slots=True)
class PlateMatch:
    """A subject whose plate reads like the text; `image_id` names the frame of its best view.

    `edits` don't count twins. `probability`: that this plate has the text asked for and was read like this, by the
    confidence of each character; of a pattern, that it was read right.
    """

    subject_id: str
    video_id: str
    camera_id: str
    text: str
    exact: bool
    edits: int
    probability: float
    differences: tuple[Difference, ...]
    characters: tuple[float, ...]
    confidence: float
    quality: float
    from_ms: int
    to_ms: int
    image_id: str


@dataclass(frozen=True, slots=True)
class PlateAnswer:
    """Matches, best first, of the text as it was searched. `entry`: number in the access log.

    `more`: there are more than the answer lists. Of `coverage`, `subjects` and `vectors` count plates that were read.
    """

    entry: int
    text: str
    mode: Mode
    matches: tuple[PlateMatch, ...]
    more: bool
    coverage: Coverage
    said: str


def read_query(typed: str, exact: bool = False) -> tuple[str, Mode]:
    """The text as it is searched, and how.

    Raises:
        UsageError: not the text of a plate, too long, or hardly more than wildcards.

    """
    text = normalised(typed)
    return text, "wildcard" if has_wildcards(text) else "exact" if exact else "tolerant"


def find(db: Any, text: str, mode: Mode, chosen: Filters) -> tuple[list[PlateMatch], bool]:
    """The plates that fit, best first, and whether there are more."""
    _, values = chosen.sql()
    wanted = pattern(text)
    db.execute(_BOUND + (_BY_INDEX if wanted.head or wanted.tail else ""))
    if mode == "tolerant":
        rows = _tolerant(db, text, values)
    elif mode == "exact":
        rows = _rows(db, "text = %(text)s", "confidence DESC, subject_id", {**values, "text": text}, MAX_MATCHES + 1)
    else:
        rows = _fitting(db, wanted, values)
    matches = [_match(row, text, mode) for row in rows]
    matches.sort(key=lambda match: (not match.exact, -match.probability, match.subject_id))
    return matches[:MAX_MATCHES], len(matches) > MAX_MATCHES


def coverage(db: Any, chosen: Filters) -> Coverage:
    """What the index knows of the chosen videos, and what it misses; plates are counted by whole videos."""
    condition, values = chosen.sql()
    rows = db.execute(
        "SELECT camera_id, min(start_ms), max(coalesce(end_ms, start_ms)), count(*),"  # noqa: S608
        " sum(greatest(0, end_ms - start_ms)::float8), count(*) FILTER (WHERE end_ms IS NULL), sum(p.chunks::int),"
        " sum(plates::int), sum(too_small::int), sum(unclear::int), sum(unindexed::int), sum(unopened::int),"
        " sum(erased::int), count(p.chunks), sum(p.gaps::int)"  # of bigint, sums are slow numerics
        f" FROM videos LEFT JOIN plate_videos p USING (video_id) WHERE {condition} GROUP BY camera_id", values,
    ).fetchall()
    sums = [int(sum(row[at] or 0 for row in rows)) for at in range(3, 15)]
    videos, lasted, untimed, *counted, known, gaps = sums
    broken = _ids(db, f"p.gaps > 0 AND {condition}", values) if gaps else []
    uncounted = _ids(db, f"p.chunks IS NULL AND {condition}", values) if known < videos else []
    for line in counts(db, uncounted) if uncounted else ():
        counted = [a + b for a, b in zip(counted, line[1:8], strict=True)]
        broken += [line[0]] if line[8] else []
    chunks, plates, too_small, unclear, unindexed, unopened, erased = counted
    return Coverage(
        cameras=tuple(sorted(row[0] for row in rows)), videos=videos, chunks=chunks, subjects=plates, vectors=plates,
        from_ms=min((row[1] for row in rows), default=None), to_ms=max((row[2] for row in rows), default=None),
        searched_ms=lasted, untimed=untimed, too_small=too_small, unclear=unclear, unindexed=unindexed,
        unopened=unopened, erased=erased, gaps=tuple(store.gaps(db, broken)) if broken else (),
        retired=retired(db, chosen, "plate"),
    )


def said(matches: list[PlateMatch], mode: Mode, more: bool, covered: Coverage) -> str:
    """The answer in one sentence that can't be read as more than it is."""
    where = scope(covered, plural(covered.subjects, "plate that was read", "plates that were read"), "plate")
    if not covered.subjects:
        return f"Nothing could be searched: {where}. This says nothing about which cars were there."
    if not matches:
        return f"No match among {where}. This does not say that the car was not there."
    exact = sum(match.exact for match in matches)
    found = f"{plural(exact, 'plate')} of this text and {len(matches) - exact} like it"
    if mode != "tolerant":
        found = plural(len(matches), "plate that fits", "plates that fit")
    found += ", and more that aren't listed," if more else ""
    return f"{found} among {where}. A reading is a lead to be checked, not an identification."


def _tolerant(db: Any, text: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Lines whose texts are alike, nearest texts first: first the texts, for one may stand in thousands of lines."""
    allowed = edits_allowed(text)
    found = db.execute(
        f"SELECT DISTINCT text FROM plates WHERE keys && %(keys)s::integer[] AND {_CHOSEN} LIMIT {MAX_TEXTS}",  # noqa: S608
        {**values, "keys": keys(text, allowed)}, prepare=False,
    ).fetchall()
    near = sorted((other != text, edits_between(text, other), other) for (other,) in found)
    texts = [other for _, edits, other in near if edits <= allowed]
    return _rows(
        db, "text = ANY(%(texts)s)", "array_position(%(texts)s, text), confidence DESC, subject_id",
        {**values, "texts": texts}, MAX_WEIGHED,
    ) if texts else []


def _fitting(db: Any, wanted: Pattern, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Lines that fit a pattern, by its plain beginning or end, whichever is longer.

    They are chosen from the index alone; the lines themselves lie each on another page.
    """
    backwards = len(wanted.tail) > len(wanted.head)
    fits = "reverse(text) LIKE %(like)s" if backwards else "text LIKE %(like)s"
    chosen = (
        f"SELECT subject_id FROM plates WHERE {fits} AND {_CHOSEN}"  # noqa: S608
        f" ORDER BY confidence DESC, subject_id LIMIT {MAX_MATCHES + 1}"
    )
    like = wanted.like[::-1] if backwards else wanted.like
    return list(db.execute(
        f"SELECT {_COLUMNS} FROM plates JOIN ({chosen}) AS best USING (subject_id)",  # noqa: S608
        {**values, "like": like}, prepare=False,
    ).fetchall())


def _rows(db: Any, condition: str, order: str, values: Mapping[str, Any], limit: int) -> list[tuple[Any, ...]]:
    return list(db.execute(
        f"SELECT {_COLUMNS} FROM plates WHERE {condition} AND {_CHOSEN} ORDER BY {order} LIMIT {limit}",  # noqa: S608
        values, prepare=False,  # planned for this very text, so that LIKE finds its index
    ).fetchall())


def _ids(db: Any, condition: str, values: Mapping[str, Any]) -> list[str]:
    query = f"SELECT video_id FROM videos LEFT JOIN plate_videos p USING (video_id) WHERE {condition}"  # noqa: S608
    return [video for (video,) in db.execute(query, values).fetchall()]


def _match(row: tuple[Any, ...], asked: str, mode: Mode) -> PlateMatch:
    subject, video, camera, text, characters, confidence, quality, first, last, frame = row
    like = likeness(text if mode == "wildcard" else asked, text, characters)
    return PlateMatch(
        subject, video, camera, text, mode != "wildcard" and text == asked, like.edits, like.probability,
        like.differences, tuple(characters), confidence, quality, first, last, f"{video}/{frame}",
    )
