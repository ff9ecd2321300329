"""Where people walk: smooth paths across a frame, drawn from a seed until everybody is seen well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
OUTINGS = 2
DRAWS = 60
CLEAR_SHARE = 0.18


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """One outing of person `place`: from frame `start` on, middle (x, y) and width `size` of the face, each (n,)."""

    place: int
    start: int
    x: Floats
    y: Floats
    size: Floats

    def at(self, frame: int) -> tuple[float, float, float] | None:
        """Middle and width of the face, or None while the person is away."""
        i = frame - self.start
        return (float(self.x[i]), float(self.y[i]), float(self.size[i])) if 0 <= i < len(self.x) else None

    @property
    def depth(self) -> float:
        """Larger is nearer."""
        return float(self.size.mean())


def walks(
    rng: np.random.Generator, people: int, frames: int, width: int, height: int, face_width: tuple[float, float]
) -> tuple[Walk, ...]:
    """Outings of all, far to near; of up to 60 draws the first, or else the best, in which nobody is long hidden."""
    best: tuple[Walk, ...] = ()
    most = -1
    for _ in range(DRAWS):
        drawn = [walk for place in range(people) for walk in _outings(rng, place, frames, width, height, face_width)]
        drawn.sort(key=lambda walk: walk.depth)
        least = min(clear_frames(drawn, people, frames, width))
        if least > most:
            best, most = tuple(drawn), least
        if most >= CLEAR_SHARE * frames:
            break
    return best


def clear_frames(drawn: Sequence[Walk], people: int, frames: int, width: int) -> list[int]:
    """For each person, in how many frames the face is inside and no one nearer stands over it."""
    x = np.full((len(drawn), frames), np.nan)
    size = np.zeros((len(drawn), frames))
    for row, walk in enumerate(drawn):
        x[row, walk.start : walk.start + len(walk.x)] = walk.x
        size[row, walk.start : walk.start + len(walk.x)] = walk.size
    counts = [0] * people
    for row, walk in enumerate(drawn):
        clear = (x[row] > size[row] / 2) & (x[row] < width - size[row] / 2)
        for near in range(row + 1, len(drawn)):
            clear &= ~(np.abs(x[row] - x[near]) < size[row] / 2 + 0.85 * size[near])
        counts[walk.place] += int(clear.sum())
    return counts


def _outings(
    rng: np.random.Generator, place: int, frames: int, width: int, height: int, face_width: tuple[float, float]
) -> Iterator[Walk]:
    """Outings with a time away before, between and after. Places 0 and 1 mirror each other; later pairs start later."""
    pair, side = divmod(place, 2)
    span = frames / OUTINGS
    late = (0.04 + 0.13 * (pair % 3)) * span
    for outing in range(OUTINGS):
        start = int(outing * span + late + rng.uniform(0, 0.05) * span)
        count = int(min((outing + 1) * span - 0.06 * span, start + 0.88 * span)) - start
        time = np.linspace(0.0, 1.0, count)
        first = rng.uniform(*face_width)
        last = float(np.clip(first * rng.uniform(0.8, 1.25), *face_width))
        size = first + (last - first) * time
        dwell = rng.uniform(-0.3, 0.7)
        way = time + dwell * np.sin(2 * np.pi * time) / (2 * np.pi)
        if pair and rng.random() < 0.4:
            way = rng.uniform(0.45, 0.7) * np.sin(np.pi * time)
        margin = 1.6 * max(first, last)
        x = -margin + (width + 2 * margin) * way
        steps = rng.uniform(1.4, 2.2) * count
        bob = 0.03 * size * np.sin(2 * np.pi * (time * steps / 14 + rng.random()))
        drift = rng.uniform(-0.05, 0.05) * height * np.sin(np.pi * time + rng.uniform(0, 3))
        y = rng.uniform(0.40, 0.46 if pair == 0 else 0.52) * height + drift + bob
        if (side + outing + pair) % 2:
            x = width - x
        yield Walk(place, start, x, y, size)
