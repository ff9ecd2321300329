"""The index of faces: the looks of each track, subjects of each video, and the feature library.

A subject of several tracks is searched by the pool of their looks; one whose track has several looks by each of them.

`FaceIndex.look` reads opened parts (pixels, network); what it returns writes to Postgres in the caller's transaction.
Subjects are the second mapping: restored video to person. They are merged again with every chunk, and so are the
persons that they are across the videos of a camera.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from operators.embed import SAME, SURE
from operators.subjects import Subject, TrackSighting, connected, merge_spans, merge_tracks
from schemas.errors import ConfigError
from schemas.frames import VideoFormat
from schemas.records import SealedEvidence, TrackMapping
from schemas.regions import Array
from streams.authority import store
from streams.authority.blank import open_where
from streams.authority.faces import MIN_WIDTH, Faces, View, candidates, width_of
from streams.authority.looks import KNOWN_CHUNKS, Looked, Made, keep, pool, vector, vector_text
from streams.authority.opening import OpenedPart
from streams.authority.persons import bring_persons_up_to_date
from streams.authority.subjects import bring_up_to_date, subject_id
from streams.authority.templates import PLAIN, Templates

When = Literal["always", "on_case", "off"]
MOST_TRACKS = 4096
"""Of so many tracks, of all cameras, it is remembered how much is known; who is forgotten is read in full again."""


class FaceIndex:
    """Indexes faces. Tracks are merged from `threshold` on: precision before recall.

    `when` other than `always` keeps the sink from it; cases then call `read` and `write` themselves.
    """

    def __init__(
        self, faces: Faces, when: When = "always", threshold: float = SURE, templates: Templates | None = None
    ) -> None:
        self._faces, self._when, self._threshold = faces, when, threshold
        self._templates = templates or Templates()
        self._chunks: dict[tuple[str, int], int] = {}
        """Of each of the last tracks, how many chunks are pooled in the look that it had last."""

    @property
    def embedder(self) -> str:
        """Name of what makes its vectors."""
        return self._faces.name

    def look(self, evidence: SealedEvidence, parts: Sequence[OpenedPart]) -> Callable[[Any], None]:
        """Read a chunk's opened parts; return what writes the findings."""
        known = self.known(evidence.video_id)
        looked = self.read(parts, evidence.format, known) if self._when == "always" else ()
        return lambda db: self.write(db, evidence, looked)

    def known(self, video_id: str) -> frozenset[int]:
        """The tracks of a video that were seen enough to need one view a chunk from now on."""
        return frozenset(
            track for (video, track), chunks in self._chunks.items() if video == video_id and chunks >= KNOWN_CHUNKS
        )

    def read(
        self, parts: Sequence[OpenedPart], video: VideoFormat | None = None, known: AbstractSet[int] = frozenset()
    ) -> tuple[Looked, ...]:
        """What each face's track shows in a chunk; one whose pieces don't hold shows nothing.

        `known`: tracks that were seen enough, but for whether they still show the same person.
        """
        mappings = [p.content for p in parts if isinstance(p.content, TrackMapping) and p.content.kind == "face"]
        chosen = {m.track: candidates(m, mappings, video, m.track in known) for m in mappings}
        opened = open_where(parts, chosen)
        views = {
            track: self._faces.views(track, regions, opened, video, track in known)
            for track, regions in chosen.items()
        }
        return tuple(self._looked(m, views[m.track]) for m in mappings if m.regions)

    def write(self, db: Any, evidence: SealedEvidence, looked: Sequence[Looked]) -> None:
        """Keep what the views add to what is known, and merge the video's subjects again.

        Raises:
            ConfigError: the index is of another embedder.

        """
        known = db.execute("SELECT embedder FROM track_features WHERE embedding IS NOT NULL LIMIT 1").fetchone()
        if looked and known is not None and known[0] != self.embedder:
            raise ConfigError(f"faces are indexed by {known[0]}: start with it (--embedder), or run sealframe reindex")
        changed = self.note(db, evidence, looked)
        self.merge(db, evidence.video_id, evidence.camera_id, changed, evidence.chunk_seq)

    def note(self, db: Any, evidence: SealedEvidence, looked: Sequence[Looked]) -> set[int]:
        """Keep what the views add to what is known; the tracks of which something was kept.

        Of a track that was erased while it was being looked at, nothing is.
        """
        gone = store.erased(db, evidence.video_id) if looked else frozenset()
        looked = [one for one in looked if one.track not in gone]
        key = self._templates.for_video(db, evidence.video_id) if looked else PLAIN
        made = Made(self._faces.name, key) if looked else Made()
        kept = {one.track: look for one in looked if (look := keep(db, evidence, self._turned(one, key), made))}
        self._chunks |= {(evidence.video_id, track): look.chunks for track, look in kept.items()}
        while len(self._chunks) > MOST_TRACKS:
            del self._chunks[next(iter(self._chunks))]
        return set(kept)

    def merge(
        self, db: Any, video_id: str, camera_id: str, changed: AbstractSet[int] = frozenset(), chunk: int | None = None
    ) -> None:
        """Bring a video's subjects up to date with its tracks; `changed` are tracks whose looks have changed.

        A later frame may show two tracks together that were one person till then, so every chunk is a reason to look.
        `chunk`: all was up to date but for this one, so nobody is looked at who has nothing to do with who is in it;
        else a crowd's chunks would take longer and longer.
        """
        vectors, within = _vectors(db, video_id), None
        if chunk is not None:
            within = _concerned(db, video_id, vectors, changed | store.tracks_in(db, video_id, chunk), self._threshold)
        subjects = merge_tracks(_sightings(db, video_id, vectors, within), self._threshold)
        wanted = {subject_id(video_id, subject.number): subject for subject in subjects}

        def add(name: str, subject: Subject, times: tuple[int, int]) -> None:
            _add_features(db, name, subject, video_id, camera_id, times)

        bring_up_to_date(db, (video_id, camera_id), "face", wanted, changed, "subject_features", add, within)
        looked_at = None if within is None else wanted.keys()
        bring_persons_up_to_date(db, camera_id, video_id, self._templates, subjects=looked_at)

    def _turned(self, looked: Looked, key: int) -> Looked:
        """With its vector as it is stored."""
        if looked.embedding is None:
            return looked
        return replace(looked, embedding=self._templates.turned(looked.embedding, key))

    def _looked(self, mapping: TrackMapping, views: Sequence[View]) -> Looked:
        """The best view and those like it, pooled by quality; frame and quality are those of the best."""
        if views:
            vectors, worth = self._faces.embed(views), np.array([view.quality for view in views])
            alike = vectors @ vectors[0] >= SAME
            pooled, weight = pool(vectors[alike], worth[alike])
            return Looked(
                mapping.track, "indexed", views[0].frame_no, views[0].quality, pooled, weight, views[0].width
            )
        large = any(width_of(region) >= MIN_WIDTH for region in mapping.regions)
        return Looked(mapping.track, "unclear" if large else "too-small", mapping.regions[0].frame_no, 0.0)


