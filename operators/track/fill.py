"""Regions of a track in every frame, once it is known where it goes: the pass backwards in time.

Frames before the first detection are filled by running filter and CamShift backwards; between two detections the
straight line and the forward guess are both covered ("unsure means masked"): of 1,033 faces in six clips, examined in
every 5th frame and not padded, the line alone leaves 198 bare by more than a tenth, both leave 88, for 9 % more area.
Boxes grow while nothing confirms them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from operators.track import appearance, kalman
from operators.track.forward import FOLLOWED_PLACE, FOLLOWED_SIZE, Place, brief_frames, floats
from operators.track.geometry import Box, along_edge, between, clip, grow, iou, union
from operators.track.kalman import Filter
from operators.track.settings import TrackSettings
from schemas.frames import RawFrame
from schemas.regions import ObjectKind, Region, RegionSource

MISMATCHES = 3


@dataclass(frozen=True, slots=True)
class Timeline:
    """The frames of a chunk (`count` of them) and of the next one after it; `cuts` ascending."""

    frames: Sequence[RawFrame]
    count: int
    cuts: Sequence[int]
    seconds: float
    size: tuple[int, int]

    def scene(self, i: int) -> int:
        """First frame of the scene of frame i."""
        at = bisect_right(self.cuts, i)
        return self.cuts[at - 1] if at else 0

    def share(self, a: int, i: int, b: int) -> float:
        """How much of the time from frame a (-1: before the chunk) to b has passed at i: frames last unevenly."""
        start, here, end = (self._at(frame) for frame in (a, i, b))
        return (here - start) / (end - start) if start < here < end else (i - a) / (b - a)

    def _at(self, i: int) -> float:
        first, last = self.frames[0].pts, self.frames[-1].pts
        return self.frames[i].pts if i >= 0 else first - (last - first) / max(1, len(self.frames) - 1)


def fill(
    track: int, kind: ObjectKind, places: dict[int, Place], source: tuple[int, Box] | None, line: Timeline,
    others: Mapping[int, Sequence[Box]], settings: TrackSettings,
) -> dict[int, Region]:  # fmt: skip
    """The regions of one track by frame of the chunk.

    `source`: where it came from, a frame (-1: before the chunk) and a box; None if it began here. `others`: by frame,
    where other tracks of its kind were detected.
    """
    known = _known(places, source, line.size)
    places = places | {i: replace(places[i], box=box) for i, box in known if i in places}
    anchors = sorted(i for i, place in places.items() if place.detected)
    out: dict[int, Region] = {}

    def put(i: int, box: Box, source: RegionSource, score: float, landmarks: tuple[float, ...] = ()) -> None:
        inside = clip(box, *line.size)
        if i < line.count and inside is not None:
            x1, y1, x2, y2 = floats(inside)
            out[i] = Region(track, kind, (x1, y1, x2, y2), floats((score,))[0], source, floats(landmarks))

    for i, place in places.items():
        if place.detected:
            put(i, place.box, "detected", place.score, place.landmarks)
        elif place.lost:
            put(i, _grown(place.box, place.misses, settings), "coasting", place.score)
        else:
            put(i, place.box, "tracked", place.score)

    for (a, box_a), (b, box_b) in zip(known, known[1:], strict=False):
        for i in range(a + 1, min(b, line.count)):
            guess = places.get(i)
            straight = between(box_a, box_b, line.share(a, i, b))
            box = straight if guess is None else union(straight, guess.box)
            put(i, box, "filled" if guess is None or guess.lost else "tracked", places[b].score)
    if source is None and anchors:
        first = anchors[0]
        for i, box in _backwards(kind, places, anchors, line, others, settings):
            put(i, _grown(box, first - i, settings), "filled", places[first].score)
    return out


def _known(
    places: Mapping[int, Place], source: tuple[int, Box] | None, size: tuple[int, int]
) -> list[tuple[int, Box]]:
    """Where the track was seen, `source` first, each box at the picture's edge as long as those just before and after.

    Of the part in view detectors make a whole face, which is too small along the edge.
    """
    seen = [] if source is None else [source]
    seen += [(i, places[i].box) for i in sorted(places) if places[i].detected]
    boxes = [box for _, box in seen]
    return [(i, along_edge(box, boxes[max(0, k - 1) : k + 2], size)) for k, (i, box) in enumerate(seen)]


def _grown(box: Box, frames: int, settings: TrackSettings) -> Box:
    return grow(box, min(settings.max_growth, settings.growth * frames))


def _backwards(
    kind: ObjectKind, places: dict[int, Place], anchors: list[int], line: Timeline,
    others: Mapping[int, Sequence[Box]], settings: TrackSettings,
) -> list[tuple[int, Box]]:  # fmt: skip
    """Boxes before the first detection, latest first.

    Until the scene's begin, the picture's edge, other colours, or a stretch on another track's detections.
    """
    first, reach = anchors[0], max(1, round(settings.back_s / line.seconds))
    if places[first].score < settings.start(kind, places[first].box):
        reach = min(reach, brief_frames(settings, line.seconds))
    if first - reach >= line.count:
        return []
    colours = appearance.histogram(line.frames[first].planes, places[first].box)
    now = _reversed(places, [i for i in anchors if i <= first + reach], line.seconds)
    out: list[tuple[int, Box]] = []
    strange, shared = 0, None
    for i in range(first - 1, max(line.scene(first), first - reach) - 1, -1):
        planes = line.frames[i].planes
        now = kalman.predict(kalman.at_rest(now, settings.motion), 1, line.seconds)
        box = appearance.follow(planes, now.box, colours)
        if box is not None and _alike(line.frames[i], box, colours) >= settings.follow_similarity:
            now = kalman.update(now, box, FOLLOWED_PLACE, FOLLOWED_SIZE)
        if clip(now.box, *line.size) is None:
            break
        alike = appearance.similarity(appearance.histogram(planes, now.box), colours)
        strange = strange + 1 if alike < settings.min_similarity else 0
        if strange >= MISMATCHES:
            break
        if i in others:
            on_other = any(iou(now.box, box) >= settings.shared_iou for box in others[i])
            shared = (i if shared is None else shared) if on_other else None
            if shared is not None and shared > i and (shared - i) * line.seconds >= settings.shared_s:
                break
        out.append((i, now.box))
    return out


def _reversed(places: dict[int, Place], anchors: list[int], seconds: float) -> Filter:
    """The filter at the first detection with time running backwards, from the detections up to `anchors[-1]`."""
    now = kalman.start(places[anchors[-1]].box, seconds)
    for later, i in zip(anchors[:0:-1], anchors[-2::-1], strict=True):
        now = kalman.update(kalman.predict(now, later - i, seconds), places[i].box)
    return now


def _alike(frame: RawFrame, box: Box, colours: bytes) -> float:
    return appearance.similarity(appearance.histogram(frame.planes, box), colours)
