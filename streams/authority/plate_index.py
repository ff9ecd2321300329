"""The index of plates: what was read along each track, subjects of each video, and the plate library.

The best glimpses of a track are kept and joined again when better ones come. Tracks of a video that say the same text
for sure, and are never seen together, are one subject. A subject whose text is known stands in the library.
`cover` counts, by video, what a search of plates covers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from operators.plate_text import MAX_TEXT, MIN_PLAIN, keys
from operators.plate_track import Glimpse, as_json, from_json, join
from operators.plates import PlateReader, Reading
from operators.subjects import Subject, merge_spans, together
from schemas.errors import MalformedRecord
from schemas.records import SealedEvidence
from streams.authority import store
from streams.authority.looks import pool, vector, vector_text
from streams.authority.opening import OpenedPart
from streams.authority.plates import Glimpsed, read_plates
from streams.authority.subjects import bring_up_to_date, subject_id

KEPT = 16
"""Glimpses kept of a track, one or two kB each: where parts are hidden, frames say different parts."""
LEGIBLE = 0.7
"""Mean confidence of its characters from which a text is one; below it is a guess, and the track counts as unclear."""
SURE = 0.8
"""Confidence of every character from which equal texts make two tracks one subject."""

COUNTS = """
SELECT v.video_id,
    (SELECT count(*) FROM evidence e WHERE e.video_id = v.video_id),
    (SELECT count(*) FROM plates p WHERE p.video_id = v.video_id),
    (SELECT count(*) FROM track_plates t WHERE t.video_id = v.video_id AND state = 'too-small'),
    (SELECT count(*) FROM track_plates t WHERE t.video_id = v.video_id AND state = 'unclear'),
    (SELECT count(*) FROM (SELECT track FROM spans s WHERE s.video_id = v.video_id AND kind = 'plate'
        EXCEPT SELECT track FROM track_plates t WHERE t.video_id = v.video_id
        UNION SELECT track FROM unread u JOIN spans s USING (video_id, chunk_seq)
            WHERE u.video_id = v.video_id AND kind = 'plate') AS unknown),
    (SELECT count(*) FROM parts p WHERE p.video_id = v.video_id AND state IN ('not-for-me', 'damaged')),
    (SELECT count(*) FROM erasures e WHERE e.video_id = v.video_id),
    (SELECT count(*) FROM (SELECT previous, coalesce(1 + lag(chunk_seq) OVER (ORDER BY chunk_seq), 0) AS before
        FROM evidence e WHERE e.video_id = v.video_id) AS chunks WHERE previous <> before)
FROM videos v WHERE v.video_id = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class PlateTrack:
    """What is known of a track: frame ranges, text with the confidence of each character, quality of its best view."""

    track: int
    spans: tuple[tuple[int, int], ...]
    text: str | None = None
    characters: tuple[float, ...] = ()
    quality: float = 0.0

    @property
    def sure(self) -> bool:
        """Its text may say that it is the same plate as another track's."""
        return self.text is not None and min(self.characters, default=0.0) >= SURE


class PlateIndex:
    """Indexes plates; `reader` may be called from several threads."""

    def __init__(self, reader: PlateReader) -> None:
        self._reader = reader

    def look(self, evidence: SealedEvidence, parts: Sequence[OpenedPart]) -> Callable[[Any], None]:
        """Read a chunk's opened parts; return what writes the findings."""
        seen = read_plates(self._reader, parts, evidence.format)
        return lambda db: write(db, evidence, seen)


def write(db: Any, evidence: SealedEvidence, seen: Sequence[Glimpsed]) -> None:
    """Keep what the glimpses add to what is known, and bring the video's subjects and counts up to date."""
    gone = store.erased(db, evidence.video_id) if seen else frozenset()
    changed = {one.track for one in seen if one.track not in gone and keep(db, evidence, one)}
    merge(db, evidence.video_id, evidence.camera_id, changed)
    cover(db, [evidence.video_id])


def keep(db: Any, evidence: SealedEvidence, seen: Glimpsed) -> bool:
    """Keep the best glimpses of a track and what they say together; whether that changed."""
    row = db.execute(
        "SELECT glimpses, embedding::text, weight, chunk_seq FROM track_plates WHERE video_id = %s AND track = %s",
        (evidence.video_id, seen.track),
    ).fetchone()
    if row is not None and not seen.glimpses:
        return False
    known = _glimpses(row[0]) if row else []
    best = sorted([*known, *seen.glimpses], key=lambda pair: (-pair[1].quality, pair[0]))[:KEPT]
    if row is not None and best == known:
        return False
    reading = join([one for _, one in best]) if best else None
    legible = reading is not None and is_legible(reading)
    state = "read" if legible else "too-small" if seen.state == "too-small" and not best else "unclear"
    frame, quality = (best[0][0], best[0][1].quality) if best else (seen.frame_no, 0.0)
    newest = row is None or frame in {number for number, _ in seen.glimpses}
    embedding, weight = _pooled(seen, row)
    db.execute(
        "INSERT INTO track_plates VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::vector, %s)"
        " ON CONFLICT (video_id, track) DO UPDATE SET state = excluded.state, chunk_seq = excluded.chunk_seq,"
        " frame_no = excluded.frame_no, quality = excluded.quality, text = excluded.text,"
        " characters = excluded.characters, confidence = excluded.confidence, glimpses = excluded.glimpses,"
        " embedding = excluded.embedding, weight = excluded.weight",
        (evidence.video_id, seen.track, state, evidence.chunk_seq if newest else row[3], frame, quality,
         reading.text if reading and legible else None, list(reading.characters) if reading and legible else None,
         reading.confidence if reading and legible else 0.0,
         json.dumps([{"frame": number, **as_json(one)} for number, one in best]), embedding, weight),
    )
    return True


