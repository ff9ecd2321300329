"""Tracks of those who stand half behind somebody: they begin with unsure detections."""

from __future__ import annotations

import pytest

from operators.track import Tracker, TrackerState
from schemas.regions import RegionSet
from tests.support.moving import BLUE, RED, Box, detections, inside_share, picture, scene_chunk

HIDES = (100.0, 80.0, 140.0, 130.0)
BESIDE = (130.0, 84.0, 166.0, 130.0)


def _tracked(box: Box, scores: dict[int, float], frames: int = 20) -> tuple[TrackerState, RegionSet]:
    """Somebody sure, looked at every fifth frame, and at `box` detections of these scores."""
    chunk = scene_chunk([picture([(box, BLUE), (HIDES, RED)], i) for i in range(frames)])
    looks = range(0, frames, 5)
    found = {i: detections([(HIDES, 0.9), *([(box, scores[i])] if i in scores else [])]) for i in looks}
    return Tracker().step(TrackerState(), chunk, found)


@pytest.mark.parametrize(
    ("box", "score", "starts"),
    [
        (BESIDE, 0.3, True),
        (BESIDE, 0.21, True),
        (BESIDE, 0.19, False),
        ((142.0, 84.0, 178.0, 130.0), 0.3, False),
        ((108.0, 84.0, 144.0, 130.0), 0.3, False),
        ((130.0, 40.0, 230.0, 180.0), 0.3, False),
        ((138.0, 84.0, 174.0, 130.0), 0.3, True),
        ((138.0, 84.0, 174.0, 130.0), 0.21, False),
        ((122.0, 104.0, 158.0, 150.0), 0.3, True),
        ((122.0, 104.0, 158.0, 150.0), 0.21, False),
        ((122.0, 72.0, 178.0, 142.0), 0.3, True),
        ((122.0, 72.0, 178.0, 142.0), 0.21, False),
    ],
)
def test_step_unsure_detection_beside_a_sure_one_starts_a_track_a_faint_one_only_behind_it(
    box: Box, score: float, starts: bool
) -> None:
    _, result = _tracked(box, {5: score, 10: score})
    assert {region.track for row in result.frames for region in row} == ({1, 2} if starts else {1})
    inside = [max((inside_share(box, region.box) for region in row), default=0.0) for row in result.frames[3:13]]
    assert not starts or min(inside) > 0.95


@pytest.mark.parametrize(("scores", "last"), [({20: 0.3}, 25), ({20: 0.22}, 25), ({20: 0.22, 25: 0.22}, 30)])
def test_step_track_of_unsure_detections_is_brief_unless_one_that_is_not_faint_confirms_it(
    scores: dict[int, float], last: int
) -> None:
    state, result = _tracked(BESIDE, scores, 60)
    assert [i for i, row in enumerate(result.frames) if len(row) == 2] == list(range(15, last + 1))
    assert [track.id for track in state.tracks] == [1]
    _, confirmed = _tracked(BESIDE, scores | {max(scores) + 5: 0.3}, 60)
    shown = [i for i, row in enumerate(confirmed.frames) if len(row) == 2]
    assert shown == list(range(15, shown[-1] + 1)) and shown[-1] >= last + 25
