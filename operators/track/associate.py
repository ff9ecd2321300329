"""Which detection belongs to which track.

Two thresholds as in Zhang et al., "ByteTrack: Multi-Object Tracking by Associating Every Detection Box" (2022): unsure
detections only continue tracks, and must fit better than sure ones; but one beside a sure one is taken for somebody
half hidden behind it, and starts a track. A pair must overlap, or lie within what the Kalman
filter holds possible; of the possible pairs the best (overlap, nearness, colours) is taken first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from operators.track import appearance
from operators.track.geometry import Box, area, iou, shared
from operators.track.kalman import Filter
from operators.track.settings import TrackSettings
from schemas.frames import Planes
from schemas.regions import Detections, ObjectKind
from schemas.state import TrackState

REACH = 0.5
SIGMAS = 2.5
MAX_SIGMAS = 1.5
FARTHEST = REACH + MAX_SIGMAS
MAX_RATIO = 2.5


@dataclass(frozen=True, slots=True)
class Sight:
    """One detection, ready to be compared."""

    kind: ObjectKind
    box: Box
    score: float
    colours: bytes
    landmarks: tuple[float, ...] = ()


def sights(found: Detections, planes: Planes, settings: TrackSettings) -> list[Sight]:
    """The detections worth a look, best first, without doubles."""
    out: list[Sight] = []
    for i in np.argsort(-found.scores, kind="stable"):
        if not found.scores[i] >= settings.keep_score:
            continue
        x1, y1, x2, y2 = found.boxes[i].tolist()
        box = (x1, y1, x2, y2)
        if any(iou(box, other.box) >= settings.same_iou for other in out):
            continue
        marks = found.landmarks[i].ravel() if i < len(found.landmarks) else np.empty(0)
        known = tuple(marks.tolist()) if marks.size and np.isfinite(marks).all() else ()
        out.append(Sight(found.kind, box, float(found.scores[i]), appearance.histogram(planes, box), known))
    return out


def associate(
    tracks: Sequence[TrackState], seen: Sequence[Sight], settings: TrackSettings
) -> tuple[dict[int, int], list[int]]:
    """Pairs track index -> sight index, and the sights that start a track, sure ones first."""
    ranked = []
    for i, j in _near(tracks, seen):
        value, sight = affinity(tracks[i], seen[j], settings), seen[j]
        if value is not None:
            ranked.append((settings.unsure * (sight.score < settings.start(sight.kind, sight.box)) - value, i, j))
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for _, i, j in sorted(ranked):
        if i not in pairs and j not in taken:
            pairs[i] = j
            taken.add(j)
    sure = [j for j, sight in enumerate(seen) if sight.score >= settings.start(sight.kind, sight.box)]
    known = [seen[j] for j in sorted(taken.union(sure))]
    hidden = [j for j in range(len(seen)) if j not in taken and j not in sure and half_hidden(seen[j], known, settings)]
    return pairs, [j for j in sure if j not in taken] + hidden


def _near(tracks: Sequence[TrackState], seen: Sequence[Sight]) -> list[tuple[int, int]]:
    """Pairs that may be one object by where they are; most of a crowd's aren't."""
    if not tracks or not seen:
        return []
    means, places = np.array([track.mean[:4] for track in tracks]), np.array([sight.box for sight in seen])
    sizes = (means[:, None, 2:] + (places[:, 2:] - places[:, :2])) / 2
    apart = np.abs((places[:, :2] + places[:, 2:]) / 2 - means[:, None, :2])
    near = (apart <= FARTHEST * sizes).all(2)
    return [(i, j) for i, j in np.argwhere(near).tolist()]


def half_hidden(sight: Sight, known: Sequence[Sight], settings: TrackSettings) -> bool:
    """An unsure detection that touches one of those known, is about as large, and lies in none of them for the most.

    A faint one must lie behind it: partly covered, as high up, and closer in size.
    """
    if sight.score < settings.faint_score:
        return False
    mine = area(sight.box)
    beside = [one for one in known if one.kind == sight.kind and shared(sight.box, one.box) > 0]
    if any(shared(sight.box, one.box) > settings.hidden_share * mine for one in beside):
        return False
    if sight.score >= settings.hidden_score:
        return any(_sized_alike(sight.box, one.box, settings.resize**2) for one in beside)
    return any(_behind(sight.box, one.box, settings) for one in beside)


def _sized_alike(one: Box, other: Box, most: float) -> bool:
    return 1 / most <= area(one) / area(other) <= most


def _behind(hidden: Box, other: Box, settings: TrackSettings) -> bool:
    off = abs(other[1] + other[3] - hidden[1] - hidden[3]) / 2
    level = off <= settings.faint_off * (hidden[3] - hidden[1])
    covered = shared(hidden, other) >= settings.faint_share * area(hidden)
    return level and covered and _sized_alike(hidden, other, settings.faint_size)


def affinity(track: TrackState, sight: Sight, settings: TrackSettings) -> float | None:
    """How well a detection fits a track, about 0 to 2; None: not the same object."""
    if track.kind != sight.kind:
        return None
    cx, cy, w, h = track.mean[:4]
    width, height = sight.box[2] - sight.box[0], sight.box[3] - sight.box[1]
    across = abs((sight.box[0] + sight.box[2]) / 2 - cx)
    down = abs((sight.box[1] + sight.box[3]) / 2 - cy)
    mean_w, mean_h = (w + width) / 2, (h + height) / 2
    distance = max(across / mean_w, down / mean_h)
    if distance > FARTHEST:
        return None  # as most pairs of a crowd: neither overlap nor reach is that long
    now = Filter(track.mean, track.covariance)
    overlap = iou(now.box, sight.box)
    if overlap < settings.match_iou:
        reach_x = REACH * mean_w + min(SIGMAS * now.sigma[0], MAX_SIGMAS * mean_w)
        reach_y = REACH * mean_h + min(SIGMAS * now.sigma[1], MAX_SIGMAS * mean_h)
        sizes = (width * height) / max(w * h, 1.0)
        if across > reach_x or down > reach_y or not MAX_RATIO**-2 <= sizes <= MAX_RATIO**2:
            return None
    alike = appearance.similarity(track.histogram, sight.colours)
    if alike < settings.min_similarity:
        return None
    return overlap + 0.5 * alike + 0.5 * max(0.0, 1.0 - distance)
