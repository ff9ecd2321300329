"""Search over faces that went the whole way: chunk, detection, sealed pieces, blank frames, feature library."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from infra.models import FACE_EMBEDDER, install
from infra.postgres import Database
from operators.codec import encode
from operators.embed import ALIKE, SURE, FaceEmbedder
from operators.pipeline import Pipeline
from operators.training import dlib_to_onnx
from schemas.errors import ConfigError, SeveralFaces, UsageError
from schemas.frames import FrameChunk, VideoFormat
from schemas.state import CameraState
from streams.authority.erase import erase_subject
from streams.authority.faces import Faces
from streams.authority.index import FaceIndex
from streams.authority.looks import pool, vector
from streams.authority.templates import Templates
from streams.forensic.search import Period
from streams.forensic.service import Forensics
from streams.setup import detector
from tests.support.authority import KEY, NOW_MS, POLICY, VIDEO, Desk, clock, open_desk, record
from tests.support.cases import GROUND, open_case
from tests.support.pictures import planes_of, read_rgb
from tests.support.services import Postgres
from tests.support.shared import shared_data

FRAMES = 6


def people(count: int) -> dict[str, list[Path]]:
    """Identities of LFW with at least two pictures, in the order of the table."""
    folder = shared_data() / "identities"
    found: dict[str, list[Path]] = {}
    with (folder / "labels.tsv").open(newline="") as table:
        for row in csv.DictReader(table, delimiter="\t"):
            if row["part"] == "umass-vis-lfw" and int(row["pictures"]) >= 2:
                found.setdefault(row["identity"], []).append(folder / row["file"])
    return {name: found[name] for name in sorted(found)[:count]}


def filmed(paths: list[Path], video: str) -> FrameChunk:
    """A chunk in which these pictures stand side by side and sway."""
    width = 256 * len(paths)
    pictures = []
    for index in range(FRAMES):
        wall = np.full((288, width, 3), 90, np.uint8)
        for place, path in enumerate(paths):
            rgb = read_rgb(path)
            wall[4 + 2 * index : 254 + 2 * index, 256 * place : 256 * place + 250] = rgb
        pictures.append(planes_of(wall, matrix=6)[0])
    format = VideoFormat(width, 288, Fraction(1, 25), matrix=6)
    units = encode(pictures, range(FRAMES), format, crf=16, preset="veryfast")
    return FrameChunk("cam", video, 0, 0, NOW_MS, format, "h264", units, FRAMES, True)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Faces:
    model = install(FACE_EMBEDDER, tmp_path_factory.mktemp("models"), {"dlib": dlib_to_onnx.convert})
    return Faces(detector(), FaceEmbedder(model))


@pytest.fixture(scope="module")
def database(postgres_authority: Postgres) -> Iterator[Database]:
    with postgres_authority.database() as opened:
        yield opened


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, database: Database, faces: Faces) -> Iterator[Desk]:
    """Two videos: identities 0 to 2, and 3 to 5."""
    desk = open_desk(tmp_path_factory.mktemp("desk"), database, FaceIndex(faces))
    everyone = list(people(6).values())
    policy = replace(POLICY, stride=2)
    for number, group in enumerate((everyone[:3], everyone[3:])):
        video = VIDEO[:-1] + str(number)
        pipeline = Pipeline(policy, detector(), KEY)
        made = record([filmed([paths[0] for paths in group], video)], None, desk.epoch, pipeline=pipeline)
        assert all(taken.unopened == 0 for taken in desk.take(made))
    yield desk
    desk.close()


@pytest.fixture
def service(desk: Desk, faces: Faces) -> Forensics:
    open_case(desk.database)
    return Forensics(desk.database, desk.log, lambda: faces)


def test_search_by_another_photograph_names_the_right_person(service: Forensics) -> None:
    """At this threshold 94 % of same pairs of LFW are accepted, so one of six may be missed, but none mistaken."""
    first: dict[int, str] = {}
    for index, paths in enumerate(people(6).values()):
        answer = service.search_face(paths[1].read_bytes(), GROUND)
        assert answer.coverage.videos == 2 and answer.coverage.subjects == 6 and answer.coverage.complete
        assert answer.exact and 2e-3 < answer.false_accepts < 2e-2 and 0 < answer.missed_rate < 0.2
        if answer.matches:
            first[index] = answer.matches[0].subject_id
            assert answer.matches[0].video_id == VIDEO[:-1] + str(index // 3)
    assert len(first) >= 5 and len(set(first.values())) == len(first)


def test_search_for_strangers_says_no_match_with_coverage(service: Forensics) -> None:
    for paths in list(people(10).values())[6:]:
        answer = service.search_face(paths[0].read_bytes(), GROUND, threshold=SURE)
        assert answer.matches == ()
        assert "6 searchable subjects in 2 videos of 1 camera (" in answer.said and "does not say" in answer.said
    entry = service.log.get(answer.entry).content
    assert entry["case"] == "case-7" and entry["detail"]["searched"] == 6


def test_search_filters_by_camera_and_period(service: Forensics) -> None:
    picture = next(iter(people(1).values()))[1].read_bytes()
    answer = service.search_face(picture, GROUND, cameras=["cam"], period=Period(NOW_MS + 200, NOW_MS + 9_000))
    match, covered = answer.matches[0], answer.coverage
    assert (match.from_ms, match.to_ms) == (covered.from_ms, covered.to_ms) == (NOW_MS, NOW_MS + 40 * FRAMES)
    assert (covered.videos, covered.searched_ms, covered.untimed) == (2, 2 * 40 * FRAMES, 0)
    for chosen in ({"cameras": ["other"]}, {"period": Period(0, NOW_MS - 1)},
                   {"period": Period(NOW_MS + 40 * FRAMES + 1, NOW_MS + 9_000)}):
        answer = service.search_face(picture, GROUND, **chosen)  # type: ignore[arg-type]
        assert not answer.matches and answer.coverage.videos == 0
        assert answer.said.startswith("Nothing could be searched")


GREY = cv2.imencode(".png", np.full((64, 64, 3), 90, np.uint8))[1].tobytes()


@pytest.mark.parametrize("picture", [b"", b"no picture", GREY])
def test_search_without_a_face_is_refused_and_logged(service: Forensics, picture: bytes) -> None:
    with pytest.raises(UsageError):
        service.search_face(picture, GROUND)
    assert service.log.last(1)[0].content["action"] == "search-face-failed"


def test_search_index_holds_no_picture_and_no_box(desk: Desk) -> None:
    with desk.database.connection() as db:
        columns = db.execute(
            "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'"
        ).fetchall()
    names = {name for _, name, _ in columns}
    assert not names & {"box", "picture", "pixels", "chip", "landmarks"}


def test_search_tracks_cut_apart_are_one_subject(desk: Desk, faces: Faces, tmp_path: Path) -> None:
    """One person in two stretches of a video, under two tracks, never seen together: searched by the pool of both."""
    paths = next(iter(people(1).values()))
    video = VIDEO[:-1] + "9"
    first, other = replace(filmed(paths[:1], video), end=False), filmed(paths[1:2], video)
    second = replace(other, chunk_seq=1, first_frame=FRAMES, capture_ms=NOW_MS + 240, end_pts=2 * FRAMES)
    second = replace(second, units=tuple(replace(u, pts=u.pts + FRAMES) for u in other.units))
    made_tracks = []
    for index, one in enumerate((first, second)):
        pipeline = Pipeline(POLICY, detector(), KEY)
        _, found = pipeline.locate(CameraState(next_track=1 + 10 * index), one, None)
        made_tracks.append(found)
    made = record([first, second], made_tracks, desk.epoch)
    desk.take(made)
    with desk.database.connection() as db:
        rows = db.execute("SELECT tracks, to_ms - from_ms FROM subjects WHERE video_id = %s", (video,)).fetchall()
        kept = db.execute(
            "SELECT embedding::text, weight FROM track_features WHERE video_id = %s ORDER BY track", (video,)
        ).fetchall()
        searched = db.execute("SELECT embedding::text FROM subject_features WHERE video_id = %s", (video,)).fetchall()
        db.execute("DELETE FROM subjects WHERE video_id = %s", (video,))
    assert [(len(tracks), lasted) for tracks, lasted in rows] == [(2, 2 * 40 * FRAMES)]
    looks = [found for text, _ in kept if (found := vector(text)) is not None]
    together, _ = pool(looks, [weight for _, weight in kept])
    assert len(looks) == 2 and [np.allclose(vector(text), together, atol=1e-5) for (text,) in searched] == [True]
    assert float(looks[0] @ looks[1]) < 0.99


def test_search_track_that_goes_over_to_another_person_finds_both(desk: Desk, service: Forensics) -> None:
    """One track, first of one person and then of another: one subject of two looks, each with its own image."""
    video, everyone = VIDEO[:-1] + "8", list(people(8).values())[6:]
    chunks, found = [], []
    for index, paths in enumerate(everyone):
        chunk = filmed([paths[0]], video)
        chunk = replace(
            chunk, chunk_seq=index, first_frame=FRAMES * index, capture_ms=NOW_MS + 240 * index, end=index == 1,
            units=tuple(replace(unit, pts=unit.pts + FRAMES * index) for unit in chunk.units),
            end_pts=FRAMES * (index + 1),
        )
        chunks.append(chunk)
        found.append(Pipeline(POLICY, detector(), KEY).locate(CameraState(), chunk, None)[1])
    desk.take(record(chunks, found, desk.epoch))
    matches = [
        next(match for match in service.search_face(paths[0].read_bytes(), GROUND).matches if match.video_id == video)
        for paths in everyone
    ]
    with desk.database.connection() as db:
        db.execute("DELETE FROM subjects WHERE video_id = %s", (video,))
    assert len({match.subject_id for match in matches}) == 1 and [match.looks for match in matches] == [2, 2]
    frames = [int(match.image_id.rpartition("/")[2]) for match in matches]
    assert frames[0] < FRAMES <= frames[1]


def test_search_after_erasure_finds_the_others_only(desk: Desk, service: Forensics) -> None:
    pictures = [paths[1].read_bytes() for paths in list(people(2).values())]
    gone = service.search_face(pictures[0], GROUND, cameras=["cam"]).matches[0]
    erase_subject(desk.database, desk.keys, desk.log, clock, gone.subject_id, actor="a", case="c", purpose="request")
    answer = service.search_face(pictures[0], GROUND)
    assert gone.subject_id not in {match.subject_id for match in answer.matches}
    assert answer.coverage.erased == 1 and not answer.coverage.complete
    assert service.search_face(pictures[1], GROUND).matches
    with desk.database.connection() as db:
        for table in ("track_features", "spans"):
            rows = db.execute(f"SELECT count(*) FROM {table} WHERE video_id = %s AND track = ANY("
                              "SELECT track FROM erasures)", (gone.video_id,)).fetchone()
            assert rows == (0,)


def beside(*paths: Path) -> bytes:
    """One picture in which the middles of these stand side by side."""
    middles = [read_rgb(path)[40:210, 50:180, ::-1] for path in paths]
    return cv2.imencode(".png", np.concatenate(middles, 1))[1].tobytes()


def test_search_picture_of_several_faces_asks_which(service: Forensics) -> None:
    everyone = [paths for paths in people(6).values() if len(paths) > 2]
    picture = beside(everyone[0][1], everyone[1][1])
    with pytest.raises(SeveralFaces) as refused:
        service.search_face(picture, GROUND)
    left, right = refused.value.boxes
    assert left[0] < right[0] and all(box[2] - box[0] > 60 for box in refused.value.boxes)
    named = [service.search_face(picture, GROUND, face=face, threshold=ALIKE) for face in (1, 2)]
    alone = [service.search_face(paths[1].read_bytes(), GROUND, threshold=ALIKE) for paths in everyone[:2]]
    assert [one.matches[0].subject_id for one in named] == [one.matches[0].subject_id for one in alone]
    assert [one.shown[0].face for one in named] == [1, 2] and len(named[0].shown[0].faces) == 2
    with pytest.raises(UsageError, match="2 faces"):
        service.search_face(picture, GROUND, face=3)


def test_search_several_pictures_are_one_person_or_refused(service: Forensics) -> None:
    known = [paths for paths in people(6).values() if len(paths) > 2][0]
    single = service.search_face(known[1].read_bytes(), GROUND, threshold=ALIKE)
    both = service.search_face([known[1].read_bytes(), known[2].read_bytes()], GROUND, threshold=ALIKE)
    assert both.matches[0].subject_id == single.matches[0].subject_id and len(both.shown) == 2
    other = list(people(10).values())[9][0]
    with pytest.raises(UsageError, match="search each person apart"):
        service.search_face([known[1].read_bytes(), other.read_bytes()], GROUND)


def test_search_matches_carry_what_their_score_stands_for(service: Forensics) -> None:
    known = [paths for paths in people(6).values() if len(paths) > 2][0]
    answer = service.search_face(known[1].read_bytes(), GROUND, threshold=ALIKE)
    first, *others = answer.matches
    assert first.width > 40 and first.stands_out > max([one.stands_out for one in others], default=0.0)
    assert first.sure == (first.false_search_rate <= answer.sure_rate) and first.false_match_rate < 1e-2
    assert answer.sure_rate == 0.01 and answer.width > 60


def test_search_by_a_subject_finds_it_elsewhere_and_never_itself(desk: Desk, service: Forensics) -> None:
    """The same person in another video, from another photograph."""
    paths, video = list(people(2).values())[1], VIDEO[:-1] + "7"
    policy = replace(POLICY, stride=2)
    desk.take(record([filmed([paths[1]], video)], None, desk.epoch, pipeline=Pipeline(policy, detector(), KEY)))
    try:
        with desk.database.connection() as db:
            (subject,) = db.execute("SELECT subject_id FROM subjects WHERE video_id = %s", (video,)).fetchone() or ("",)
        answer = service.search_subject(subject, GROUND, threshold=ALIKE)
        assert answer.matches and subject not in {match.subject_id for match in answer.matches}
        assert answer.matches[0].video_id == VIDEO[:-1] + "0" and answer.shown == ()
        assert service.log.get(answer.entry).content["detail"]["subject"] == subject
    finally:
        with desk.database.connection() as db:
            db.execute("DELETE FROM subjects WHERE video_id = %s", (video,))
            db.execute("DELETE FROM track_features WHERE video_id = %s", (video,))
    with pytest.raises(UsageError, match="no subject"):
        service.search_subject(subject, GROUND)


def test_search_finds_the_same_after_templates_are_reissued(
    tmp_path: Path, database: Database, desk: Desk, faces: Faces
) -> None:
    """Vectors turned by a key of the key store; a re-issue turns all of them anew, and destroys the old key."""
    templates = Templates(desk.keys, clock)
    video, everyone = VIDEO[:-1] + "6", list(people(6).values())
    index = FaceIndex(faces, templates=templates)
    chunk = filmed([paths[0] for paths in everyone[:3]], video)
    made = record([chunk], None, desk.epoch, pipeline=Pipeline(replace(POLICY, stride=2), detector(), KEY))
    sink, desk.sink._indexing = desk.sink._indexing, index
    try:
        desk.take(made)
    finally:
        desk.sink._indexing = sink

    def found(keys: Templates) -> list[tuple[str, float]]:
        service = Forensics(database, desk.log, lambda: faces, templates=keys)
        answers = [service.search_face(paths[1].read_bytes(), GROUND, threshold=ALIKE) for paths in everyone[:3]]
        return [(match.subject_id, round(match.similarity, 4)) for answer in answers for match in answer.matches]

    def stored() -> list[tuple[int, np.ndarray]]:
        with database.connection() as db:
            rows = db.execute(
                "SELECT template_key, embedding::text FROM subject_features WHERE video_id = %s ORDER BY subject_id",
                (video,),
            ).fetchall()
        return [(key, found) for key, text in rows if (found := vector(text)) is not None]

    before, under_one = found(templates), stored()
    plain = [templates.plain(one, key) for key, one in under_one]
    assert {key for key, _ in under_one} == {1} and any(name.startswith(video) for name, _ in before)
    done = templates.reissue(database)
    assert (done.key, done.destroyed) == (2, (1,)) and done.vectors > 2 * 3
    after = stored()
    assert {key for key, _ in after} == {2} and sorted(found(Templates(desk.keys, clock))) == sorted(before)
    for (_, old), (_, new), was in zip(under_one, after, plain, strict=True):
        assert abs(float(old @ new)) < 0.6 and np.allclose(templates.plain(new, 2), was, atol=1e-5)
    with pytest.raises(ConfigError, match="template key 1"):
        Templates(desk.keys, clock).turned(plain[0], 1)
    with pytest.raises(ConfigError, match="key store"):
        found(Templates())
    with database.connection() as db:
        db.execute("DELETE FROM subjects WHERE video_id = %s", (video,))
