"""`sealframe eval identities`: people filmed once are searched by other photographs of them, and strangers too.

The whole way: generated video of `identities_cast`, pushed as cameras do, through worker, broker and authority, then
asked of the forensic service over HTTPS. Each person is searched with every probe photograph there is; a subject counts
with its best similarity, as for an investigator who brings several pictures. Strangers have one picture each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from operators.embed import ALIKE, SAME
from streams.demo.cast import Cast, identities_cast
from streams.demo.compose import compose
from streams.demo.pictures import Person
from streams.demo.run import CASE, PURPOSE, Demo, Filmed, Shot
from streams.evaluate.report import Figure
from streams.setup import detector
from streams.stack import Stack

ARRIVAL_SECONDS = 900.0
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Searched:
    """One person's search: the first match's similarity (None where nothing matched), whether it is sure, and right.

    `photographs`: how many of the probes alone name somebody, and how many there are.
    """

    label: str
    similarity: float | None
    sure: bool
    right: bool
    photographs: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Results:
    """All searches, and how many subjects there were."""

    people: tuple[Searched, ...]
    strangers: tuple[Searched, ...]
    subjects: int


def evaluate(stack: Stack, data: Path, folder: Path, n: int, seed: int, tell: Tell = lambda _: None) -> Results:
    """Film, push and search on a stack that is up; videos go to `folder`, `data` holds `labels.tsv`.

    Raises:
        SourceError, UsageError: `data` doesn't list enough people.
        ServiceUnavailable: a video didn't arrive.

    """
    cast = identities_cast(data, n, seed)
    tell(f"filming {n} people by {len(cast.scenes)} cameras")
    shots = _film(cast, folder)
    run = Demo(stack.settings, stack, folder, tell)
    try:
        run.open_case([shot.camera_id for shot in shots])
        tell("pushing")
        with ThreadPoolExecutor(len(shots)) as pool:
            filmed = list(pool.map(run.push, shots))
        tell("waiting until all evidence is taken in")
        for one in filmed:
            run.arrived(one, ARRIVAL_SECONDS)
        tell("searching")
        people = [_search(run, person, filmed) for person in cast.probes]
        strangers = [_search(run, person, filmed) for person in cast.strangers]
        answer = run.forensic.search_face(cast.probes[0].photographs[0].path.read_bytes(), CASE, PURPOSE)
    finally:
        run.close()
    return Results(tuple(people), tuple(strangers), answer["coverage"]["subjects"])


def figures(results: Results, seed: int) -> list[Figure]:
    """Counts over the people searched, with their targets.

    The right subject first in the list is what an investigator works with; a stranger is matched where one is sure.
    """
    people, strangers, n = results.people, results.strangers, len(results.people)
    note = f"seed {seed}, {results.subjects} subjects"
    pictures = sum(person.photographs[1] for person in people)
    named = sum(person.photographs[0] for person in people)
    found = [
        Figure("identities_rank1", sum(person.right for person in people), "persons", "==", n, n,
               f"{note}; right subject first, by all {pictures} other photographs, listed from {ALIKE:g} on"),
        Figure("identities_photographs", named, "photographs", n=pictures, note=f"{note}; list somebody each alone"),
    ]
    for name, what, said in (("possible", f"from {SAME:g} on", _possible), ("sure", "sure", _sure)):
        right = sum(person.right and said(person) for person in people)
        wrong = sum(said(person) for person in strangers)
        found += [
            Figure(f"identities_{name}", right, "persons", n=n, note=f"{note}; the right one, {what}"),
            Figure(f"strangers_{name}", wrong, "persons", "==" if name == "sure" else "<=",
                   0 if name == "sure" else None, len(strangers), f"{note}; one photograph each, {what}"),
        ]
    return found


def _possible(one: Searched) -> bool:
    return one.similarity is not None and one.similarity >= SAME


def _sure(one: Searched) -> bool:
    return one.sure


def _film(cast: Cast, folder: Path) -> list[Shot]:
    find, shots = detector().detect, []
    for scene in cast.scenes:
        path = folder / f"{scene.camera_id}.mp4"
        truth = compose(
            scene.people, path, detect=find, seed=scene.seed, seconds=scene.seconds, face_width=scene.face_width
        )
        shots.append(Shot(scene.camera_id, path, truth))
    return shots


def _search(run: Demo, person: Person, filmed: Sequence[Filmed]) -> Searched:
    match, named = run.best([photograph.path.read_bytes() for photograph in person.photographs], ALIKE)
    right = match is not None and run.shows(match, person.label, filmed)
    similarity = None if match is None else float(match["similarity"])
    sure = match is not None and bool(match["sure"])
    return Searched(person.label, similarity, sure, right, (named, len(person.photographs)))
