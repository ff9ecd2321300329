"""Plates on generated road video: found by the shipped detector, tracked, sealed, read, and searched by their text."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from infra.camera import open_source
from operators.codec import encode
from operators.desensitise.policy import Policy
from operators.pipeline import Pipeline
from operators.plates import WEIGHTS, PlateReader
from schemas.state import CameraState
from streams.authority.index import FaceIndex
from streams.authority.plate_index import PlateIndex
from streams.authority.sink import AllIndexes
from streams.demo.roads import compose_road
from streams.forensic.service import Forensics
from streams.setup import plate_detector
from tests.support.authority import KEY, NAME, NOW_MS, VIDEO, open_desk, record
from tests.support.cases import open_case
from tests.support.plates import drawn
from tests.support.restoring import restored
from tests.support.services import Postgres

POLICY = Policy({NAME: frozenset({"plate"})})
TEXTS = ("AB12CDE", "KL44MMN", "PX77RTU", "GH05WZA")


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four cars, one after another and side by side."""
    path, number = tmp_path_factory.mktemp("road") / "road.mp4", count()
    compose_road(
        lambda rng: (drawn(text := TEXTS[next(number)]), text), path, seed=11, seconds=6.0, cars=len(TEXTS),
        plate_width=(60.0, 150.0),
    )
    return path


def test_plates_of_a_road_are_found_read_and_searched(road: Path, postgres_authority: Postgres, tmp_path: Path) -> None:
    pipeline, state = Pipeline(POLICY, plate_detector(), KEY), CameraState()
    chunks = [
        replace(chunk, video_id=VIDEO, camera_id="cam", capture_ms=NOW_MS + 1000 * chunk.chunk_seq)
        for chunk in open_source(str(road), encode=encode, camera_id="cam", chunk_ms=1000)
    ]
    found = []
    for chunk, following in zip(chunks, [*chunks[1:], None], strict=True):
        state, regions = pipeline.locate(state, chunk, following)
        state = replace(state, video_id=chunk.video_id)
        found.append(regions)
    with postgres_authority.database() as database:
        faces = FaceIndex(None)  # type: ignore[arg-type]  # there is no face to look at
        desk = open_desk(tmp_path, database, AllIndexes(faces, PlateIndex(PlateReader(WEIGHTS))))
        try:
            recording = record(chunks, found, desk.epoch, policy=POLICY)
            assert all(taken.unopened == 0 for taken in desk.take(recording))
            service = Forensics(desk.database, desk.log, None)
            ground = open_case(desk.database)
            answers = {text: service.search_plate(text, ground).matches for text in TEXTS}
            right = [text for text, matches in answers.items() if matches and matches[0].text == text]
            assert len(right) >= len(TEXTS) - 1, {text: [one.text for one in answers[text]] for text in TEXTS}
            done = restored(desk, recording, answers[right[0]][0].subject_id, tmp_path / "back.mp4")
            assert done.manifest and done.manifest["body"]["replaced"] > 0
        finally:
            desk.close()
