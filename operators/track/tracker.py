"""The tracking operator: boxes of every frame from detections in some, forwards and backwards in time.

`step` is pure. The state it returns is that at the end of `decoded`; what the next chunk shows only fills `decoded`.
Two of a kind that meet part under new ids (`doubt.py`): no track shows two people. Not done here: padding of boxes,
detection, recognising who left and came back later than a track coasts.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2

from operators.track.fill import Timeline, fill
from operators.track.forward import Found, Origin, Pass, Place, TrackerState, coast_frames, forward
from operators.track.geometry import Box
from operators.track.kalman import Filter
from operators.track.settings import TrackSettings
from schemas.errors import UsageError
from schemas.frames import DecodedChunk, FrameChunk
from schemas.regions import PartlySeen, Region, RegionSet


@dataclass(frozen=True, slots=True)
class _Kept:
    """A camera's last pass, with what it was made of."""

    state: TrackerState
    chunk: FrameChunk
    found: Found
    cuts: frozenset[int]
    made: Pass

    def holds(self, state: TrackerState, chunk: FrameChunk, found: Found, cuts: frozenset[int]) -> bool:
        """Whether the same input would make the same pass."""
        return self.chunk is chunk and self.found is found and self.cuts == cuts and self.state == state


class Tracker:
    """Carries regions between detections, through occlusion, and back to before an object was first found."""

    name = "track"

    def __init__(self, settings: TrackSettings | None = None) -> None:
        self.settings = settings or TrackSettings()
        self._kept: dict[str, _Kept] = {}
        cv2.setNumThreads(1)

    def initial(self, key: str) -> TrackerState:
        """No tracks; the first gets id 1."""
        return TrackerState()

    def step(
        self,
        state: TrackerState,
        decoded: DecodedChunk,
        found: Found,
        next_decoded: DecodedChunk | None = None,
        next_found: Found | None = None,
        cuts: frozenset[int] = frozenset(),
    ) -> tuple[TrackerState, RegionSet]:
        """Track one chunk.

        `found` and `next_found`: frame index in the chunk -> detections (of one kind, or one per kind); None where a
        detector failed; no entry where nobody looked; who lies outside the windows of a look at some is just followed.
        `cuts`: frames where a scene begins; from `len(frames)` on they count into the next chunk. A next chunk of
        another size begins a new scene.

        Raises:
            UsageError: an index of `found` or `next_found` is not a frame of its chunk.

        """
        count = len(decoded.frames)
        _check(found, count)
        own = frozenset(i for i in cuts if i < count)
        here = self._pass(state, decoded, found, own)
        frames, ahead, all_cuts = list(decoded.frames), None, set(cuts)
        if next_decoded is not None and next_found is not None and count:
            _check(next_found, len(next_decoded.frames))
            if _size(next_decoded) == _size(decoded):
                later = frozenset(i - count for i in cuts if i >= count)
                ahead = self._pass(here.state, next_decoded, next_found, later)
                frames += next_decoded.frames
        line = Timeline(frames, count, sorted(all_cuts), here.seconds, _size(decoded))
        regions = self._regions(state, here, ahead, line)
        first = min(next_found or (), default=0)
        vouched = not next_found or (next_found[first] is not None and not (ahead and first in ahead.crowded))
        failed = failed_frames(count, found, here.crowded, coast_frames(self.settings, here.seconds), vouched=vouched)
        chunk = decoded.chunk
        return here.state, RegionSet(chunk.camera_id, chunk.video_id, chunk.chunk_seq, regions, failed, own)

    def _pass(self, state: TrackerState, decoded: DecodedChunk, found: Found, cuts: frozenset[int]) -> Pass:
        """The pass over a chunk: the one made when it was looked ahead to, where that began from the same state."""
        kept = self._kept.get(decoded.chunk.camera_id)
        if kept is None or not kept.holds(state, decoded.chunk, found, cuts):
            made = forward(state, decoded, found, cuts, self.settings)
            kept = self._kept[decoded.chunk.camera_id] = _Kept(state, decoded.chunk, found, cuts, made)
        return kept.made

    def _regions(
        self, state: TrackerState, here: Pass, ahead: Pass | None, line: Timeline
    ) -> tuple[tuple[Region, ...], ...]:
        places: dict[int, dict[int, Place]] = {track: dict(at) for track, at in here.places.items()}
        kinds = {track: last.kind for track, last in here.kinds.items()}
        sources = {track: (origin.frame, origin.box) for track, origin in here.renamed.items()}
        if ahead is not None:
            for track, at in ahead.places.items():
                places.setdefault(track, {}).update((line.count + i, place) for i, place in at.items())
            kinds |= {track: last.kind for track, last in ahead.kinds.items()}
            sources |= {track: _last_seen(origin, here, line.count) for track, origin in ahead.renamed.items()}
        sources |= {track.id: (-1, Filter(track.mean, track.covariance).box) for track in state.tracks}
        rows: list[list[Region]] = [[] for _ in range(line.count)]
        for track in sorted(places):
            others: dict[int, list[Box]] = {}
            for other in [t for t in places if t != track and kinds[t] == kinds[track] and track not in sources]:
                for i, place in places[other].items():
                    if place.detected:
                        others.setdefault(i, []).append(place.box)
            filled = fill(track, kinds[track], places[track], sources.get(track), line, others, self.settings)
            for i, region in filled.items():
                rows[i].append(region)
        return tuple(tuple(row) for row in rows)


def _last_seen(origin: Origin, here: Pass, count: int) -> tuple[int, Box]:
    """Frame, counted on from this chunk's first, and box of the last sight before a track of the next chunk's pass."""
    if origin.frame >= 0:
        return count + origin.frame, origin.box
    seen = {i: place.box for i, place in here.places.get(origin.track, {}).items() if place.detected}
    return (max(seen), seen[max(seen)]) if seen else (count - 1, origin.box)


def failed_frames(
    count: int, found: Found, crowded: set[int], longest: int, *, vouched: bool = True
) -> frozenset[int]:
    """Frames that nothing vouches for: failed or crowded examinations with those around them that none saw whole.

    An unexamined frame counts on the examinations on both its sides, so a failed one takes it along; so does a run of
    more than `longest` frames that nobody looked at, and a chunk without any examination. `vouched`: the first
    examination after the chunk didn't fail.
    """
    good = [i for i in sorted(found) if not (found[i] is None or isinstance(found[i], PartlySeen) or i in crowded)]
    bad = {i for i in found if found[i] is None} | crowded
    out: set[int] = set()
    edges = [-1, *good, count]
    for low, high in zip(edges, edges[1:], strict=False):
        gap = range(low + 1, high)
        if len(gap) > longest or bad.intersection(gap) or not good or (high == count and not vouched):
            out.update(gap)
    return frozenset(out)


def _size(decoded: DecodedChunk) -> tuple[int, int]:
    return decoded.chunk.format.width, decoded.chunk.format.height


def _check(found: Found, count: int) -> None:
    wrong = [i for i in found if not 0 <= i < count]
    if wrong:
        raise UsageError(f"frame {wrong[0]} was examined, but the chunk has {count} frames")
