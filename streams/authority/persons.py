"""Persons across the videos of one camera: subjects that are one by their looks. Kept up to date with every chunk.

What changed is placed again, together with all that it may belong to; so a person is taken apart again where a later
chunk contradicts: a subject looks otherwise, or two of them are seen in one frame. Not across cameras: that's a search.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from operators.embed import SAME
from operators.subjects import SubjectSighting, merge_spans, merge_subjects, together
from streams.authority import store
from streams.authority.looks import vector, vector_text
from streams.authority.templates import Templates

CALIBRATION = "complete linkage from 0.928; sealframe eval subjects"
"""What the threshold stands for; measured on photographs of one half of the people, videos are made of the other's."""
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('sealframe persons'), hashtext(%s))"
"""Two that place subjects of one camera at once would both make the same person."""


def bring_persons_up_to_date(
    db: Any, camera_id: str, video_id: str, templates: Templates | None = None, threshold: float = SAME,
    subjects: Collection[str] | None = None,
) -> None:
    """Place the subjects of a camera that are in no person, or in one that can't be any more.

    `templates`: the keys that vectors are turned by, for while they are re-issued videos of a camera have several.
    `subjects`: those of the video that may have changed; None: any of the camera.
    """
    db.execute(_ONE_AT_A_TIME, (camera_id,))
    keys = templates or Templates()
    loose = _loose(db, camera_id, subjects) | _torn(db, video_id, subjects)
    if not loose:
        return
    touched = sorted(_near(db, camera_id, loose, keys, threshold) | loose)
    persons = [row[0] for row in db.execute(
        "SELECT person_id FROM person_subjects WHERE subject_id = ANY(%(touched)s)"
        " UNION SELECT person_id FROM persons_seen WHERE person_id = ANY(%(touched)s)", {"touched": touched},
    ).fetchall()]
    members = {row[0] for row in db.execute(
        "SELECT subject_id FROM person_subjects WHERE person_id = ANY(%s)", (persons,)
    ).fetchall()}
    db.execute("DELETE FROM persons_seen WHERE person_id = ANY(%s)", (persons,))
    for person in merge_subjects(_sightings(db, loose | members, keys), threshold):
        db.execute("INSERT INTO persons_seen VALUES (%s, %s, %s, %s)", (person[0], camera_id, threshold, CALIBRATION))
        db.execute("INSERT INTO person_subjects SELECT unnest(%s::text[]), %s", (list(person), person[0]))
    sweep(db)


def same_person(db: Any, subject_id: str) -> tuple[str, ...]:
    """The subjects of the person that a subject is, in the order of time; itself alone where nothing else is known."""
    rows = db.execute(
        "SELECT o.subject_id FROM person_subjects p JOIN person_subjects o USING (person_id)"
        " JOIN subjects s ON s.subject_id = o.subject_id WHERE p.subject_id = %s ORDER BY s.from_ms, 1", (subject_id,),
    ).fetchall()
    return tuple(row[0] for row in rows) or (subject_id,)


def sweep(db: Any) -> None:
    """Drop persons of whom no subject is left."""
    db.execute(
        "DELETE FROM persons_seen p WHERE NOT EXISTS (SELECT 1 FROM person_subjects s WHERE s.person_id = p.person_id)"
    )


def _loose(db: Any, camera_id: str, subjects: Collection[str] | None) -> set[str]:
    """Searchable subjects of one look in no person; of the camera, or of these."""
    rows = db.execute(
        "SELECT f.subject_id FROM subject_features f LEFT JOIN person_subjects p USING (subject_id)"
        " WHERE f.camera_id = %(camera)s AND p.subject_id IS NULL"
        " AND (%(some)s::text[] IS NULL OR f.subject_id = ANY(%(some)s)) GROUP BY 1 HAVING count(*) = 1",
        {"camera": camera_id, "some": None if subjects is None else list(subjects)},
    ).fetchall()
    return {row[0] for row in rows}


def _torn(db: Any, video_id: str, subjects: Collection[str] | None) -> set[str]:
    """Subjects of this video that are in one person with another of it, and in one frame with that.

    Of the persons of these subjects, if they are given.
    """
    rows = db.execute(
        "SELECT p.person_id, s.subject_id, s.tracks FROM person_subjects p JOIN subjects s USING (subject_id)"
        " WHERE s.video_id = %(video)s AND p.person_id IN (SELECT i.person_id FROM person_subjects i"
        " JOIN subjects t ON t.subject_id = i.subject_id WHERE t.video_id = %(video)s"
        " AND (%(some)s::text[] IS NULL OR i.subject_id = ANY(%(some)s)))",
        {"video": video_id, "some": None if subjects is None else list(subjects)},
    ).fetchall()
    persons: dict[str, list[tuple[str, Sequence[int]]]] = defaultdict(list)
    for person, subject, tracks in rows:
        persons[person].append((subject, tracks))
    several = {person: members for person, members in persons.items() if len(members) > 1}
    seen = [track for members in several.values() for _, tracks in members for track in tracks]
    ranges = store.track_spans(db, video_id, seen) if several else {}
    torn = set()
    for members in several.values():
        spans = [merge_spans([one for t in tracks for one in ranges[t][1]]) for _, tracks in members]
        if any(together(a, b) for n, a in enumerate(spans) for b in spans[n + 1 :]):
            torn |= {subject for subject, _ in members}
    return torn


def _near(db: Any, camera_id: str, subjects: Iterable[str], templates: Templates, threshold: float) -> set[str]:
    """Subjects of the camera that are alike to one of these. Adding 0 keeps the planner from an index that may miss."""
    known = db.execute(
        "SELECT DISTINCT template_key FROM subject_features WHERE camera_id = %s", (camera_id,)
    ).fetchall()
    looks = db.execute(
        "SELECT embedding::text, template_key FROM subject_features WHERE subject_id = ANY(%s)", (list(subjects),)
    ).fetchall()
    found: set[str] = set()
    for text, own in looks:
        look = vector(text)
        if look is None:
            continue
        for (key,) in known:
            turned = look if key == own else templates.turned(templates.plain(look, own), key)
            rows = db.execute(
                "SELECT DISTINCT subject_id FROM subject_features WHERE camera_id = %s AND template_key = %s"
                " AND 1 - (embedding <=> %s::vector) + 0 >= %s", (camera_id, key, vector_text(turned), threshold),
            ).fetchall()
            found |= {row[0] for row in rows}
    return found


def _sightings(db: Any, subjects: set[str], templates: Templates) -> list[SubjectSighting]:
    """The subjects of one look among these, with their vectors as the embedder made them."""
    rows = db.execute(
        "SELECT s.subject_id, s.video_id, s.tracks, s.from_ms, min(f.embedding::text), min(f.template_key)"
        " FROM subjects s JOIN subject_features f USING (subject_id) WHERE subject_id = ANY(%s) GROUP BY 1"
        " HAVING count(*) = 1", (sorted(subjects),),
    ).fetchall()
    tracks_of: dict[str, list[int]] = defaultdict(list)
    for _, video, tracks, *_ in rows:
        tracks_of[video] += tracks
    ranges = {video: store.track_spans(db, video, tracks) for video, tracks in tracks_of.items()}
    found = []
    for subject, video, tracks, from_ms, text, key in rows:
        spans = merge_spans([one for track in tracks for one in ranges[video].get(track, ("", []))[1]])
        embedding = vector(text)
        if embedding is not None:
            found.append(SubjectSighting(subject, video, spans, templates.plain(embedding, key), from_ms))
    return found