def _vectors(db: Any, video_id: str) -> dict[int, Array]:
    """Of each track of a video that has one look its vector. Who has several, maybe two persons, goes with no other."""
    rows = db.execute(
        "SELECT track, embedding FROM (SELECT track, embedding, count(*) OVER (PARTITION BY track) AS looks"
        " FROM track_features WHERE video_id = %s) t WHERE looks = 1 AND embedding IS NOT NULL",
        (video_id,), binary=True,
    ).fetchall()
    return {track: embedding.to_numpy() for track, embedding in rows}


def _concerned(
    db: Any, video_id: str, vectors: Mapping[int, Array], touched: AbstractSet[int], threshold: float
) -> frozenset[int]:
    """The tracks of all subjects that may change with these tracks."""
    within: frozenset[int] = frozenset(touched)
    while True:
        rows = db.execute(
            "SELECT unnest(tracks) FROM subjects WHERE video_id = %s AND kind = 'face' AND tracks && %s::bigint[]",
            (video_id, list(within)),
        ).fetchall()
        wider = connected(vectors, within | {row[0] for row in rows}, threshold)
        if wider == within:
            return within
        within = wider


def _sightings(
    db: Any, video_id: str, vectors: Mapping[int, Array], within: Collection[int] | None
) -> list[TrackSighting]:
    """The face tracks of a video, or those of them, as they can be merged."""
    worth = dict(db.execute(
        "SELECT track, max(quality) FROM track_features WHERE video_id = %(video)s"
        " AND (%(some)s::bigint[] IS NULL OR track = ANY(%(some)s::bigint[])) GROUP BY track",
        {"video": video_id, "some": None if within is None else list(within)},
    ).fetchall())
    return [
        TrackSighting(track, merge_spans(ranges), vectors.get(track), worth.get(track, 0.0))
        for track, (kind, ranges) in store.track_spans(db, video_id, within).items() if kind == "face"
    ]


def _add_features(
    db: Any, name: str, subject: Subject, video_id: str, camera_id: str, times: tuple[int, int]
) -> None:
    for feature in _features(db, video_id, subject):
        db.execute(
            "INSERT INTO subject_features (subject_id, video_id, camera_id, from_ms, to_ms, quality, embedding, track,"
            " look, width, embedder, template_key) VALUES (%s, %s, %s, %s, %s, %s, %s::vector, %s, %s, %s, %s, %s)",
            (name, video_id, camera_id, *times, *feature),
        )


def _features(db: Any, video_id: str, subject: Subject) -> list[tuple[Any, ...]]:
    """What a subject is searched by: quality, vector as text, track and look with the best view of each, how made."""
    rows = db.execute(
        "SELECT quality, embedding::text, track, look, width, embedder, template_key, weight FROM track_features"
        " WHERE video_id = %s AND track = ANY(%s) AND embedding IS NOT NULL ORDER BY quality DESC, track, look",
        (video_id, list(subject.tracks)),
    ).fetchall()
    if len(subject.tracks) == 1:
        return [row[:7] for row in rows]
    found = [found for row in rows if (found := vector(row[1])) is not None]
    pooled, _ = pool(found, [row[7] for row in rows])
    return [(rows[0][0], vector_text(pooled), *rows[0][2:7])]
