"""The index of faces: the best views of each track, subjects of each video, and the feature library.

A track whose views aren't alike has several looks, each searched: a tracker may go over from one person to another.

`FaceIndex.look` reads opened parts (pixels, network); what it returns writes to Postgres in the caller's transaction.
Subjects are the second mapping: restored video to person. They are merged again with every chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from operators.embed import SAME, SURE
from operators.subjects import Subject, TrackSighting, merge_spans, merge_tracks
from schemas.frames import VideoFormat
from schemas.records import Piece, SealedEvidence, TrackMapping
from schemas.regions import Array
from streams.authority import store
from streams.authority.faces import MIN_WIDTH, Faces, View, best_views, open_all, promising, width_of
from streams.authority.opening import OpenedPart

When = Literal["always", "on_case", "off"]
State = Literal["indexed", "too-small", "unclear"]
CLEAR = 0.5
"""Quality from which a view unlike a track's others is a look of its own, not a poor picture."""
MAX_LOOKS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """What was seen of a track in a chunk; `embedding` only where it is indexed."""

    track: int
    state: State
    frame_no: int
    quality: float
    embedding: Array | None = field(default=None, repr=False)


class FaceIndex:
    """Indexes faces. Tracks are merged from `threshold` on: precision before recall.

    `when` other than `always` keeps the sink from it; cases then call `read` and `write` themselves.
    """

    def __init__(self, faces: Faces, when: When = "always", threshold: float = SURE) -> None:
        self._faces, self._when, self._threshold = faces, when, threshold

    def look(self, evidence: SealedEvidence, parts: Sequence[OpenedPart]) -> Callable[[Any], None]:
        """Read a chunk's opened parts; return what writes the findings."""
        looked = self.read(parts, evidence.format) if self._when == "always" else ()
        return lambda db: self.write(db, evidence, looked)

    def read(self, parts: Sequence[OpenedPart], video: VideoFormat | None = None) -> tuple[Looked, ...]:
        """What each face's track shows in a chunk; one whose pieces don't hold shows nothing."""
        mappings = [p.content for p in parts if isinstance(p.content, TrackMapping) and p.content.kind == "face"]
        wanted = {mapping.track for mapping in mappings if promising(mapping)}
        opened = open_all(p.content for p in parts if isinstance(p.content, Piece) and wanted & set(p.content.tracks))
        views = {m.track: best_views(m, mappings, opened, video) for m in mappings if m.track in wanted}
        return tuple(self._looked(m, views.get(m.track, ())) for m in mappings if m.regions)

    def write(self, db: Any, evidence: SealedEvidence, looked: Sequence[Looked]) -> None:
        """Keep views that are better than those known, and merge the video's subjects again."""
        better = {one.track for one in looked if _keep(db, evidence, one)}
        self.merge(db, evidence.video_id, evidence.camera_id, better)

    def merge(
        self, db: Any, video_id: str, camera_id: str, better: AbstractSet[int] = frozenset()
    ) -> tuple[Subject, ...]:
        """Bring a video's subjects up to date with its tracks; `better` are tracks whose best view has changed.

        A later frame may show two tracks together that were one person till then, so every chunk is a reason to look.
        """
        subjects = merge_tracks(_sightings(db, video_id), self._threshold)
        times = store.track_times(db, video_id)
        known = {row[0]: (tuple(row[1]), row[2], (row[3], row[4])) for row in db.execute(
            "SELECT subject_id, tracks, best_track, from_ms, to_ms FROM subjects WHERE video_id = %s", (video_id,)
        ).fetchall()}
        wanted = {subject_id(video_id, subject.number): subject for subject in subjects}
        stale = [
            name for name, was in known.items()
            if name not in wanted or was[:2] != (wanted[name].tracks, wanted[name].best) or wanted[name].best in better
        ]
        db.execute("DELETE FROM subjects WHERE subject_id = ANY(%s)", (stale,))
        for name, subject in wanted.items():
            seen = _seen(subject, times)
            if name in stale or name not in known:
                _add_subject(db, name, subject, video_id, camera_id, seen)
            elif known[name][2] != seen:
                for table in ("subjects", "subject_features"):
                    db.execute(f"UPDATE {table} SET from_ms = %s, to_ms = %s WHERE subject_id = %s",  # noqa: S608
                               (*seen, name))
        return subjects

    def _looked(self, mapping: TrackMapping, views: Sequence[View]) -> Looked:
        """Mean direction of the best view and those like it; frame and quality are those of the best."""
        if views:
            vectors = self._faces.embed(views)
            mean = vectors[vectors @ vectors[0] >= SAME].mean(0)
            return Looked(mapping.track, "indexed", views[0].frame_no, views[0].quality, mean / np.linalg.norm(mean))
        large = any(width_of(region) >= MIN_WIDTH for region in mapping.regions)
        return Looked(mapping.track, "unclear" if large else "too-small", mapping.regions[0].frame_no, 0.0)


