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
from typing import Any

from operators.embed import SURE
from streams.demo.cast import Cast, identities_cast
from streams.demo.compose import compose
from streams.demo.cutout import Box
from streams.demo.pictures import Person
from streams.demo.run import Demo, Filmed, Shot
from streams.evaluate.report import Figure
from streams.setup import detector
from streams.stack import Stack

CASE, PURPOSE = "evaluation", "figures of the search"
ARRIVAL_SECONDS = 900.0
MIN_OVERLAP = 0.3
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Searched:
    """One person's search: the first match's similarity and whether it is right; None where nothing matched.

    `photographs`: how many of the probes alone name somebody, and how many there are.
    """

    label: str
    similarity: float | None
    right: bool
    photographs: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Results:
    """All searches, and what the answers said of themselves."""

    people: tuple[Searched, ...]
    strangers: tuple[Searched, ...]
    threshold: float
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
    return Results(tuple(people), tuple(strangers), answer["threshold"], answer["coverage"]["subjects"])


def figures(results: Results, seed: int) -> list[Figure]:
    """Counts over the people searched, with their targets."""
    people, strangers = results.people, results.strangers
    count = len(people)
    note = f"seed {seed}, threshold {results.threshold:g}, {results.subjects} subjects"
    pictures = sum(person.photographs[1] for person in people)
    named = sum(person.photographs[0] for person in people)
    sure = [person for person in people if person.similarity is not None and person.similarity >= SURE]
    return [
        Figure("identities_rank1", sum(person.right for person in people), "persons", "==", count, count,
               f"{note}; right subject first, by all {pictures} other photographs, best similarity of each subject"),
        Figure("identities_matched", sum(person.similarity is not None for person in people), "persons", n=count,
               note=f"{note}; anybody named"),
        Figure("identities_photographs", named, "photographs", n=pictures, note=f"{note}; name somebody each alone"),
        Figure("strangers_matched", sum(person.similarity is not None for person in strangers), "persons", "==", 0,
               len(strangers), f"{note}; one photograph each"),
        Figure("identities_rank1_sure", sum(person.right for person in sure), "persons", n=count,
               note=f"seed {seed}, the same from {SURE:g} on: the threshold for one false accept in 10,000"),
        Figure("strangers_matched_sure", sum((s.similarity or 0.0) >= SURE for s in strangers), "persons", "<=", None,
               len(strangers), f"seed {seed}, the same from {SURE:g} on"),
    ]


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
    best: dict[str, Any] | None = None
    hits = 0
    for photograph in person.photographs:
        matches = run.forensic.search_face(photograph.path.read_bytes(), CASE, PURPOSE)["matches"]
        hits += bool(matches)
        if matches and (best is None or matches[0]["similarity"] > best["similarity"]):
            best = matches[0]
    right = best is not None and _shows(run, best, person.label, filmed)
    similarity = None if best is None else float(best["similarity"])
    return Searched(person.label, similarity, right, (hits, len(person.photographs)))


def _shows(run: Demo, match: dict[str, Any], label: str, filmed: Sequence[Filmed]) -> bool:
    """In the frame of the match's best region, a track of the subject lies over the true face of this person."""
    video_id, _, number = str(match["image_id"]).rpartition("/")
    frame = int(number)
    one = next((film for film in filmed if film.video_id == video_id), None)
    truth = one.shot.truth.track(label).get(frame) if one and one.shot.truth else None
    if one is None or truth is None:
        return False
    seq = next(c.chunk_seq for c in one.originals if c.first_frame <= frame < c.first_frame + len(c.units))
    reader, keys = run.reader()
    with keys, run.database.connection() as db:
        row = db.execute("SELECT tracks FROM subjects WHERE subject_id = %s", (match["subject_id"],)).fetchone()
        mappings = reader.chunk(db, video_id, seq).mappings
    tracks = set(row[0]) if row else set()
    boxes = [r.box for m in mappings if m.track in tracks for r in m.regions if r.frame_no == frame]
    return any(overlap(box, truth) > MIN_OVERLAP for box in boxes)


def overlap(a: Sequence[float], b: Box) -> float:
    """Intersection over union of two boxes xyxy."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)
