"""The looks of a track: what its face looks like, pooled over the clearest views of its chunks.

A look is a template: the direction of the sum of its views' unit vectors, each weighted by quality, so that noise of
single views cancels out. A track whose views aren't alike has several looks, each searched: a tracker may go over
from one person to another, and a mean of two would be like nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from infra.models import FACE_EMBEDDER
from operators.embed import SAME
from schemas.records import SealedEvidence
from schemas.regions import Array

State = Literal["indexed", "too-small", "unclear"]
CLEAR = 0.5
"""Quality from which a view unlike a track's others is a look of its own, not a poor picture."""
MAX_LOOKS = 4
KNOWN_CHUNKS = 3
"""Chunks after which one view of each further one is read: it tells whether the track still shows the same person."""
MAX_CHUNKS = 8
"""Chunks after which a look takes better views alone: more of the same tell nothing, and each is a write."""


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """What was seen of a track in a chunk, best frame and its quality; `embedding` (128,) only where it is indexed.

    `width`: of the face in that frame, in pixels.
    """

    track: int
    state: State
    frame_no: int
    quality: float
    embedding: Array | None = field(default=None, repr=False)
    weight: float = 0.0
    width: float | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """What vectors were made by: name of the embedder, number of the key they are turned by."""

    embedder: str = FACE_EMBEDDER
    key: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """A look as it is kept: quality of its best view, unit vector and weight, and how many chunks are pooled in it."""

    quality: float
    embedding: Array | None = field(default=None, repr=False)
    weight: float = 0.0
    chunks: int = 1


def pool(vectors: Sequence[Array] | Array, weights: npt.ArrayLike) -> tuple[Array, float]:
    """Direction (128,) of the weighted sum of unit vectors (n, 128), and the sum's length: the weight of the pool.

    Pools can be pooled again, in any grouping, with the same result.
    """
    total = (np.asarray(vectors) * np.asarray(weights, np.float64)[:, None]).sum(0)
    length = float(np.linalg.norm(total))
    return np.asarray(total / length, np.float32), length


def place_of(looked: Looked, looks: Mapping[int, Look]) -> int | None:
    """Number of the look that a chunk's views go to: one they are like, or a new one beside those they aren't.

    None where they aren't kept. Of views unlike all others only clear ones count, and so many looks at most.
    """
    vectors = {number: look.embedding for number, look in looks.items() if look.embedding is not None}
    if looked.embedding is None:
        return None if looks else 0
    if not vectors:
        return 0
    alike = {number: float(known @ looked.embedding) for number, known in vectors.items()}
    nearest = max(alike, key=lambda number: alike[number])
    if alike[nearest] >= SAME:
        known = looks[nearest]
        return nearest if looked.quality > known.quality or known.chunks < MAX_CHUNKS else None
    return len(looks) if looked.quality >= CLEAR and len(looks) < MAX_LOOKS else None


def looks_of(db: Any, video_id: str, track: int) -> dict[int, Look]:
    """What is kept of a track."""
    rows = db.execute(
        "SELECT look, quality, embedding::text, weight, chunks FROM track_features"
        " WHERE video_id = %s AND track = %s ORDER BY look",
        (video_id, track),
    ).fetchall()
    return {number: Look(quality, vector(text), weight, chunks) for number, quality, text, weight, chunks in rows}


def added(looked: Looked, looks: Mapping[int, Look]) -> tuple[int, Look] | None:
    """The number of the look that a chunk's views go to, and that look with them; None where they aren't kept."""
    number = place_of(looked, looks)
    if number is None:
        return None
    known = looks.get(number)
    if known is None or known.embedding is None or looked.embedding is None:
        return number, Look(looked.quality, looked.embedding, looked.weight)
    embedding, weight = pool([known.embedding, looked.embedding], [known.weight, looked.weight])
    return number, Look(max(known.quality, looked.quality), embedding, weight, known.chunks + 1)


def keep(db: Any, evidence: SealedEvidence, looked: Looked, made: Made) -> Look | None:
    """Keep a chunk's views where they have a place; the look that they went to, None where they weren't kept."""
    looks = looks_of(db, evidence.video_id, looked.track)
    place = added(looked, looks)
    if place is None:
        return None
    number, look = place
    known = looks.get(number)
    db.execute(
        "INSERT INTO track_features"
        " (video_id, track, state, chunk_seq, frame_no, quality, embedding, look, weight, chunks, width, embedder,"
        " template_key) VALUES (%s, %s, %s, %s, %s, %s, %s::vector, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (video_id, track, look) DO UPDATE SET"
        " embedding = excluded.embedding, weight = excluded.weight, chunks = excluded.chunks",
        (evidence.video_id, looked.track, looked.state, evidence.chunk_seq, looked.frame_no, looked.quality,
         None if look.embedding is None else vector_text(look.embedding), number, look.weight, look.chunks,
         looked.width, made.embedder, made.key),
    )
    if known is not None and (known.embedding is None or looked.quality > known.quality):
        db.execute(
            "UPDATE track_features SET state = %s, chunk_seq = %s, frame_no = %s, quality = %s, width = %s"
            " WHERE video_id = %s AND track = %s AND look = %s",
            (looked.state, evidence.chunk_seq, looked.frame_no, looked.quality, looked.width, evidence.video_id,
             looked.track, number),
        )
    return look


def vector_text(values: Array) -> str:
    """A vector as pgvector reads it."""
    return "[" + ",".join(f"{value:.7g}" for value in values.tolist()) + "]"


def vector(text: str | None) -> Array | None:
    """A vector as pgvector writes it."""
    return None if text is None else np.array(text.strip("[]").split(","), np.float32)
