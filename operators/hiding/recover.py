"""Read hidden bytes from a copy of which nobody says what happened to it.

First as it is. If that fails, the marks say how it was scaled and shifted; then tone curves and blurs are tried on a
few frames, and those kept that bring the pilots back best. What comes back whole is what was hidden: it has a checksum.
The copy has every frame, in order, at the original's size; a turn of more than a degree is not undone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from operators.hiding.carrier import Carrier, Floats, agreement, turns
from operators.hiding.marks import IDENTITY, Map, inside, is_moved, locate, straightened
from operators.hiding.payload import fits, read
from operators.hiding.tone import unblurred, untoned
from schemas.errors import DamagedEnvelope
from schemas.frames import Planes, VideoFormat

BLURS = (0.0, 0.5, 0.7, 0.9, 1.1, 1.3, 1.5, 1.75, 2.0)
POWERS = tuple(round(float(1.04**k), 4) for k in range(-7, 8))
LOOKS, FINER = 3, (0.985, 0.993, 1.007, 1.015)


@dataclass(frozen=True, slots=True, eq=False)
class Passage:
    """What happened to a copy: where its samples went, by which power its tones were bent, and how it was blurred."""

    moved: Map
    power: float = 1.0
    blur: float = 0.0

    def undone(self, planes: Planes, format: VideoFormat) -> Floats:
        """The luma before the passage."""
        if not is_moved(self.moved, planes.y.shape):
            return unblurred(untoned(planes.y, planes.u, planes.v, format, self.power), self.blur)
        y = straightened(planes.y, self.moved)
        u, v = (straightened(plane, self.moved, 2) for plane in (planes.u, planes.v))
        return unblurred(untoned(y, u, v, format, self.power), self.blur)


UNTOUCHED = Passage(IDENTITY)


def recover(frames: Sequence[Planes], format: VideoFormat, carrier: Carrier) -> tuple[bytes, Passage]:
    """The bytes hidden in the pictures of a chunk, and what had to be undone.

    Raises:
        DamagedEnvelope: nothing is hidden there, or too little of it is left.

    """
    height, width = frames[0].y.shape
    if not fits(width, height, len(frames), carrier):
        raise DamagedEnvelope("nothing is hidden in pictures as small and few as these")
    try:
        return read([planes.y for planes in frames], carrier), UNTOUCHED
    except DamagedEnvelope:
        passage = passage_of(frames, format, carrier)
    valid = inside(frames[0].y.shape, passage.moved) if is_moved(passage.moved, frames[0].y.shape) else None
    return read([passage.undone(planes, format) for planes in frames], carrier, valid), passage


def passage_of(frames: Sequence[Planes], format: VideoFormat, carrier: Carrier) -> Passage:
    """What most likely happened to the pictures."""
    moved = locate([planes.y for planes in frames])
    numbers = sorted({round(i * (len(frames) - 1) / (LOOKS - 1)) for i in range(LOOKS)})
    looks = [(number, frames[number]) for number in numbers]

    def score(power: float, blur: float) -> float:
        passage = Passage(moved, power, blur)
        back = (agreement(turns(passage.undone(planes, format), carrier, n), n) for n, planes in looks)
        return float(np.mean(list(back)))

    power = max(POWERS, key=lambda one: score(one, 0.6))
    blur = max(BLURS, key=lambda one: score(power, one))
    power = max((power, *(power * finer for finer in FINER)), key=lambda one: score(one, blur))
    return Passage(moved, power, max((blur, max(0.0, blur - 0.1), blur + 0.1), key=lambda one: score(power, one)))
