"""Who is to have a chunk's hidden samples: by kind, by camera, by number, by sensitivity level.

An authority is entitled to kinds, once and for all; its routes narrow that down, chunk by chunk. One without routes
gets all its kinds. What nobody gets stays with the custodian.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from schemas.errors import ConfigError
from schemas.regions import RegionSet

Level = Literal["high", "low"]


def is_named(camera_id: str, patterns: Sequence[str]) -> bool:
    """Whether one of these patterns (`*`, `?`, `[a-z]`) is the camera's."""
    return any(fnmatchcase(camera_id, pattern) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class When:
    """A condition on a kind in a chunk.

    `kinds`: it is one of them; `cameras`: one of these patterns is the camera's (`*`, `?`, `[a-z]`); some frame shows
    at least `at_least` and none more than `at_most` regions of the kind.
    """

    kinds: tuple[str, ...]
    cameras: tuple[str, ...] = ("*",)
    at_least: int = 0
    at_most: int | None = None

    def __post_init__(self) -> None:
        if not self.kinds or not self.cameras:
            raise ConfigError("a route names at least one kind and one camera")
        if self.at_least < 0 or (self.at_most is not None and self.at_most < self.at_least):
            raise ConfigError(f"no number of regions is at least {self.at_least} and at most {self.at_most}")

    def holds(self, kind: str, camera_id: str, count: int) -> bool:
        """Of this kind by this camera, where a frame shows so many of it."""
        return (
            kind in self.kinds and is_named(camera_id, self.cameras)
            and self.at_least <= count and (self.at_most is None or count <= self.at_most)
        )


@dataclass(frozen=True, slots=True)
class Route:
    """An authority gets a kind where the condition holds and the kind's level is this one (None: any)."""

    authority: str
    when: When
    level: Level | None = None


@dataclass(frozen=True, slots=True)
class Grading:
    """Where the condition holds, a kind is of this level."""

    level: Level
    when: When


def most_in_a_frame(regions: RegionSet) -> dict[str, int]:
    """How many regions of each kind the fullest frame of a chunk shows; frames masked whole show none."""
    most: Counter[str] = Counter()
    for index, frame in enumerate(regions.frames):
        if index not in regions.failed:
            most |= Counter(region.kind for region in frame)
    return dict(most)


def level_of(kind: str, camera_id: str, count: int, gradings: Sequence[Grading]) -> Level:
    """By the first grading that holds; low where none does."""
    return next((one.level for one in gradings if one.when.holds(kind, camera_id, count)), "low")


def entitled(
    authorities: Mapping[str, frozenset[str]], routes: Sequence[Route], gradings: Sequence[Grading], camera_id: str,
    regions: RegionSet,
) -> dict[str, frozenset[str]]:
    """The kinds that each authority gets of this chunk."""
    counts, routed = most_in_a_frame(regions), {route.authority for route in routes}

    def gets(authority: str, kind: str) -> bool:
        count = counts.get(kind, 0)
        level = level_of(kind, camera_id, count, gradings)
        return authority not in routed or any(
            route.authority == authority and route.level in (None, level) and route.when.holds(kind, camera_id, count)
            for route in routes
        )

    return {
        name: frozenset(kind for kind in kinds if gets(name, kind)) for name, kinds in sorted(authorities.items())
    }
