"""The tracker where only windows of a frame were searched: who lies outside of them is followed, not lost."""

from __future__ import annotations

import pytest

from operators.track import Tracker, TrackerState
from schemas.regions import Detections, PartlySeen, boxes
from tests.support.moving import BLUE, HEIGHT, RED, WIDTH, Box, detections, every, picture, scene_chunk
from tests.unit.test_track import covered, line, scene, tracks_of


@pytest.mark.parametrize(("window", "source"), [((0, 0, 60, HEIGHT), "tracked"), ((90, 70, 150, 140), "coasting")])
def test_step_object_is_lost_only_where_a_look_showed_its_place(window: Box, source: str) -> None:
    box, new = (100.0, 80.0, 140.0, 130.0), (10.0, 20.0, 40.0, 60.0)
    pictures = [picture([(box, RED), (new, BLUE)], i) for i in range(10)]
    partly = PartlySeen((detections([(new, 0.9)]),), boxes([window, (0, 0, 60, HEIGHT)]))
    found = {0: detections([(box, 0.9)]), 5: partly}
    _, result = Tracker().step(TrackerState(), scene_chunk(pictures), found)
    assert {row.track: row.source for row in result.frames[5]} == {1: source, 2: "detected"}


def test_step_look_at_windows_keeps_those_outside_under_their_ids_and_vouches_for_nothing() -> None:
    paths = [(line(20, 20, 3, 0), RED), (line(20, 100, 3, 0), RED)]
    chunk, found = scene(paths, range(25))
    looks = every(found, 25, 5)
    one = detections([(paths[0][0](12), 0.9)])
    looks[12] = PartlySeen((one,), boxes([(0, 0, WIDTH, 90)]))
    _, result = Tracker().step(TrackerState(), chunk, looks)
    assert tracks_of(result) == {1, 2} and all(len(row) == 2 for row in result.frames) and not result.failed
    assert [region.source for region in result.frames[12]] == ["detected", "tracked"]
    _, unseen = Tracker().step(TrackerState(), chunk, {0: found[0], 12: looks[12], 20: None})
    assert {12} <= unseen.failed


@pytest.mark.parametrize("partly", [False, True])
def test_step_look_at_windows_takes_nobodys_mask_for_an_object_beside_it(partly: bool) -> None:
    def at(x: float) -> Box:
        return x, 80.0, x + 60, 160.0

    found: dict[int, Detections | PartlySeen] = {
        0: detections([(at(142), 0.9), (at(90), 0.31), (at(118), 0.3)]), 5: detections([(at(142), 0.9)])
    }
    if partly:  # which holds what lies beside the hidden one, and not all of that one
        look = (detections([(at(142), 0.9), (at(104.05), 0.4)]),)
        found[2] = PartlySeen(look, boxes([(96, 0, WIDTH, HEIGHT)]))
    _, result = Tracker().step(TrackerState(), scene_chunk([picture([], i) for i in range(6)]), found)
    assert all(covered(result.frames[i], at(90)) > 0.95 for i in range(5))
