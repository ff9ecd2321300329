"""Tracks that stay visible because the person consented, told by a picture of them. File mode only.

A first pass takes in every chunk with the looks at its faces; then each track is judged over its whole life. Unsure
means masked. A track is spared for one picture, and from its first good look to its last one alone, if

- it has at least `looks` good looks, none more than `gap_s` after the one before,
- the direction of the sum of every `looks` looks in a row is like the picture from `pooled` on, and every single one
  from `each` on: a track that goes over from one person to another fails in the middle,
- it never comes near another face, neither beside it nor in its place shortly before or after: so no track is spared
  that crossed somebody, or that was parted (`operators/track/doubt.py`).

What it costs in false matches is measured by `sealframe eval spare`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from operators.pixels import padded, touch
from schemas.errors import ConfigError
from schemas.regions import Array, Place, Region, RegionSet


@dataclass(frozen=True, slots=True)
class SpareSettings:
    """When a track is surely of the person in a picture. Similarities are cosines, see `operators/embed.py`.

    `near`: boxes widened by this share of their sides don't touch; `after_s`: nor those of other tracks so long before.
    """

    looks: int = 5
    pooled: float = 0.966
    each: float = 0.95
    gap_s: float = 1.0
    near: float = 0.25
    after_s: float = 1.0

    def __post_init__(self) -> None:
        if self.looks < 1 or not 0 < self.each <= self.pooled <= 1 or self.gap_s <= 0:
            raise ConfigError("a track is spared by one look at least, and 0 < each <= pooled <= 1")


@dataclass(frozen=True, slots=True, eq=False)
class Life:
    """A face's track so far: its good looks (frame number, seconds, unit vector), and whether it met anybody."""

    looks: tuple[tuple[int, float, Array], ...] = field(default=(), repr=False)
    met: bool = False


@dataclass(frozen=True, slots=True)
class Recent:
    """A region that was there at `at_s`."""

    at_s: float
    region: Region


@dataclass(frozen=True, slots=True, eq=False)
class Lives:
    """All tracks of faces so far, and the regions of the last moments."""

    tracks: Mapping[int, Life] = field(default_factory=dict)
    recent: tuple[Recent, ...] = ()


@dataclass(frozen=True, slots=True)
class Spared:
    """A track that stays visible from `first` to `last` (frame numbers): for which picture, and how surely.

    `score`: the least similarity of `looks` looks in a row; `worst`: of a single one.
    """

    track: int
    first: int
    last: int
    picture: int
    score: float
    worst: float
    looks: int


class Spare:
    """The operator over chunks: `step` takes in, `spared` judges at the end."""

    name = "spare"

    def __init__(self, settings: SpareSettings | None = None) -> None:
        self.settings = settings or SpareSettings()

    def initial(self, key: str) -> Lives:
        """Nobody seen."""
        return Lives()

    def step(
        self, state: Lives, regions: RegionSet, first_frame: int, times: Sequence[float], looks: Mapping[Place, Array]
    ) -> Lives:
        """With the next chunk: when each of its frames begins, in seconds, and the vectors of its good looks."""
        tracks, recent = dict(state.tracks), list(state.recent)
        for i, (frame, at_s) in enumerate(zip(regions.frames, times, strict=True)):
            faces = [region for region in frame if region.kind == "face"]
            recent = [] if i in regions.cuts else [one for one in recent if at_s - one.at_s <= self.settings.after_s]
            for track in self._met(faces, recent):
                tracks[track] = replace(tracks.get(track, Life()), met=True)
            for region in faces:
                life, vector = tracks.get(region.track, Life()), looks.get((i, region.track))
                seen = () if vector is None else ((first_frame + i, at_s, vector),)
                tracks[region.track] = replace(life, looks=life.looks + seen)
            recent += [Recent(at_s, region) for region in faces]
        return Lives(tracks, tuple(recent))

    def spared(self, lives: Lives, pictures: Sequence[Array]) -> tuple[Spared, ...]:
        """The tracks that stay visible, each for the picture it is most like."""
        found = (self._judged(track, life, pictures) for track, life in sorted(lives.tracks.items()))
        return tuple(one for one in found if one is not None)

    def _judged(self, track: int, life: Life, pictures: Sequence[Array]) -> Spared | None:
        if life.met or len(life.looks) < self.settings.looks or not pictures:
            return None
        times = [at_s for _, at_s, _ in life.looks]
        if any(after - before > self.settings.gap_s for before, after in zip(times, times[1:], strict=False)):
            return None
        vectors = np.stack([vector for _, _, vector in life.looks])
        scores = [likeness(vectors, picture, self.settings.looks) for picture in pictures]
        best = max(range(len(scores)), key=lambda k: scores[k][0])
        score, worst = scores[best]
        if not (score >= self.settings.pooled and worst >= self.settings.each):
            return None
        return Spared(track, life.looks[0][0], life.looks[-1][0], best, score, worst, len(life.looks))

    def _met(self, faces: Sequence[Region], recent: Iterable[Recent]) -> set[int]:
        """Tracks that are near another one of this frame, or where another one was a moment ago."""
        others = [*faces, *(one.region for one in recent)]
        boxes = [padded(region.box, self.settings.near) for region in others]
        met: set[int] = set()
        for k, face in enumerate(faces):
            for other, box in zip(others, boxes, strict=True):
                if other.track != face.track and touch(boxes[k], box):
                    met |= {face.track, other.track}
        return met


def likeness(vectors: Array, picture: Array, looks: int) -> tuple[float, float]:
    """The least cosine to a picture of so many looks in a row, pooled, and of a single one; -inf for too few looks."""
    if len(vectors) < looks:
        return -np.inf, -np.inf
    sums = np.lib.stride_tricks.sliding_window_view(vectors, looks, 0).sum(-1)
    pooled = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    return float((pooled @ picture).min()), float((vectors @ picture).min())


def consented(regions: RegionSet, first_frame: int, spared: Iterable[Spared]) -> frozenset[Place]:
    """The regions of a chunk that stay visible: of spared tracks, between their first and last look.

    Not where the tracker has lost the face, and not in frames that are masked whole.
    """
    spans = {one.track: (one.first - first_frame, one.last - first_frame) for one in spared}
    return frozenset(
        (i, region.track)
        for i, frame in enumerate(regions.frames) if i not in regions.failed
        for region in frame
        if region.kind == "face" and region.source != "coasting" and region.track in spans
        and spans[region.track][0] <= i <= spans[region.track][1]
    )
