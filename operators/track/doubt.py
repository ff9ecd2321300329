"""Two objects of a kind that meet: which is which afterwards can't be told by where they are.

From the meeting until they part, both tracks are in doubt. Who parts gets a new id, so that no track shows two people:
precision before recall, for one authority's request must not bring another person's picture. So does whose detection is
one of two where one was. Only whose colours tell it from all others keeps its id, and nobody does who is of another
size or of other colours than before. An authority joins the parts again by what the faces look like.

Measured by `sealframe eval tracks`: none of 185 tracks of 12 generated videos of five crossing people shows two.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from itertools import combinations

from operators.track import appearance
from operators.track.associate import Sight, affinity
from operators.track.geometry import covered, cut
from operators.track.kalman import Filter
from operators.track.settings import TrackSettings
from schemas.state import TrackState


def meeting(
    tracks: Sequence[TrackState], seen: Sequence[Sight], pairs: Mapping[int, int], unseen: Set[int],
    settings: TrackSettings,
) -> set[int]:  # fmt: skip
    """Indices of tracks that touch another one of their kind, or whose detection may as well be another's.

    One that began with an unsure detection doesn't count until it is confirmed: it may be nobody. Those `unseen`,
    which nobody looked for, miss no detection.
    """
    boxes = [seen[pairs[k]].box if k in pairs else Filter(t.mean, t.covariance).box for k, t in enumerate(tracks)]
    met: set[int] = set()
    real = [k for k, track in enumerate(tracks) if track.hits or k in pairs]
    for a, b in combinations(real, 2):
        if tracks[a].kind == tracks[b].kind and (
            covered(boxes[a], boxes[b]) >= settings.meet
            or (not unseen & {a, b} and _exchangeable(tracks, seen, pairs, a, b, settings))
        ):
            met |= {a, b}
    return met


def _exchangeable(
    tracks: Sequence[TrackState], seen: Sequence[Sight], pairs: Mapping[int, int], a: int, b: int,
    settings: TrackSettings,
) -> bool:  # fmt: skip
    """The detections of two tracks fit the other way round nearly as well; one without any may take the other's."""
    here = there = 0.0
    for one, other in ((a, b), (b, a)):
        if one in pairs:
            other_way = affinity(tracks[other], seen[pairs[one]], settings)
            if other_way is None:
                return False
            here += affinity(tracks[one], seen[pairs[one]], settings) or 0.0
            there += other_way
    return bool(here) and there >= here - settings.margin


def split(track: TrackState, sight: Sight, fresh: Sequence[Sight], settings: TrackSettings) -> bool:
    """Another detection that no track explains fits this track nearly as well as its own: one of the two was hidden."""
    here = affinity(track, sight, settings) or 0.0
    values = [affinity(track, other, settings) for other in fresh]
    return any(value is not None and value >= here - settings.margin for value in values)


def other_colours(track: TrackState, colours: bytes, settings: TrackSettings) -> bool:
    """What lies where the track should be hasn't its colours."""
    return appearance.similarity(track.histogram, colours) < settings.own_colours


def other_size(track: TrackState, sight: Sight, size: tuple[int, int], settings: TrackSettings) -> bool:
    """The detection is so much larger or smaller than the track that it is another's.

    Where the picture's edge cuts one side of either, the other side is compared; a corner says nothing.
    """
    now, box = Filter(track.mean, track.covariance).box, sight.box
    ratios = [
        (box[k + 2] - box[k]) / (now[k + 2] - now[k])
        for k, by_edge in enumerate(zip(cut(now, size), cut(box, size), strict=True)) if not any(by_edge)
    ]  # fmt: skip
    ratio = math.prod(ratios) ** (2 / max(len(ratios), 1))
    return not 1 / settings.resize <= ratio <= settings.resize


def known_by_colour(track: TrackState, sight: Sight, others: Sequence[bytes], settings: TrackSettings) -> bool:
    """The detection has this track's colours, and nobody else's."""
    if not others or not track.histogram:
        return False
    best = max(appearance.similarity(other, sight.colours) for other in others)
    return appearance.similarity(track.histogram, sight.colours) >= best + settings.tell_apart
