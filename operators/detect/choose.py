"""Of what is found, what is to be hidden: by kind and by height."""

from __future__ import annotations

from collections.abc import Iterable, Set

from operators.detect.face import only
from schemas.regions import Detections


def choose(found: Iterable[Detections], kinds: Set[str] | None, smallest: float) -> tuple[Detections, ...]:
    """Without other kinds (None: all are meant), and without what is less than `smallest` pixels high."""
    return tuple(_tall(one, smallest) for one in found if kinds is None or one.kind in kinds)


def _tall(found: Detections, smallest: float) -> Detections:
    tall = found.boxes[:, 3] - found.boxes[:, 1] >= smallest
    return found if tall.all() else only(found, tall)
