"""Another embedder reads all evidence again beside the index in use, then takes its place; searches never stop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from schemas.errors import ConfigError, UsageError
from schemas.regions import RegionSet
from streams.authority import store
from streams.authority.erase import forget_tracks
from streams.authority.index import FaceIndex
from streams.authority.looks import vector
from streams.authority.persons import same_person
from streams.authority.reindex import Reindex
from streams.authority.templates import Templates
from streams.forensic.search import coverage, filters
from tests.support.authority import NOW_MS, PLACES, VIDEO, Desk, Recording, open_desk, record
from tests.support.faces import by_colour
from tests.support.scenes import chunk, regions
from tests.support.services import Postgres

OTHER = VIDEO[:-1] + "b"


def index(desk: Desk, name: str, first: int) -> FaceIndex:
    """Vectors of track n lie along axis `first` + n."""
    return FaceIndex(by_colour(name, first), templates=Templates(desk.keys))


def with_landmarks(found: RegionSet) -> RegionSet:
    """Five landmarks in every region, so that faces are read."""
    return replace(found, frames=tuple(
        tuple(replace(region, landmarks=marks(region.box)) for region in frame) for frame in found.frames
    ))


def marks(box: tuple[float, ...]) -> tuple[float, ...]:
    shares = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])
    return tuple((shares * (box[2] - box[0]) + box[:2]).ravel().tolist())


def filmed(desk: Desk, video: str, chunks: int = 2) -> Recording:
    made = [chunk(PLACES, seq, end=seq == chunks - 1, video=video) for seq in range(chunks)]
    return record(made, [with_landmarks(regions(PLACES, seq)) for seq in range(chunks)], desk.epoch)


def spoil(desk: Desk, video: str) -> None:
    """Change a byte in the last record of a video's evidence."""
    path = store.evidence_path(desk.home / "evidence", video)
    data = bytearray(path.read_bytes())
    data[-len(data) // 9] ^= 1
    path.write_bytes(bytes(data))


def spoil_part(desk: Desk, video: str, seq: int) -> None:
    """Change the wrap of track 1's mapping in a chunk."""
    with desk.database.connection() as db:
        db.execute("UPDATE parts SET wrapped = set_byte(wrapped, 0, get_byte(wrapped, 0) # 1) WHERE type = 'mapping'"
                   " AND tracks = '{1}' AND video_id = %s AND chunk_seq = %s", (video, seq))


@pytest.fixture
def desk(tmp_path: Path, postgres_authority: Postgres) -> Iterator[Desk]:
    with postgres_authority.database() as database:
        desk = open_desk(tmp_path / "desk", database)
        desk.sink._indexing = index(desk, "old", 0)
        for video in (VIDEO, OTHER):
            desk.take(filmed(desk, video))
        yield desk
        desk.close()


def known(desk: Desk) -> list[tuple[str, int, str, int]]:
    """Subject, track, embedder and the axis that its vector lies along."""
    templates = Templates(desk.keys)
    with desk.database.connection() as db:
        rows = db.execute(
            "SELECT subject_id, track, embedder, embedding::text, template_key FROM subject_features ORDER BY 1"
        ).fetchall()
    return [
        (subject, track, name, int(templates.plain(found, key).argmax()))
        for subject, track, name, text, key in rows if (found := vector(text)) is not None
    ]


def expected(name: str, first: int, videos: Sequence[str] = (VIDEO, OTHER)) -> list[tuple[str, int, str, int]]:
    return [(f"{video}/s{track}", track, name, first + track) for video in videos for track in (1, 2)]


def work(desk: Desk, name: str = "new", first: int = 50) -> Reindex:
    return Reindex(desk.database, desk.reader, index(desk, name, first))


def test_reindex_reads_beside_and_switches_at_once(desk: Desk) -> None:
    assert known(desk) == expected("old", 0)
    with pytest.raises(UsageError, match="read first"):
        work(desk).switch()
    assert work(desk).read() == 4
    assert known(desk) == expected("old", 0)  # searches see the old index until the switch
    assert work(desk).read() == 0  # another process goes on where this one was
    done = work(desk).switch()
    assert (done.videos, done.tracks, done.vectors) == (2, 4, 4)
    assert known(desk) == expected("new", 50)
    with desk.database.connection() as db:
        assert same_person(db, f"{VIDEO}/s1") == (f"{VIDEO}/s1", f"{OTHER}/s1")
        assert db.execute("SELECT count(*) FROM next.track_features").fetchone() == (0,)


def test_reindex_reads_what_came_meanwhile_and_leaves_out_the_erased(desk: Desk) -> None:
    assert work(desk).read() == 4
    third = VIDEO[:-1] + "c"
    desk.take(filmed(desk, third, 1))
    with pytest.raises(UsageError, match="read again"):
        work(desk).switch()
    with desk.database.connection() as db:
        forget_tracks(db, OTHER, (2,), NOW_MS)
        assert db.execute("SELECT count(*) FROM next.track_features WHERE video_id = %s", (OTHER,)).fetchone() == (1,)
    assert work(desk).read() == 1
    work(desk).switch()
    assert known(desk) == [one for one in expected("new", 50, (VIDEO, OTHER, third)) if one[0] != f"{OTHER}/s2"]


def test_reindex_after_a_re_issue_of_templates_reads_again(desk: Desk) -> None:
    assert work(desk).read() == 4
    Templates(desk.keys).reissue(desk.database)
    with pytest.raises(UsageError, match="template keys"):
        work(desk).switch()
    assert work(desk).read() == 4
    work(desk).switch()
    assert known(desk) == expected("new", 50)


def test_persons_are_found_while_templates_are_re_issued(desk: Desk) -> None:
    """A re-issue that was cut short after the first video: its vectors have another key than the other one's."""
    templates, third = Templates(desk.keys), VIDEO[:-1] + "c"
    with desk.database.connection() as db:
        templates._move(db, VIDEO, templates._make(db, 2))
    desk.take(filmed(desk, third, 1))
    with desk.database.connection() as db:
        assert len({row[0] for row in db.execute("SELECT template_key FROM subject_features").fetchall()}) > 1
        assert same_person(db, f"{third}/s1") == tuple(f"{video}/s1" for video in (VIDEO, OTHER, third))


def test_reindex_with_yet_another_embedder_begins_anew(desk: Desk) -> None:
    work(desk, "half", 20).read()
    assert work(desk).read() == 4
    with pytest.raises(UsageError):
        work(desk, "half", 20).switch()
    work(desk).switch()
    assert known(desk) == expected("new", 50)


def test_sink_with_the_old_embedder_stops_after_the_switch(desk: Desk) -> None:
    work(desk).read()
    work(desk).switch()
    with pytest.raises(ConfigError, match="indexed by new"):
        desk.take(filmed(desk, VIDEO[:-1] + "d", 1))


def test_tables_of_both_indexes_have_the_same_columns(desk: Desk) -> None:
    query = (
        "SELECT column_name, data_type, is_nullable, column_default FROM information_schema.columns"
        " WHERE table_schema = %s AND table_name = 'track_features' ORDER BY ordinal_position"
    )
    with desk.database.connection() as db:
        assert db.execute(query, ("next",)).fetchall() == db.execute(query, ("public",)).fetchall()


def test_reindex_leaves_behind_what_cant_be_read_any_more_and_counts_it_as_not_indexed(desk: Desk) -> None:
    spoil(desk, VIDEO)
    spoil_part(desk, OTHER, 0)
    made = work(desk)
    assert made.read() == 4 and made.damaged == 2
    assert work(desk).read() == 0
    made.switch()
    assert known(desk) == expected("new", 50)
    with desk.database.connection() as db:
        assert db.execute("SELECT video_id, track, chunks FROM track_features ORDER BY 1, 2").fetchall() == [
            (VIDEO, 1, 1), (VIDEO, 2, 1), (OTHER, 1, 1), (OTHER, 2, 2)]
        assert coverage(db, filters()).unindexed == 2
