"""File mode overlaps two chunks; what comes out is what one step after the other gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from operators.desensitise.policy import Policy
from operators.detect.face import frozen
from operators.pipeline import Coding, Outgoing, Pipeline
from operators.sign import SigningKey
from schemas.errors import SourceError, UndecodableChunk
from schemas.frames import Planes, VideoFormat
from schemas.regions import Detections, boxes
from schemas.state import CameraState
from streams.anonymize import anonymize, run_pipeline
from tests.support.scenes import FACE, chunk, crossing

KEY = SigningKey(b"f" * 32)
PLACES = crossing(20)
CHUNKS = [chunk(PLACES, i) for i in range(3)] + [chunk(PLACES, 3, end=True)]


class Textures:
    """Finds the squares by their contrast; it keeps nothing between frames."""

    def detect_planes(self, planes: Planes, video: VideoFormat, size: int = 640) -> tuple[Detections, ...]:
        places = [(x, y) for y in range(0, 81, 8) for x in range(0, 129, 8)]
        rough = [(x, y) for x, y in places if planes.y[y : y + FACE, x : x + FACE].std() > 45]
        found = boxes(np.array([(x, y, x + FACE, y + FACE) for x, y in rough[:2]], np.float32).reshape(-1, 4))
        marks = frozen(np.full((len(found), 5, 2), np.nan))
        return (Detections("face", found, frozen(np.full(len(found), 0.9)), marks),)


def _pipeline() -> Pipeline:
    return Pipeline(Policy({"faces": frozenset({"face"})}), Textures(), KEY)


def test_run_pipeline_gives_what_steps_one_after_the_other_give() -> None:
    pipeline, expected = _pipeline(), []
    state = pipeline.initial("cam")
    for one, following in zip(CHUNKS, [*CHUNKS[1:], None], strict=True):
        state, outgoing = pipeline.step(state, one, following)
        expected.append(outgoing)
    found = list(run_pipeline(_pipeline(), iter(CHUNKS)))
    assert [one for one, _, _ in found] == CHUNKS
    assert [outgoing for _, _, outgoing in found] == expected
    assert any(frame for _, regions, _ in found for frame in regions.frames)


def test_run_pipeline_a_chunk_begins_to_be_coded_before_the_one_before_it_is_done() -> None:
    done: list[tuple[str, int]] = []

    class Told(Pipeline):
        def begin(self, *args: Any) -> Coding:
            coding = super().begin(*args)
            done.append(("begin", coding.chunk.chunk_seq))
            return coding

        def finish(self, state: CameraState, coding: Coding) -> tuple[CameraState, Outgoing]:
            done.append(("finish", coding.chunk.chunk_seq))
            return super().finish(state, coding)

    list(run_pipeline(Told(Policy({"faces": frozenset({"face"})}), Textures(), KEY), iter(CHUNKS)))
    last = len(CHUNKS) - 1
    between = [event for i in range(last) for event in (("begin", i + 1), ("finish", i))]
    assert done == [("begin", 0), *between, ("finish", last)]


def test_run_pipeline_a_broken_chunk_stops_the_run_after_those_before_it() -> None:
    broken = replace(CHUNKS[2], units=tuple(replace(unit, data=b"\0\0\0\1\x65junk") for unit in CHUNKS[2].units))
    run = run_pipeline(_pipeline(), iter([*CHUNKS[:2], broken]))
    next(run)
    with pytest.raises(UndecodableChunk):
        list(run)


def test_anonymize_counts_the_frames_that_have_masks_and_those_lost(tmp_path: Path) -> None:
    one = replace(chunk([[]] * 50 + [[(64, 40)]] * 10, end=True), gaps=4)
    totals = anonymize(iter([one]), _pipeline(), KEY, tmp_path / "out.mp4")
    account = totals.account.as_json()
    assert 10 <= totals.masked_frames == 60 - totals.account.frames["clear"] < 50
    assert account["lost"] == 4


def test_run_pipeline_without_a_chunk_says_so() -> None:
    with pytest.raises(SourceError, match="no picture"):
        list(run_pipeline(_pipeline(), iter([])))
