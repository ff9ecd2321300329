"""Searches of the feature library: filters, and answers that say what they cover and how often they are wrong.

How subjects are found: `nearest.py`; what is searched: `probe.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from operators.embed import ALIKE, SAME, SURE
from operators.face_rates import NAMED
from schemas.errors import UsageError
from schemas.topics import MINUTE_MS
from streams.authority import store
from streams.forensic.gate import Limits
from streams.forensic.terms import ALL_CAMERAS, listed, time_text
from streams.words import plural

MAX_MATCHES = 100
IN_PERIOD = "f.from_ms <= %(to)s AND f.to_ms >= %(from)s"
HOUR_MS = 60 * MINUTE_MS
THRESHOLDS = (ALIKE, SAME, SURE)
"""Cosines from which subjects may be listed; what they stand for depends on the size of the faces."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture that was searched: its faces' boxes, left to right, xyxy in pixels; which one was taken, from 1."""

    faces: tuple[tuple[int, ...], ...]
    face: int


@dataclass(frozen=True, slots=True)
class Period:
    """From and to, milliseconds since 1970, None: open; videos and subjects count that may lie in it even in part."""

    from_ms: int | None
    to_ms: int | None


@dataclass(frozen=True, slots=True)
class Match:
    """A subject one of whose best regions is alike; `image_id` names that region's frame.

    `sure`: it stands out so far (`operators/likeness.py`) as in at most one search for strangers in a hundred; the
    others are leads. `false_match_rate`: how often two strangers' faces of this size are so alike; `false_search_rate`:
    how often somebody stands out so far in a search like this for a stranger; both measured, upper bounds at 95 %.
    `width`: of its best view's face in pixels, 0: not known. `looks` above 1: its views aren't all alike, so it may be
    more than one person.
    """

    subject_id: str
    video_id: str
    camera_id: str
    similarity: float
    quality: float
    from_ms: int
    to_ms: int
    image_id: str
    looks: int = 1
    sure: bool = False
    stands_out: float = 0.0
    width: float = 0.0
    false_match_rate: float = 1.0
    false_search_rate: float = 1.0


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a search looked at, and what it couldn't see.

    `too_small`, `unclear`: tracks of faces that were seen and can't be searched; `unindexed`: face tracks not looked
    at; `vectors`: how many looks of the subjects were compared; `unopened`: parts of evidence that don't open;
    `erased` tracks; `gaps`: evidence that is missing by the signed counters. `from_ms`, `to_ms`: start of the first
    video, last end of evidence. `searched_ms`: how long the videos are, each from its start to the end of its last
    evidence; `untimed` videos, whose evidence doesn't say, count 0. `limits`: what the case left of the search.
    `retired`: videos whose time was over, so that nothing of them is kept.
    """

    cameras: tuple[str, ...]
    videos: int
    chunks: int
    subjects: int
    vectors: int
    from_ms: int | None
    to_ms: int | None
    searched_ms: int
    untimed: int
    too_small: int
    unclear: int
    unindexed: int
    unopened: int
    erased: int
    gaps: tuple[store.Gap, ...]
    limits: Limits | None = None
    retired: int = 0

    @property
    def complete(self) -> bool:
        """Nothing that was recorded at these cameras and times was left out."""
        lost = self.unopened or self.erased or self.gaps or self.retired
        return not (self.too_small or self.unclear or self.unindexed or lost)


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """Matches, best first, and how far they can be relied on. `entry`: number in the access log.

    At the `threshold` and the size of the searched face, `width` in pixels: `false_accept_rate` of one comparison of
    strangers, `false_accepts`: how many strangers it is so expected to list, `missed_rate`: how many of the person's
    own pictures are less alike. `sure_rate`: how often, at most, a search for a stranger calls somebody sure.
    `shown`: the faces of each searched picture, and which was taken. `more`: more subjects are so alike than listed.
    """

    entry: int
    matches: tuple[Match, ...]
    threshold: float
    false_accept_rate: float
    false_accepts: float
    exact: bool
    coverage: Coverage
    said: str
    width: float = 0.0
    missed_rate: float = 1.0
    sure_rate: float = NAMED
    shown: tuple[Shown, ...] = ()
    more: bool = False


@dataclass(frozen=True, slots=True)
class Filters:
    """Which videos are searched: these cameras (None: all), this period (None: ever)."""

    cameras: tuple[str, ...] | None = None
    period: Period | None = None

    def sql(self) -> tuple[str, dict[str, Any]]:
        """A condition over the columns of `videos`, and its parameters."""
        period = self.period or Period(None, None)
        values = {"cameras": list(self.cameras or ()), "all": self.cameras is None, "from": period.from_ms or 0,
                  "to": 2**62 if period.to_ms is None else period.to_ms, "longest": store.MAX_VIDEO_MS}
        return ("(%(all)s OR camera_id = ANY(%(cameras)s)) AND start_ms <= %(to)s"
                " AND coalesce(end_ms, start_ms + %(longest)s) >= %(from)s"), values


def filters(cameras: Sequence[str] | None = None, period: Period | None = None) -> Filters:
    """Checked filters.

    Raises:
        UsageError: an empty list of cameras, or a period that ends before it begins.

    """
    if cameras is not None and not cameras:
        raise UsageError("name at least one camera, or none to search all")
    if period and None not in (period.from_ms, period.to_ms) and (period.to_ms or 0) < (period.from_ms or 0):
        raise UsageError("the period ends before it begins")
    return Filters(None if cameras is None else tuple(sorted(set(cameras))), period)


_SEARCHED = f"FROM subject_features f WHERE video_id = ANY(%(ids)s) AND {IN_PERIOD}"
_STATE = "SELECT count(*) FROM track_features WHERE video_id = ANY(%(ids)s) AND state = "
_COUNTED = {
    "chunks": "SELECT count(*) FROM evidence WHERE video_id = ANY(%(ids)s)",
    "subjects": f"SELECT count(DISTINCT subject_id) {_SEARCHED}",
    "vectors": f"SELECT count(*) {_SEARCHED}",
    "too_small": f"{_STATE} 'too-small'",
    "unclear": f"{_STATE} 'unclear'",
    "unindexed": "SELECT count(*) FROM (SELECT DISTINCT video_id, track FROM spans WHERE kind = 'face'"
                 " AND video_id = ANY(%(ids)s) EXCEPT SELECT video_id, track FROM track_features"
                 " UNION SELECT video_id, track FROM unread JOIN spans USING (video_id, chunk_seq)"
                 " WHERE kind = 'face' AND video_id = ANY(%(ids)s)) AS u",
    "unopened": "SELECT count(*) FROM parts WHERE state IN ('not-for-me', 'damaged') AND video_id = ANY(%(ids)s)",
    "erased": "SELECT count(*) FROM erasures WHERE video_id = ANY(%(ids)s)",
}
"""What coverage counts in the chosen videos, all in one statement: each way to the database and back takes its time."""


def coverage(db: Any, chosen: Filters) -> Coverage:
    """What the index knows of the chosen videos, and what it misses."""
    condition, values = chosen.sql()
    videos = db.execute(
        f"SELECT video_id, camera_id, start_ms, end_ms FROM videos WHERE {condition} ORDER BY start_ms",  # noqa: S608
        values,
    ).fetchall()
    ids = [row[0] for row in videos]
    counted = ", ".join(f"({query})" for query in _COUNTED.values())
    row = db.execute(f"SELECT {counted}", {**values, "ids": ids}).fetchone()
    counts: dict[str, Any] = dict(zip(_COUNTED, map(int, row), strict=True))
    return Coverage(
        cameras=tuple(sorted({row[1] for row in videos})),
        videos=len(ids),
        from_ms=videos[0][2] if videos else None,
        to_ms=max((row[3] or row[2] for row in videos), default=None),
        searched_ms=sum(max(0, row[3] - row[2]) for row in videos if row[3] is not None),
        untimed=sum(row[3] is None for row in videos),
        gaps=tuple(store.gaps(db, ids)),
        retired=retired(db, chosen, "face"),
        **counts,
    )


def retired(db: Any, chosen: Filters, kind: str) -> int:
    """How many videos there were at these cameras and times of which nothing of this kind is kept any more."""
    condition, values = chosen.sql()
    row = db.execute(
        "SELECT count(DISTINCT video_id) FROM retired WHERE (cardinality(kinds) = 0 OR %(kind)s = ANY(kinds))"  # noqa: S608
        f" AND {condition}", {**values, "kind": kind},
    ).fetchone()
    return int(row[0])


def _long(ms: int) -> str:
    return f"{ms / HOUR_MS:.1f} hours" if ms >= HOUR_MS else f"{ms / MINUTE_MS:.1f} minutes"


def scope(covered: Coverage, searched: str, missed: str) -> str:
    """What was searched, `searched` with its number, and how many of `missed` couldn't be, in words."""
    where = f"{searched} in {plural(covered.videos, 'video')} of {plural(len(covered.cameras), 'camera')}"
    where += f" ({_long(covered.searched_ms)}" + (", some unknown)" if covered.untimed else ")")
    left = covered.too_small + covered.unclear + covered.unindexed
    unseen = f"; {plural(left, missed)} could not be searched" if left else ""
    missing = f"; evidence is missing at {plural(len(covered.gaps), 'place')}" if covered.gaps else ""
    missing += f"; {plural(covered.retired, 'video is', 'videos are')} no longer kept" if covered.retired else ""
    return where + unseen + missing + (f"; {_narrowed(covered.limits)}" if covered.limits else "")


def _narrowed(limits: Limits) -> str:
    """How a case narrows a search, in words."""
    first, last = (time_text(ms) for ms in (limits.from_ms, limits.to_ms))
    return f"looked only where case {limits.case} allows: {listed(limits.cameras or ALL_CAMERAS)}, {first} to {last}"


def said(matches: Sequence[Match], covered: Coverage, more: bool = False) -> str:
    """The answer in one sentence that can't be read as more than it is."""
    where = scope(covered, plural(covered.subjects, "searchable subject"), "face")
    if not covered.subjects:
        return f"Nothing could be searched: {where}. This says nothing about who was there."
    if not matches:
        return f"No match among {where}. This does not say that the person was not there."
    sure = sum(match.sure for match in matches)
    found = f"{sure} sure and {plural(len(matches) - sure, 'possible match', 'possible matches')}"
    found += ", and more that aren't listed (narrow the cameras or the time)," if more else ""
    return f"{found} among {where}. A likeness is a lead to be checked, not an identification."
