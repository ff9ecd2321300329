"""`sealframe eval subjects`: whether the regions of a person, over the videos of a camera, end in one person.

The whole way: people of `identities` walk through several generated videos of each camera, each time by another
photograph of theirs, pushed as cameras do, through worker, broker and authority; the authority's own index merges
tracks into subjects and subjects into persons. Items are the regions that the worker detected, at least
48 pixels wide, and that lie in the visible face of somebody; B-cubed over all of them, camera by camera.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from infra.postgres import Database
from schemas.errors import UsageError
from schemas.records import MappedRegion
from schemas.regions import Region
from streams.authority import store
from streams.authority.reading import EvidenceReader
from streams.demo import measure
from streams.demo.cast import Scene, people_of
from streams.demo.compose import PersonPicture, Truth, compose
from streams.demo.run import Demo, Filmed, Shot
from streams.evaluate import real_people
from streams.evaluate.clusters import b_cubed
from streams.evaluate.photographs import kept_back
from streams.evaluate.report import Figure
from streams.evaluate.tracks import owner
from streams.setup import detector
from streams.stack import Stack

PEOPLE_A_VIDEO = 5
LEAST_WIDTH = 48.0
FACE_WIDTH = (56.0, 100.0)
SECONDS = 11.0
ARRIVAL_SECONDS = 900.0
Tell = Callable[[str], None]


@dataclass(slots=True)
class Items:
    """Regions as (cluster, person), by video subjects and by persons of the camera; how many had no owner.

    Where recall is lost before anything is compared: `lookless` are in tracks without a clear view, `mixed` in tracks
    of several looks, which go with no other.
    """

    subjects: list[tuple[str, str]] = field(default_factory=list)
    persons: list[tuple[str, str]] = field(default_factory=list)
    unowned: int = 0
    lookless: int = 0
    mixed: int = 0


def evaluate(
    stack: Stack, data: Path, folder: Path, seed: int, size: tuple[int, int] = (2, 3), clips: Path | None = None,
    longest: int = 400, tell: Tell = lambda _: None,
) -> list[Figure]:
    """Film, push and compare on a stack that is up; `data` holds `labels.tsv`, `folder` takes the videos.

    `size`: how many cameras (0: none), and videos of each; `clips`: a folder with `clips.tsv`, for the people of real
    clips of at most `longest` frames.

    Raises:
        SourceError, UsageError: `data` doesn't list enough people.
        ServiceUnavailable: a video didn't arrive.

    """
    run = Demo(stack.settings, stack, folder, tell)
    try:
        found = _generated(stack, run, casting(data, seed, *size), seed, size, tell) if size[0] else []
        return found + (real_people.evaluate(run, clips, longest, tell) if clips else [])
    finally:
        run.close()


def _generated(
    stack: Stack, run: Demo, scenes: Sequence[Scene], seed: int, size: tuple[int, int], tell: Tell
) -> list[Figure]:
    tell(f"filming {size[0] * PEOPLE_A_VIDEO} people in {len(scenes)} videos of {size[0]} cameras")
    find, shots = detector().detect, []
    for number, scene in enumerate(scenes):
        path = run.out / f"{scene.camera_id}-{number}.mp4"
        truth = compose(scene.people, path, detect=find, seed=scene.seed, seconds=SECONDS, face_width=scene.face_width)
        shots.append(Shot(scene.camera_id, path, truth))
    tell("pushing")
    filmed = _pushed(run, shots)
    tell("waiting until all evidence is taken in")
    for one in filmed:
        run.arrived(one, ARRIVAL_SECONDS)
    return figures(_items(stack, run.authority, filmed), seed, size[1])


def casting(data: Path, seed: int, cameras: int, videos: int) -> list[Scene]:
    """Videos of each camera, in turn; five people a camera, each in every video by another photograph.

    Of the people on whose photographs no border was chosen.

    Raises:
        UsageError: too few people with enough photographs.

    """
    rng = np.random.default_rng(seed)
    found = [person for person in people_of(data) if len(person.photographs) >= videos and kept_back(person.label)]
    if len(found) < cameras * PEOPLE_A_VIDEO:
        raise UsageError(f"no {cameras * PEOPLE_A_VIDEO} people with {videos} photographs in {data.name}")
    chosen = [found[i] for i in rng.permutation(len(found))[: cameras * PEOPLE_A_VIDEO]]
    scenes = []
    for video in range(videos):
        for camera in range(cameras):
            people = chosen[camera * PEOPLE_A_VIDEO : (camera + 1) * PEOPLE_A_VIDEO]
            cast = tuple(PersonPicture(person.label, person.photographs[video]) for person in people)
            scenes.append(Scene(f"camera-{camera + 1}", cast, int(rng.integers(2**31)), SECONDS, FACE_WIDTH))
    return scenes


def figures(items: Items, seed: int, videos: int) -> list[Figure]:
    """B-cubed over regions of all persons of a camera, with its targets; and within each video, for comparison."""
    people = len({label for _, label in items.persons})
    note = f"seed {seed}; {people} people, {videos} videos a camera, another photograph in each; "
    precision, recall = b_cubed(items.persons)
    alone = b_cubed(items.subjects)
    n = len(items.persons)
    return [
        Figure("persons_precision", precision, "", ">=", 0.98, n,
               f"{note}{len({c for c, _ in items.persons})} persons found"),
        Figure("persons_recall", recall, "", ">=", 0.9, n, f"{note}B-cubed over regions from {LEAST_WIDTH:g} px on"),
        Figure("subjects_precision", alone[0], "", ">=", 0.98, n, f"{note}within each video"),
        Figure("subjects_recall", alone[1], "", ">=", 0.9, n, f"{note}within each video"),
        Figure("regions_lookless", items.lookless, "regions", "<=", None, n, "in tracks without a clear view, alone"),
        Figure("regions_mixed", items.mixed, "regions", "<=", None, n, "in tracks of several looks, alone"),
        Figure("regions_unowned", items.unowned, "regions", "<=", None, n + items.unowned,
               "in nobody's visible face; not counted"),
    ]


def _pushed(run: Demo, shots: Sequence[Shot]) -> list[Filmed]:
    """Push the videos of each camera one after the other, cameras side by side."""
    cameras = sorted({shot.camera_id for shot in shots})
    with ThreadPoolExecutor(len(cameras)) as pool:
        done = pool.map(lambda name: [run.push(shot) for shot in shots if shot.camera_id == name], cameras)
        return [one for some in done for one in some]


def _items(stack: Stack, authority: str, filmed: Sequence[Filmed]) -> Items:
    items = Items()
    folder = stack.home / "authority" / authority
    reader, keys = measure.open_reader(
        authority, stack.home / "keystore" / authority, stack.home / "secrets" / authority, folder
    )
    with keys, Database(stack.databases[f"authority-{authority}"].app()) as database:
        for one in filmed:
            if one.shot.truth is None:
                continue
            with database.connection() as db:
                clusters, looks = _clusters(db, one.video_id), _looks(db, one.video_id)
            for track, region in _regions(database, reader, one.video_id):
                label = _label(region, one.shot.truth)
                if label is None:
                    items.unowned += 1
                    continue
                subject, person = clusters.get(track, (f"{one.video_id}/{track}",) * 2)
                items.lookless += looks[track] == 0
                items.mixed += looks[track] > 1
                camera = one.shot.camera_id
                items.subjects.append((subject, f"{one.video_id}/{label}"))
                items.persons.append((person, f"{camera}/{label}"))
    return items


def _clusters(db: Any, video_id: str) -> dict[int, tuple[str, str]]:
    """Subject and person of each track; who is in no person is one alone."""
    rows = db.execute(
        "SELECT s.subject_id, s.tracks, coalesce(p.person_id, s.subject_id) FROM subjects s"
        " LEFT JOIN person_subjects p USING (subject_id) WHERE s.video_id = %s AND s.kind = 'face'", (video_id,),
    ).fetchall()
    return {track: (subject, person) for subject, tracks, person in rows for track in tracks}


def _looks(db: Any, video_id: str) -> Counter[int]:
    """How many looks each track has."""
    return Counter(row[0] for row in db.execute(
        "SELECT track FROM track_features WHERE video_id = %s AND embedding IS NOT NULL", (video_id,)
    ).fetchall())


def _regions(database: Database, reader: EvidenceReader, video_id: str) -> Iterator[tuple[int, MappedRegion]]:
    """Every detected region that is wide enough, with its track."""
    with database.connection() as db:
        seqs = list(store.places(db, video_id))
    for seq in seqs:
        with database.connection() as db:
            opened = reader.chunk(db, video_id, seq)
        for mapping in opened.mappings:
            for region in mapping.regions:
                if region.source == "detected" and region.box[2] - region.box[0] >= LEAST_WIDTH:
                    yield mapping.track, region


def _label(region: MappedRegion, truth: Truth) -> str | None:
    x1, y1, x2, y2 = region.box
    seen = Region(0, "face", (x1, y1, x2, y2), region.score, "detected", region.landmarks)
    return owner(seen, truth.frames[region.frame_no]) if region.frame_no < len(truth.frames) else None
