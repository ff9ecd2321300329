"""Once through a chunk in the order of time: predict, follow, associate.

The pass over a chunk depends on the state and that chunk alone, so that the look-ahead into a chunk gives its tracks
the same ids as the step over that chunk will.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace

import numpy as np

from operators.track import appearance, kalman
from operators.track.associate import Sight, associate, sights
from operators.track.doubt import known_by_colour, meeting, other_colours, other_size, split
from operators.track.geometry import Box, clip, iou
from operators.track.kalman import Filter
from operators.track.settings import TrackSettings
from schemas.frames import DecodedChunk, Planes
from schemas.regions import Array, Detections, PartlySeen, Seen
from schemas.state import TrackState

Found = Mapping[int, Detections | Seen | None]
FOLLOWED_PLACE, FOLLOWED_SIZE = 4.0, 12.0
MAX_GAP_S = 2.0
DEFAULT_SECONDS = 0.04
MIN_COAST = 5


@dataclass(frozen=True, slots=True)
class TrackerState:
    """The tracks of one camera at the end of a chunk, and the id that the next new one gets."""

    next_track: int = 1
    tracks: tuple[TrackState, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a track is in one frame, not cut at the picture's edge. `lost`: an examination since missed it."""

    box: Box
    score: float
    detected: bool
    lost: bool
    misses: int
    landmarks: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Origin:
    """Whom a renamed track was known as, and where that one was last: a frame (-1: before the chunk) and a box."""

    track: int
    frame: int
    box: Box


@dataclass(slots=True)
class Pass:
    """What one pass found: per track its places by frame; `crowded` are frames with more objects than tracks.

    `renamed`: tracks that go on from where another was.
    """

    seconds: float
    state: TrackerState
    places: dict[int, dict[int, Place]] = field(default_factory=dict)
    kinds: dict[int, TrackState] = field(default_factory=dict)
    crowded: set[int] = field(default_factory=set)
    renamed: dict[int, Origin] = field(default_factory=dict)


def frame_seconds(decoded: DecodedChunk) -> float:
    """Mean time between frames of a chunk; 0.04 s where its times say nothing."""
    count = len(decoded.frames)
    if not count:
        return DEFAULT_SECONDS
    ticks = decoded.chunk.end_pts - decoded.frames[0].pts
    seconds = float(ticks * decoded.chunk.format.time_base) / count
    return min(max(seconds, 1e-3), 1.0) if seconds > 0 else DEFAULT_SECONDS


def coast_frames(settings: TrackSettings, seconds: float) -> int:
    """How many frames a track outlives its last detection; also the longest run that nobody needs to look at."""
    return max(MIN_COAST, round(settings.coast_s / seconds))


def brief_frames(settings: TrackSettings, seconds: float) -> int:
    """How many frames a track that began with an unsure detection lasts beyond it, unless it is confirmed."""
    return max(MIN_COAST, round(settings.hidden_s / seconds))


def forward(
    state: TrackerState, decoded: DecodedChunk, found: Found, cuts: frozenset[int], settings: TrackSettings
) -> Pass:
    """The pass over one chunk; `cuts` end all tracks before their frame."""
    run = _Run(state, decoded, settings)
    for i, frame in enumerate(decoded.frames):
        if i in cuts:
            run.tracks = []
        run.advance(1 + (run.gap if i == 0 else 0))
        results = found.get(i)
        if results is None:
            run.follow(frame.planes, range(len(run.tracks)))
        else:
            run.examine(i, frame.planes, (results,) if isinstance(results, Detections) else results)
        run.record(i)
    run.out.state = TrackerState(run.next_track, tuple(_rounded(track) for track in run.tracks))
    return run.out