def is_legible(reading: Reading) -> bool:
    """The text can be one of a plate, and isn't a mere guess."""
    sure = reading.characters
    return MIN_PLAIN <= len(reading.text) <= MAX_TEXT and sum(sure) >= LEGIBLE * len(sure)


def merge(db: Any, video_id: str, camera_id: str, changed: AbstractSet[int] = frozenset()) -> tuple[Subject, ...]:
    """Bring a video's plate subjects up to date with its tracks; `changed` are tracks whose glimpses have changed."""
    subjects = merge_plates(_tracks(db, video_id))
    wanted = {subject_id(video_id, subject.number, "p"): subject for subject in subjects}

    def add(name: str, subject: Subject, times: tuple[int, int]) -> None:
        row = db.execute(
            "SELECT text, characters, confidence, quality, frame_no FROM track_plates"
            " WHERE video_id = %s AND track = %s AND text IS NOT NULL", (video_id, subject.best),
        ).fetchone()
        if row:
            db.execute(
                "INSERT INTO plates VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (name, video_id, camera_id, *times, row[0], keys(row[0]), *row[1:]),
            )

    bring_up_to_date(db, (video_id, camera_id), "plate", wanted, changed, "plates", add)
    return subjects


def merge_plates(tracks: Sequence[PlateTrack]) -> tuple[Subject, ...]:
    """Subjects of one recording: tracks that say one text for sure and are never seen together; others alone."""
    groups: list[list[PlateTrack]] = []
    for track in sorted(tracks, key=lambda one: one.track):
        fitting = (
            group for group in groups
            if track.sure and group[0].sure and group[0].text == track.text
            and not any(together(track.spans, other.spans) for other in group)
        )
        group = next(fitting, None)
        if group is None:
            groups.append([track])
        else:
            group.append(track)
    return tuple(_subject(group) for group in groups)


def cover(db: Any, video_ids: Sequence[str]) -> None:
    """Count again what a search covers in these videos."""
    db.execute(
        f"INSERT INTO plate_videos {COUNTS} ON CONFLICT (video_id) DO UPDATE SET chunks = excluded.chunks,"  # noqa: S608
        " plates = excluded.plates, too_small = excluded.too_small, unclear = excluded.unclear,"
        " unindexed = excluded.unindexed, unopened = excluded.unopened, erased = excluded.erased, gaps = excluded.gaps",
        (list(video_ids),),
    )


def counts(db: Any, video_ids: Sequence[str]) -> list[tuple[Any, ...]]:
    """What `cover` would note: lines of the table `plate_videos`."""
    return list(db.execute(COUNTS, (list(video_ids),)).fetchall())


def cover_again(db: Any, video_id: str) -> None:
    """Count again, if this video was counted before."""
    if db.execute("SELECT 1 FROM plate_videos WHERE video_id = %s", (video_id,)).fetchone():
        cover(db, [video_id])


def _subject(members: Sequence[PlateTrack]) -> Subject:
    def worth(one: PlateTrack) -> tuple[bool, float, float, int]:
        return one.text is not None, min(one.characters, default=0.0), one.quality, -one.track

    return Subject(members[0].track, tuple(one.track for one in members), max(members, key=worth).track)


def _tracks(db: Any, video_id: str) -> list[PlateTrack]:
    known: Mapping[int, tuple[Any, ...]] = {row[0]: row[1:] for row in db.execute(
        "SELECT track, text, characters, quality FROM track_plates WHERE video_id = %s", (video_id,)
    ).fetchall()}
    found = []
    for track, (kind, ranges) in store.track_spans(db, video_id).items():
        if kind == "plate":
            text, characters, quality = known.get(track, (None, None, 0.0))
            found.append(PlateTrack(track, merge_spans(ranges), text, tuple(characters or ()), quality))
    return found


def _glimpses(kept: Sequence[Mapping[str, object]]) -> list[tuple[int, Glimpse]]:
    """What was kept before; a glimpse that another release wrote and this one can't read is left out."""
    found = []
    for one in kept:
        try:
            found.append((int(str(one["frame"])), from_json(one)))
        except MalformedRecord:
            continue
    return found


def _pooled(seen: Glimpsed, row: tuple[Any, ...] | None) -> tuple[str | None, float]:
    """The vector of all looks so far, as text, and its weight."""
    known = vector(row[1]) if row else None
    if seen.embedding is None:
        return (None, 0.0) if row is None else (row[1], row[2])
    if known is None or row is None:
        return vector_text(seen.embedding), seen.weight
    pooled, weight = pool([known, seen.embedding], [row[2], seen.weight])
    return vector_text(pooled), weight