def _seen(subject: Subject, times: Mapping[int, tuple[int, int]]) -> tuple[int, int]:
    """From the first to the last moment of a subject's tracks."""
    return min(times[track][0] for track in subject.tracks), max(times[track][1] for track in subject.tracks)


def _sightings(db: Any, video_id: str) -> list[TrackSighting]:
    """The face tracks of a video as they can be merged. One of several looks, maybe two persons, goes with no other."""
    known: dict[int, list[tuple[float, Array | None]]] = {}
    for track, quality, text in db.execute(
        "SELECT track, quality, embedding::text FROM track_features WHERE video_id = %s ORDER BY track, look",
        (video_id,),
    ).fetchall():
        known.setdefault(track, []).append((quality, _vector(text)))
    found = []
    for track, (kind, ranges) in store.track_spans(db, video_id).items():
        if kind == "face":
            looks = known.get(track, [(0.0, None)])
            vector = looks[0][1] if len(looks) == 1 else None
            found.append(TrackSighting(track, merge_spans(ranges), vector, max(quality for quality, _ in looks)))
    return found


def _add_subject(
    db: Any, name: str, subject: Subject, video_id: str, camera_id: str, times: tuple[int, int]
) -> None:
    db.execute(
        "INSERT INTO subjects VALUES (%s, %s, %s, 'face', %s, %s, %s, %s)",
        (name, video_id, camera_id, list(subject.tracks), subject.best, *times),
    )
    db.execute(
        "INSERT INTO subject_features"
        " (subject_id, video_id, camera_id, from_ms, to_ms, quality, embedding, track, look)"
        " SELECT %s, video_id, %s, %s, %s, quality, embedding, track, look FROM track_features"
        " WHERE video_id = %s AND track = %s AND embedding IS NOT NULL",
        (name, camera_id, *times, video_id, subject.best),
    )


def subject_id(video_id: str, number: int) -> str:
    """Name of a subject: its video and its smallest track."""
    return f"{video_id}/s{number}"


def vector_text(vector: Array) -> str:
    """A vector as pgvector reads it."""
    return "[" + ",".join(f"{value:.7g}" for value in vector.tolist()) + "]"


def _vector(text: str | None) -> Array | None:
    return None if text is None else np.array(text.strip("[]").split(","), np.float32)


def _looks(db: Any, video_id: str, track: int) -> dict[int, tuple[float, Array | None]]:
    """Quality and vector of each look of a track."""
    rows = db.execute(
        "SELECT look, quality, embedding::text FROM track_features WHERE video_id = %s AND track = %s ORDER BY look",
        (video_id, track),
    ).fetchall()
    return {look: (quality, _vector(text)) for look, quality, text in rows}


def place_of(looked: Looked, looks: Mapping[int, tuple[float, Array | None]]) -> int | None:
    """Number under which a view is kept: instead of a worse one that is like it, or beside those that aren't.

    None where it isn't kept. Of views unlike all others only clear ones count, and so many looks at most.
    """
    vectors = {look: known for look, (_, known) in looks.items() if known is not None}
    if looked.embedding is None:
        return None if looks else 0
    if not vectors:
        return 0
    alike = {look: float(known @ looked.embedding) for look, known in vectors.items()}
    nearest = max(alike, key=lambda look: alike[look])
    if alike[nearest] >= SAME:
        return nearest if looked.quality > looks[nearest][0] else None
    return len(looks) if looked.quality >= CLEAR and len(looks) < MAX_LOOKS else None


def _keep(db: Any, evidence: SealedEvidence, looked: Looked) -> bool:
    """Keep a view where it has a place; whether it was kept."""
    look = place_of(looked, _looks(db, evidence.video_id, looked.track))
    if look is None:
        return False
    vector = None if looked.embedding is None else vector_text(looked.embedding)
    db.execute(
        "INSERT INTO track_features (video_id, track, state, chunk_seq, frame_no, quality, embedding, look)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s::vector, %s) ON CONFLICT (video_id, track, look) DO UPDATE SET"
        " state = excluded.state, chunk_seq = excluded.chunk_seq, frame_no = excluded.frame_no,"
        " quality = excluded.quality, embedding = excluded.embedding",
        (evidence.video_id, looked.track, looked.state, evidence.chunk_seq, looked.frame_no, looked.quality, vector,
         look),
    )
    return True