class _Run:
    """The tracks while a pass runs."""

    def __init__(self, state: TrackerState, decoded: DecodedChunk, settings: TrackSettings) -> None:
        self.settings = settings
        self.seconds = frame_seconds(decoded)
        self.out = Pass(self.seconds, state)
        self.tracks = list(state.tracks)
        self.next_track = state.next_track
        self.lost = {track.id for track in state.tracks if track.misses}
        self.before = {track.id: Filter(track.mean, track.covariance).box for track in state.tracks}
        self.seen: dict[int, Sight] = {}
        self.coast = coast_frames(settings, self.seconds)
        self.brief = brief_frames(settings, self.seconds)
        self.gap = min(decoded.chunk.gaps, round(MAX_GAP_S / self.seconds))
        self.size = decoded.chunk.format.width, decoded.chunk.format.height

    def advance(self, frames: int) -> None:
        """Predict all tracks; end those that nothing has confirmed for too long or that have left the picture."""
        self.seen = {}
        moved = []
        for track in self.tracks:
            now = kalman.predict(
                kalman.at_rest(Filter(track.mean, track.covariance), self.settings.motion), frames, self.seconds
            )
            misses = track.misses + frames
            if misses <= (self.coast if track.hits else self.brief) and clip(now.box, *self.size) is not None:
                moved.append(_at(track, now, misses=misses))
        self.tracks = moved

    def follow(self, planes: Planes, which: range | list[int]) -> None:
        """CamShift for these tracks, where their colours hold."""
        for k in which:
            track = self.tracks[k]
            now = Filter(track.mean, track.covariance)
            box = appearance.follow(planes, now.box, track.histogram)
            if box is None or _alike(planes, box, track.histogram) < self.settings.follow_similarity:
                continue
            self.tracks[k] = _at(track, kalman.update(now, box, FOLLOWED_PLACE, FOLLOWED_SIZE))

    def examine(self, i: int, planes: Planes, look: Seen) -> None:
        """Take in what the detectors found in a frame; who lies outside the windows of a look is just followed."""
        results = look.found if isinstance(look, PartlySeen) else look
        seen = [sight for result in results for sight in sights(result, planes, self.settings)]
        pairs, fresh = associate(self.tracks, seen, self.settings)
        kinds = {result.kind for result in results}
        missed = [k for k, track in enumerate(self.tracks) if k not in pairs]
        unseen = {k for k in missed if isinstance(look, PartlySeen) and not self._inside(self.tracks[k], look.windows)}
        self.follow(planes, missed)
        kept = {self.tracks[k].id for k in unseen}
        self.lost |= {self.tracks[k].id for k in missed if k not in unseen and self.tracks[k].kind in kinds}
        self._doubt(seen, pairs, [seen[j] for j in fresh], unseen)
        for k, j in pairs.items():
            self._confirm(k, seen[j])
        for j in fresh:
            if len(self.tracks) >= self.settings.max_tracks:
                self.out.crowded.add(i)
                break
            self._start(seen[j])
        self._merge(kept)

    def record(self, i: int) -> None:
        """Note where the tracks are in this frame."""
        for track in self.tracks:
            sight = self.seen.get(track.id)
            box = sight.box if sight else Filter(track.mean, track.covariance).box
            place = Place(
                box, track.score, sight is not None, track.id in self.lost, track.misses,
                sight.landmarks if sight else (),
            )  # fmt: skip
            self.out.places.setdefault(track.id, {})[i] = place
            self.out.kinds[track.id] = track

    def _confirm(self, k: int, sight: Sight) -> None:
        track = self.tracks[k]
        now = kalman.update(Filter(track.mean, track.covariance), sight.box)
        confirms = track.hits > 0 or sight.score >= self.settings.hidden_score
        self.tracks[k] = _at(
            track, now, misses=0, hits=track.hits + confirms, score=sight.score, landmarks=sight.landmarks,
            histogram=appearance.blend(track.histogram, sight.colours, 0 if track.doubt else self.settings.learn),
        )  # fmt: skip
        self.seen[track.id] = sight
        self.lost.discard(track.id)

    def _inside(self, track: TrackState, windows: Array) -> bool:
        """Whether a detector would have seen all that is in the picture of where the track should be."""
        box = clip(Filter(track.mean, track.covariance).box, *self.size)
        if box is None:
            return False
        within = (windows[:, :2] <= np.array(box[:2])).all(1) & (windows[:, 2:] >= np.array(box[2:])).all(1)
        return bool(within.any())

    def _doubt(self, seen: list[Sight], pairs: dict[int, int], fresh: list[Sight], unseen: Set[int]) -> None:
        """Say who is in doubt; who stands alone again, comes back, or may be another one now, gets a new id."""
        met = meeting(self.tracks, seen, pairs, unseen, self.settings)
        self.tracks = [replace(track, doubt=True) if k in met else track for k, track in enumerate(self.tracks)]
        for k, j in pairs.items():
            track, sight = self.tracks[k], seen[j]
            other = other_size(track, sight, self.size, self.settings)
            other = other or other_colours(track, sight.colours, self.settings)
            apart = track.doubt and (k not in met or track.id in self.lost)
            apart = apart or split(track, sight, fresh, self.settings)
            if other or (apart and not self._known(track, sight, fresh)):
                self._part(k, sight, doubt=k in met)
            elif apart:
                self.tracks[k] = replace(track, doubt=k in met)

    def _known(self, track: TrackState, sight: Sight, fresh: list[Sight]) -> bool:
        """Whether its colours say who it is."""
        others = [one.histogram for one in self.tracks if one.id != track.id and one.kind == track.kind]
        others += [one.colours for one in fresh if one.kind == track.kind]
        return known_by_colour(track, sight, others, self.settings)

    def _part(self, k: int, sight: Sight, *, doubt: bool) -> None:
        """Give it a new id, under which it goes on from where it was."""
        track = self.tracks[k]
        seen = [(i, place.box) for i, place in self.out.places.get(track.id, {}).items() if place.detected]
        self.out.renamed[self.next_track] = Origin(track.id, *(seen[-1] if seen else (-1, self.before[track.id])))
        self.tracks[k] = replace(track, id=self.next_track, doubt=doubt, histogram=sight.colours, hits=0)
        self.next_track += 1

    def _start(self, sight: Sight) -> None:
        first = kalman.start(sight.box, self.seconds)
        self.tracks.append(
            TrackState(
                self.next_track, sight.kind, first.mean, first.covariance, sight.colours, sight.score,
                int(sight.score >= self.settings.start(sight.kind, sight.box)), 0, sight.landmarks,
            )  # fmt: skip
        )
        self.seen[self.next_track] = sight
        self.next_track += 1

    def _merge(self, kept: Set[int]) -> None:
        """A track that began on an object after an older one lost it goes on under the older one's id.

        Unless it is one of those `kept`, which nobody looked for.
        """
        for old in [track for track in self.tracks if track.misses and track.id not in kept]:
            box = Filter(old.mean, old.covariance).box
            for new in self.tracks:
                if old.doubt or new.id <= old.id or new.kind != old.kind or new.misses or new.hits > old.misses:
                    continue
                if iou(box, Filter(new.mean, new.covariance).box) < self.settings.merge_iou:
                    continue
                if other_colours(old, new.histogram, self.settings):
                    continue
                merged = replace(new, id=old.id, hits=old.hits + new.hits)
                self.tracks = [merged if t.id == old.id else t for t in self.tracks if t.id != new.id]
                self.seen[old.id] = self.seen.pop(new.id)
                self.lost.discard(old.id)
                self.out.places.setdefault(old.id, {}).update(self.out.places.pop(new.id, {}))
                break


def _at(track: TrackState, now: Filter, **changes: object) -> TrackState:
    return replace(track, mean=now.mean, covariance=now.covariance, **changes)  # type: ignore[arg-type]


def _alike(planes: Planes, box: Box, colours: bytes) -> float:
    return appearance.similarity(appearance.histogram(planes, box), colours)


def _rounded(track: TrackState) -> TrackState:
    """In float32, as it is stored: a step after a restart must compute with the very same numbers."""
    return replace(track, mean=floats(track.mean), covariance=floats(track.covariance), score=floats((track.score,))[0])


def floats(values: tuple[float, ...]) -> tuple[float, ...]:
    """Rounded to what a 32-bit float holds."""
    return tuple(np.array(values, np.float32).tolist())
