"""Subjects in the database, the second mapping: restored video to what its tracks show. One kind of a video at a time.

A later chunk may show two tracks together that were one subject till then, so every chunk is a reason to look again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Literal

from operators.subjects import Subject
from streams.authority import store

Library = Literal["subject_features", "plates"]
Add = Callable[[str, Subject, tuple[int, int]], None]


def subject_id(video_id: str, number: int, mark: str = "s") -> str:
    """Name of a subject: its video and its smallest track; `mark` tells kinds apart."""
    return f"{video_id}/{mark}{number}"


def bring_up_to_date(
    db: Any, place: tuple[str, str], kind: str, wanted: Mapping[str, Subject], changed: AbstractSet[int],
    library: Library, add: Add, within: Collection[int] | None = None,
) -> None:
    """Make the subjects of this kind in a video (`place`: video and camera) those that are wanted, by their names.

    One whose tracks or best track differ, or one of whose tracks is `changed`, is made anew, and `add` (name, subject,
    times) puts it into its library; of the others the times alone are set. `within`: the tracks of which `wanted` are
    all subjects; those of other tracks stay as they are.
    """
    video_id, camera_id = place
    times = store.track_times(db, video_id, within)
    some = None if within is None else list(within)
    known = {row[0]: (tuple(row[1]), row[2], (row[3], row[4])) for row in db.execute(
        "SELECT subject_id, tracks, best_track, from_ms, to_ms FROM subjects WHERE video_id = %s AND kind = %s"
        " AND (%s::bigint[] IS NULL OR tracks && %s::bigint[])", (video_id, kind, some, some),
    ).fetchall()}
    stale = [
        name for name, was in known.items()
        if name not in wanted or was[:2] != (wanted[name].tracks, wanted[name].best) or changed & {*was[0]}
    ]
    db.execute("DELETE FROM subjects WHERE subject_id = ANY(%s)", (stale,))
    for name, subject in wanted.items():
        seen = _seen(subject, times)
        if name in stale or name not in known:
            db.execute(
                "INSERT INTO subjects VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                (name, video_id, camera_id, kind, list(subject.tracks), subject.best, *seen),
            )
            add(name, subject, seen)
        elif known[name][2] != seen:
            for table in ("subjects", library):
                db.execute(f"UPDATE {table} SET from_ms = %s, to_ms = %s WHERE subject_id = %s",  # noqa: S608
                           (*seen, name))


def _seen(subject: Subject, times: Mapping[int, tuple[int, int]]) -> tuple[int, int]:
    """From the first to the last moment of a subject's tracks."""
    return min(times[track][0] for track in subject.tracks), max(times[track][1] for track in subject.tracks)
