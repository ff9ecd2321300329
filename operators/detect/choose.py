"""Of what is found, what is to be hidden: by kind and by height."""

from __future__ import annotations

from collections.abc import Set

from operators.detect.face import frozen
from schemas.regions import Detections, boxes

Seen = Detections | tuple[Detections, ...]


def choose(found: Seen, kinds: Set[str] | None, smallest: float) -> tuple[Detections, ...]:
    """Without other kinds (None: all are meant), and without what is less than `smallest` pixels high."""
    each = (found,) if isinstance(found, Detections) else found
    return tuple(_tall(one, smallest) for one in each if kinds is None or one.kind in kinds)


def _tall(found: Detections, smallest: float) -> Detections:
    tall = found.boxes[:, 3] - found.boxes[:, 1] >= smallest
    if tall.all():
        return found
    return Detections(found.kind, boxes(found.boxes[tall]), frozen(found.scores[tall]), frozen(found.landmarks[tall]))
