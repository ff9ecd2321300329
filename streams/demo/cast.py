"""Who plays in the videos, by which photograph, and by which other one they are searched.

A probe is never a photograph that appears in a video, and strangers appear in none.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from schemas.errors import SourceError, UsageError
from streams.demo.compose import PersonPicture
from streams.demo.pictures import Person, Photograph

CAMERAS = ("camera-1", "camera-2")
STRANGERS = 2
PEOPLE_A_VIDEO = 5
LFW = "umass-vis-lfw"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Scene:
    """One camera's video: what `compose` needs. The first two of `people` cross."""

    camera_id: str
    people: tuple[PersonPicture, ...]
    seed: int
    seconds: float
    face_width: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Cast:
    """`probes`: who appears and has other photographs, with those; `strangers`: who appears nowhere."""

    scenes: tuple[Scene, ...]
    probes: tuple[Person, ...]
    strangers: tuple[Person, ...]

    def cameras(self, label: str) -> tuple[str, ...]:
        """Where a person is to be found."""
        return tuple(scene.camera_id for scene in self.scenes if label in {who.label for who in scene.people})


def demo_cast(people: Sequence[Person], seed: int) -> Cast:
    """Two cameras: all with several photographs cross before the first, one of them comes by the second too.

    Of those with one photograph, two are strangers and the others appear.

    Raises:
        UsageError: fewer than two people with several photographs, or fewer than three with one.

    """
    rng = np.random.default_rng(seed)
    searched = _shuffled([person for person in people if len(person.photographs) > 1], rng)
    single = _shuffled([person for person in people if len(person.photographs) == 1], rng)
    if len(searched) < 2 or len(single) <= STRANGERS:
        raise UsageError(f"{len(searched)} people with several photographs and {len(single)} with one are too few")
    strangers, extras = single[:STRANGERS], [_appear(person) for person in single[STRANGERS:]]
    left = {person.label: _shuffled(person.photographs, rng) for person in searched}
    first = [PersonPicture(person.label, left[person.label].pop()) for person in searched]
    again = searched[int(rng.integers(len(searched)))].label
    if len(left[again]) > 1:
        comeback = PersonPicture(again, left[again].pop())
    else:
        comeback = next(who for who in first if who.label == again)
    second = [comeback, *extras[:2]]
    scenes = (
        Scene(CAMERAS[0], (*first, *extras[2:]), int(rng.integers(2**31)), 9.0, (66.0, 100.0)),
        Scene(CAMERAS[1], tuple(second), int(rng.integers(2**31)), 9.0, (66.0, 100.0)),
    )
    probes = tuple(Person(label, tuple(others)) for label, others in sorted(left.items()))
    return Cast(scenes, probes, tuple(strangers))


def identities_cast(data_dir: Path, n: int = 20, seed: int = 0, people_a_video: int = PEOPLE_A_VIDEO) -> Cast:
    """`n` people of Labeled Faces in the Wild, five a video, and `n` strangers; `data_dir` holds `labels.tsv`.

    Who appears has two to six photographs: one is shown, the others are probes. Strangers have only one.

    Raises:
        SourceError: there is no such list.
        UsageError: it has too few people.

    """
    rng = np.random.default_rng(seed)
    found = people_of(data_dir)
    several = _shuffled([person for person in found if len(person.photographs) > 1], rng)[:n]
    single = _shuffled([person for person in found if len(person.photographs) == 1], rng)[:n]
    if n < 1 or people_a_video < 1 or min(len(several), len(single)) < n:
        raise UsageError(f"no {n} people with several and {n} with one picture in {data_dir.name}")
    shown: list[PersonPicture] = []
    probes: list[Person] = []
    for person in several:
        photograph, *others = _shuffled(person.photographs, rng)
        shown.append(PersonPicture(person.label, photograph))
        probes.append(Person(person.label, tuple(others)))
    scenes = tuple(
        Scene(
            f"camera-{number}",
            tuple(shown[start : start + people_a_video]),
            int(rng.integers(2**31)),
            11.0,
            (56.0, 100.0),
        )
        for number, start in enumerate(range(0, n, people_a_video), 1)
    )
    return Cast(scenes, tuple(probes), tuple(single))


def people_of(data_dir: Path) -> list[Person]:
    """The people of Labeled Faces in the Wild that `data_dir`/labels.tsv lists; raises SourceError without a list."""
    found: dict[str, list[Photograph]] = {}
    try:
        with (data_dir / "labels.tsv").open(encoding="utf-8", newline="") as table:
            for row in csv.DictReader(table, delimiter="\t"):
                if row["part"] == LFW:
                    found.setdefault(row["identity"], []).append(Photograph(data_dir / row["file"]))
    except (OSError, KeyError) as error:
        raise SourceError(f"no list of identities in {data_dir.name}: {error}") from error
    return [Person(label, tuple(photographs)) for label, photographs in sorted(found.items())]


def _appear(person: Person) -> PersonPicture:
    return PersonPicture(person.label, person.photographs[0])


def _shuffled(items: Sequence[T], rng: np.random.Generator) -> list[T]:
    return [items[i] for i in rng.permutation(len(items))]
