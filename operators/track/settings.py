"""Numbers that steer the tracker."""

from __future__ import annotations

from dataclasses import dataclass

from operators.track.geometry import Box
from schemas.regions import ObjectKind

SMALL = 64.0
"""Pixels of height up to which a face is small."""


@dataclass(frozen=True, slots=True)
class TrackSettings:
    """Times in seconds, overlaps as IoU, growth as a share of the box's side per frame, similarity 0 to 1.

    `start_score`, `small_start_score`, `plate_start_score`: a detection from here on starts a track; lower ones down to
    `keep_score` only continue one. Small faces score lower, and hide little where they are none. `hidden_score`: from
    here on a track starts beside a sure detection, unless that covers more than `hidden_share` of it; until one of such
    a score confirms it, it lasts `hidden_s` forwards and backwards. `faint_score`: from here on where that other one
    covers `faint_share` of it, is at most `faint_size` times larger or smaller, and no more than `faint_off` of its
    height above or below: somebody's ear and cheek behind another head score so little.
    `coast_s`: how long a track outlives its last detection; `back_s`: how far a track is filled in before its first.
    `shared_iou`, `shared_s`: going backwards, a track that lies this long on what another one was detected at is that
    other one, and ends there. `meet`: share of the smaller of two boxes from which they touch; `margin`: so much better
    must detections fit than the other way round; `tell_apart`: so much more alike must the colours be; `own_colours`:
    a detection whose colours are less alike is another object's. `resize`: so is one so many times larger or smaller;
    `unsure`: how much better a weak one must fit.
    `motion`: boxes move on as they were moving; without, they stay where they were last seen (to measure by).
    """

    start_score: float = 0.5
    small_start_score: float = 0.45
    plate_start_score: float = 0.42
    keep_score: float = 0.2
    hidden_score: float = 0.25
    hidden_share: float = 0.7
    hidden_s: float = 0.2
    faint_score: float = 0.2
    faint_share: float = 0.1
    faint_size: float = 1.5
    faint_off: float = 0.3
    coast_s: float = 1.0
    back_s: float = 1.0
    match_iou: float = 0.2
    merge_iou: float = 0.6
    same_iou: float = 0.8
    growth: float = 0.0075
    max_growth: float = 0.15
    shared_iou: float = 0.5
    shared_s: float = 0.3
    unsure: float = 0.3
    meet: float = 0.1
    margin: float = 0.4
    tell_apart: float = 0.25
    own_colours: float = 0.4
    resize: float = 2.0
    min_similarity: float = 0.1
    follow_similarity: float = 0.4
    learn: float = 0.2
    max_tracks: int = 200
    motion: bool = True

    def start(self, kind: ObjectKind, box: Box) -> float:
        """The score from which a detection of this kind and size starts a track."""
        if kind == "plate":
            return self.plate_start_score
        return self.small_start_score if box[3] - box[1] <= SMALL else self.start_score
