"""The tracker on drawn scenes whose truth is known."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest

from operators.track import Tracker, TrackerState, TrackSettings
from operators.track.geometry import iou
from schemas.codec import decode, encode, pack, unpack_as
from schemas.errors import UsageError
from schemas.regions import Detections, Region, RegionSet
from schemas.state import MAX_APPEARANCE_BYTES, MAX_TRACK_BYTES, CameraState
from tests.support.moving import (
    BLUE,
    HEIGHT,
    RED,
    WIDTH,
    Box,
    detections,
    every,
    inside_share,
    picture,
    scene_chunk,
)

Path = Callable[[int], Box]


def line(x: float, y: float, dx: float, dy: float, side: float = 40) -> Path:
    return lambda i: (x + dx * i, y + dy * i, x + dx * i + side, y + dy * i + side * 1.25)


def scene(paths: list[tuple[Path, tuple[int, int]]], frames: range):
    """Chunk, and what a perfect detector finds in each of its frames."""
    pictures = [picture([(path(i), hue) for path, hue in paths], i) for i in frames]
    found = {i - frames.start: detections([(path(i), 0.9) for path, _ in paths]) for i in frames}
    return scene_chunk(pictures, first=frames.start, seq=frames.start // 25), found


def covered(regions: tuple[Region, ...], box: Box) -> float:
    return max((inside_share(box, region.box) for region in regions), default=0.0)


def tracks_of(result: RegionSet) -> set[int]:
    return {region.track for row in result.frames for region in row}


def test_step_object_moves_in_line_stays_covered_under_one_id() -> None:
    path = line(20, 60, 4, 1)
    chunk, found = scene([(path, RED)], range(25))
    state, result = Tracker().step(TrackerState(), chunk, every(found, 25, 5))
    assert len(result.frames) == 25 and tracks_of(result) == {1} and not result.failed
    for i, row in enumerate(result.frames):
        assert iou(row[0].box, path(i)) > 0.85
        assert row[0].source == ("detected" if i in (0, 5, 10, 15, 20, 24) else "tracked")
    assert state.next_track == 2 and len(state.tracks) == 1 and state.tracks[0].hits == 6


def test_step_object_turns_between_detections_stays_covered() -> None:
    def path(i: int) -> Box:
        x, y = 100 + 40 * (i % 10 if i % 20 < 10 else 10 - i % 10) / 10, 80
        return x, y, x + 40, y + 50

    chunk, found = scene([(path, RED)], range(25))
    _, result = Tracker().step(TrackerState(), chunk, every(found, 25, 5))
    assert min(covered(row, path(i)) for i, row in enumerate(result.frames)) > 0.85


def test_step_over_chunks_keeps_the_id() -> None:
    path = line(20, 60, 2, 0)
    one, found_one = scene([(path, RED)], range(25))
    two, found_two = scene([(path, RED)], range(25, 50))
    tracker = Tracker()
    state, first = tracker.step(TrackerState(), one, every(found_one, 25, 5), two, every(found_two, 25, 5))
    _, second = tracker.step(state, two, every(found_two, 25, 5))
    assert tracks_of(first) == tracks_of(second) == {1}


def test_step_objects_cross_keep_their_ids() -> None:
    left, right = line(20, 80, 5, 0), line(260, 84, -5, 0)
    frames = range(45)
    pictures = [picture([(left(i), RED), (right(i), BLUE)], i) for i in frames]
    chunk = scene_chunk(pictures)
    found = {}
    for i in range(0, 45, 4):
        hidden = iou(left(i), right(i)) > 0.3
        found[i] = detections([(right(i), 0.9)] if hidden else [(left(i), 0.8), (right(i), 0.9)])
    _, result = Tracker().step(TrackerState(), chunk, found)
    ids = {region.track: region for region in result.frames[0]}
    first_left = next(t for t, region in ids.items() if region.box[0] < 100)
    last_left = next(region for region in result.frames[44] if region.track == first_left)
    assert tracks_of(result) == set(ids) and iou(last_left.box, left(44)) > 0.7
    for i, row in enumerate(result.frames):
        assert covered(row, left(i)) > 0.8 and covered(row, right(i)) > 0.8


def test_step_objects_of_equal_colours_part_under_new_ids() -> None:
    left, right = line(20, 80, 5, 0), line(260, 84, -5, 0)
    chunk = scene_chunk([picture([(left(i), RED), (right(i), RED)], i) for i in range(45)])
    found = {}
    for i in range(0, 45, 4):
        hidden = iou(left(i), right(i)) > 0.3
        found[i] = detections([(right(i), 0.9)] if hidden else [(left(i), 0.8), (right(i), 0.9)])
    state, result = Tracker().step(TrackerState(), chunk, found)
    before = {region.track for region in result.frames[0]}
    after = {region.track for region in result.frames[44] if region.source == "detected"}
    assert len(before) == len(after) == 2 and not before & after
    assert not any(track.doubt for track in state.tracks if track.id in after)
    for i, row in enumerate(result.frames):
        assert covered(row, left(i)) > 0.8 and covered(row, right(i)) > 0.8


def test_step_meeting_over_a_chunk_border_is_remembered() -> None:
    left, right = line(60, 80, 5, 0), line(160, 84, -5, 0)
    pictures = [picture([(left(i), RED), (right(i), RED)], i) for i in range(24)]
    found = {i: detections([(left(i), 0.8), (right(i), 0.9)]) for i in range(0, 24, 4)}
    tracker, state = Tracker(), TrackerState()
    ids = []
    for first in (0, 12):
        part = {i - first: f for i, f in found.items() if first <= i < first + 12}
        state, result = tracker.step(state, scene_chunk(pictures[first : first + 12]), part)
        ids.append({region.track for region in result.frames[-1]})
        state = unpack_as("state", pack("state", CameraState(tracks=state.tracks, next_track=state.next_track)))
        state = TrackerState(state.next_track, state.tracks)
    assert len(ids[0]) == 2 and max(ids[1]) > 2


def test_step_larger_face_in_the_place_of_a_smaller_one_is_another() -> None:
    far, near = (100.0, 80.0, 140.0, 130.0), (90.0, 60.0, 160.0, 150.0)
    chunk = scene_chunk([picture([(far if i < 6 else near, RED)], i) for i in range(12)])
    found = {i: detections([(far if i < 6 else near, 0.9)]) for i in (0, 4, 8, 11)}
    _, result = Tracker().step(TrackerState(), chunk, found)
    assert tracks_of(result) == {1, 2}
    assert {region.track for region in result.frames[11] if region.source == "detected"} == {2}


@pytest.mark.parametrize(
    ("second", "ids"), [(138.0, {2, 3}), (200.0, {1, 2})], ids=["both fit: both are new", "one fits far better"]
)
def test_step_two_faces_where_one_was_seen_part_unless_one_fits_far_better(second: float, ids: set[int]) -> None:
    path = line(60, 60, 6, 0)
    both = [(105.0, 60.0, 145.0, 110.0), (second, 60.0, second + 40, 110.0)]
    chunk = scene_chunk([picture([(path(i), RED)], i) for i in range(10)] + [picture([(box, RED) for box in both])])
    found = {i: detections([(path(i), 0.9)]) for i in (0, 5)} | {10: detections([(box, 0.9) for box in both])}
    _, result = Tracker().step(TrackerState(), chunk, found)
    assert {region.track for region in result.frames[10] if region.source == "detected"} == ids


@pytest.mark.parametrize(
    ("last", "ids"),
    [((300.0, 62.0, 320.0, 118.0), {1}), ((296.0, 95.0, 316.0, 122.0), {1, 2}), ((300.0, 0.0, 320.0, 30.0), {1})],
    ids=["a strip as high is the same", "one half as high is another", "a corner says nothing"],
)
def test_step_at_the_edge_size_along_it_tells_another(last: Box, ids: set[int]) -> None:
    first = (290.0, 60.0 if last[1] else -20.0, 330.0, 120.0 if last[1] else 40.0)
    chunk = scene_chunk([picture([(first if i < 5 else last, RED)], i) for i in range(6)])
    _, result = Tracker().step(TrackerState(), chunk, {0: detections([(first, 0.9)]), 5: detections([(last, 0.9)])})
    assert tracks_of(result) == ids


def test_step_face_of_other_colours_in_the_same_place_is_another() -> None:
    place = (100.0, 80.0, 140.0, 130.0)
    chunk = scene_chunk([picture([(place, RED if i < 5 else BLUE)], i) for i in range(11)])
    _, result = Tracker().step(TrackerState(), chunk, {i: detections([(place, 0.9)]) for i in (0, 4, 5, 10)})
    seen = [region.track for row in result.frames for region in row if region.source == "detected"]
    assert seen == [1, 1, 2, 2]


def test_step_face_that_leaves_stays_covered_though_its_last_detection_is_short() -> None:
    path = line(250, 60, 5, 0, 60)
    chunk, found = scene([(path, RED)], range(11))
    x1, y1, x2, y2 = path(10)
    found[10] = detections([((x1, y1 + 10, x2, y2 - 10), 0.9)])
    _, result = Tracker().step(TrackerState(), chunk, every(found, 11, 5))
    assert min(covered(row, path(i)) for i, row in enumerate(result.frames)) > 0.9


def test_step_object_occluded_comes_back_under_its_id() -> None:
    path, wall = line(20, 80, 4, 0), (100.0, 40.0, 150.0, 200.0)
    pictures = [picture([(path(i), RED), (wall, (128, 128))], i) for i in range(50)]
    found = {i: detections([] if 15 <= i <= 32 else [(path(i), 0.9)]) for i in range(0, 50, 3)}
    _, result = Tracker().step(TrackerState(), scene_chunk(pictures), found)
    assert tracks_of(result) == {1}
    assert {result.frames[i][0].source for i in range(16, 33)} == {"filled"}
    assert min(covered(row, path(i)) for i, row in enumerate(result.frames)) > 0.8


def test_step_lost_object_coasts_grows_and_ends() -> None:
    box = (100.0, 80.0, 140.0, 130.0)
    pictures = [picture([(box, RED)] if i < 6 else [], i) for i in range(50)]
    found = {i: detections([(box, 0.9)] if i <= 5 else []) for i in range(0, 50, 5)}
    state, result = Tracker().step(TrackerState(), scene_chunk(pictures), found)
    coasting = [i for i, row in enumerate(result.frames) if row and row[0].source == "coasting"]
    assert coasting == list(range(10, 31)) and not state.tracks
    assert inside_share(result.frames[9][0].box, result.frames[30][0].box) > 0.99
    assert all(covered(result.frames[i], box) > 0.95 for i in coasting)


def test_step_object_found_late_is_filled_back_to_the_edge() -> None:
    path = line(-60, 60, 5, 0)
    chunk, found = scene([(path, RED)], range(30))
    late = {i: found[i] if i >= 20 else detections([]) for i in range(0, 30, 5)}
    _, result = Tracker().step(TrackerState(), chunk, late)
    visible = [i for i in range(30) if path(i)[2] > 15]
    assert min(covered(result.frames[i], path(i)) for i in visible) > 0.85
    assert {row[0].source for row in result.frames[15:20]} == {"filled"} and not result.frames[0]


def test_step_object_found_in_next_chunk_is_filled_back_with_the_id_it_gets_there() -> None:
    path, other = line(200, 60, -3, 0), line(20, 150, 1, 0)
    one, found_one = scene([(other, BLUE), (path, RED)], range(25))
    two, found_two = scene([(other, BLUE), (path, RED)], range(25, 50))
    blind = {i: detections([(other(i), 0.9)]) for i in range(0, 25, 4)}
    tracker = Tracker()
    state, first = tracker.step(TrackerState(), one, blind, two, every(found_two, 25, 5))
    _, second = tracker.step(state, two, every(found_two, 25, 5))
    assert [r.track for r in first.frames[20] if r.source == "filled"] == [2] and tracks_of(second) == {1, 2}
    assert min(covered(first.frames[i], path(i)) for i in range(5, 25)) > 0.8
    assert {track.id for track in state.tracks} == {1}


def test_step_gap_over_the_chunk_border_is_bridged() -> None:
    path = line(60, 60, 3, 0)
    one, found_one = scene([(path, RED)], range(25))
    two, found_two = scene([(path, RED)], range(25, 50))
    lost = {i: found_one[i] if i < 16 else detections([]) for i in range(0, 25, 4)}
    state, result = Tracker().step(TrackerState(), one, lost, two, every(found_two, 25, 5))
    assert result.frames[24][0].source == "filled" and iou(result.frames[24][0].box, path(24)) > 0.8
    alone_state, alone = Tracker().step(TrackerState(), one, lost)
    assert alone.frames[24][0].source == "coasting" and alone_state == state


def test_step_track_renamed_after_the_chunk_border_is_filled_from_its_last_sight() -> None:
    def path(i: int) -> Box:
        later = max(0, i - 20)
        return 100 - 6.0 * later, 80.0, 140 - 2.0 * later, 130 + 5.0 * later

    one, found_one = scene([(path, RED)], range(25))
    two, found_two = scene([(path, RED)], range(25, 30))
    once = {i: found_one[i] if i == 20 else detections([]) for i in range(0, 25, 5)}
    state, result = Tracker().step(TrackerState(), one, once, two, {0: found_two[0]})
    _, after = Tracker().step(state, two, {0: found_two[0]})
    assert tracks_of(after) == {2}
    assert min(covered(result.frames[i], path(i)) for i in range(20, 25)) > 0.98


def test_step_cut_ends_tracks_and_stops_back_fill() -> None:
    before, after = line(40, 60, 0, 0), line(200, 100, 0, 0)
    pictures = [picture([(before(i), RED)] if i < 12 else [(after(i), BLUE)], i) for i in range(25)]
    found = {i: detections([(before(i), 0.9)] if i < 12 else []) for i in (0, 5, 10, 11, 12)}
    found |= {i: detections([(after(i), 0.9)]) for i in (15, 20, 24)}
    state, result = Tracker().step(TrackerState(), scene_chunk(pictures), found, cuts=frozenset({12}))
    assert result.cuts == {12} and {track.id for track in state.tracks} == {2}
    assert [{r.track for r in row} for row in result.frames] == [{1}] * 12 + [{2}] * 13


def test_step_cut_in_next_chunk_keeps_its_objects_out() -> None:
    path = line(100, 60, 0, 0)
    one, _ = scene([], range(25))
    two, found_two = scene([(path, RED)], range(25, 50))
    nothing = {i: detections([]) for i in range(0, 25, 4)}
    _, result = Tracker().step(TrackerState(), one, nothing, two, every(found_two, 25, 5), frozenset({25}))
    assert result.frames == ((),) * 25 and result.cuts == frozenset()


def test_step_weak_detection_continues_but_starts_no_track() -> None:
    path = line(60, 60, 2, 0)
    chunk, _ = scene([(path, RED)], range(20))
    weak = {i: detections([(path(i), 0.3)]) for i in range(0, 20, 5)}
    _, none = Tracker().step(TrackerState(), chunk, weak)
    assert not tracks_of(none)
    _, one = Tracker().step(TrackerState(), chunk, weak | {0: detections([(path(0), 0.9)])})
    assert tracks_of(one) == {1} and one.frames[15][0].source == "detected"


@pytest.mark.parametrize(
    ("examined", "failed", "expected"),
    [
        ((0, 5, 10, 14), (), set()),
        ((0, 5, 10, 14), (5,), set(range(1, 10))),
        ((0, 5, 10, 14), (0,), set(range(0, 5))),
        ((0, 5, 10, 14), (14,), {11, 12, 13, 14}),
        (tuple(range(15)), (3, 9), {3, 9}),
        ((0, 7), (0, 7), set(range(15))),
        ((), (), set(range(15))),
    ],
)
def test_step_failed_examination_masks_all_that_relied_on_it(examined, failed, expected) -> None:
    chunk, _ = scene([], range(15))
    found = {i: None if i in failed else detections([]) for i in examined}
    assert Tracker().step(TrackerState(), chunk, found)[1].failed == expected


def test_step_failed_examination_at_the_start_of_the_next_chunk_masks_the_frames_before_it() -> None:
    here, after = scene_chunk([picture([])] * 10), scene_chunk([picture([])] * 10, first=10)
    found = {0: detections([]), 5: detections([])}
    step = Tracker().step
    assert step(TrackerState(), here, found, after, {0: None, 5: detections([])})[1].failed == set(range(6, 10))
    assert not step(TrackerState(), here, found, after, {0: detections([]), 5: None})[1].failed


def test_step_frames_nobody_looked_at_for_a_second_are_failed() -> None:
    chunk, found = scene([], range(40))
    _, result = Tracker().step(TrackerState(), chunk, {0: found[0], 39: found[39]})
    assert result.failed == set(range(1, 39))


def test_step_more_objects_than_tracks_masks_whole_frames() -> None:
    paths = [(line(10 + 60 * k, 60, 0, 0, 30), RED) for k in range(5)]
    chunk, found = scene(paths, range(10))
    state, result = Tracker(TrackSettings(max_tracks=3)).step(TrackerState(), chunk, every(found, 10, 3))
    assert result.failed == set(range(10)) and len(state.tracks) == 3


def test_step_twice_gives_equal_output_and_leaves_the_state() -> None:
    paths = [(line(20, 60, 4, 1), RED), (line(200, 150, -3, -2), BLUE)]
    one, found_one = scene(paths, range(25))
    two, found_two = scene(paths, range(25, 50))
    tracker = Tracker()
    state, _ = tracker.step(TrackerState(), one, every(found_one, 25, 5))
    kept = copy.deepcopy(state)
    first = tracker.step(state, two, every(found_two, 25, 5))
    second = Tracker().step(state, two, every(found_two, 25, 5))
    assert state == kept and first == second


def test_step_state_and_regions_survive_the_codec_within_a_kibibyte_a_track() -> None:
    paths = [(line(20, 60, 4.3, 1.1), RED), (line(200, 150, -3.7, -2.2), BLUE)]
    chunk, found = scene(paths, range(25))
    marks = {i: replace(f, landmarks=f.boxes[:, None, :2].repeat(5, 1) + 0.1) for i, f in found.items()}
    state, result = Tracker().step(TrackerState(), chunk, every(marks, 25, 7))
    assert all(len(track.landmarks) == 10 and len(track.histogram) == 256 for track in state.tracks)
    camera = CameraState(next_track=state.next_track, tracks=state.tracks)
    bare = len(pack("state", CameraState(next_track=state.next_track)))
    assert len(pack("state", camera)) - bare + 2 * MAX_APPEARANCE_BYTES < 2 * MAX_TRACK_BYTES
    assert unpack_as("state", pack("state", camera)) == camera
    assert decode(RegionSet, encode(result)) == result


def test_step_regions_stay_inside_the_picture() -> None:
    paths = [(line(290, 200, 1.5, 1.2), RED), (line(-20, -30, 0, 0), BLUE)]
    chunk, found = scene(paths, range(20))
    _, result = Tracker().step(TrackerState(), chunk, every(found, 20, 5))
    for row in result.frames:
        for region in row:
            x1, y1, x2, y2 = region.box
            assert 0 <= x1 < x2 <= WIDTH and 0 <= y1 < y2 <= HEIGHT and x2 - x1 >= 2 and y2 - y1 >= 2


def test_step_other_size_next_is_another_scene() -> None:
    path = line(100, 60, 0, 0)
    one, found_one = scene([(path, RED)], range(10))
    small = [replace(p.planes, y=p.planes.y[:120, :160], u=p.planes.u[:60, :80], v=p.planes.v[:60, :80])
             for p in one.frames]  # fmt: skip
    two = scene_chunk(small)
    state, result = Tracker().step(TrackerState(), one, every(found_one, 10, 4), two, {0: detections([])})
    assert tracks_of(result) == {1} and state.tracks


def test_step_index_outside_the_chunk_is_refused() -> None:
    chunk, found = scene([], range(5))
    with pytest.raises(UsageError, match="frame 7"):
        Tracker().step(TrackerState(), chunk, {7: found[0]})


def test_step_two_kinds_never_share_a_track() -> None:
    box = (100.0, 80.0, 140.0, 130.0)
    chunk, _ = scene([(lambda i: box, RED)], range(10))
    both: dict[int, Detections | tuple[Detections, ...] | None] = {
        i: (detections([(box, 0.9)]), detections([(box, 0.8)], "plate")) for i in (0, 5, 9)
    }
    _, result = Tracker().step(TrackerState(), chunk, both)
    assert [[(r.track, r.kind) for r in row] for row in result.frames] == [[(1, "face"), (2, "plate")]] * 10


def test_step_back_fill_ends_on_the_detections_of_another_track() -> None:
    path = line(100, 60, 0, 0)
    chunk, found = scene([(path, RED)], range(40))
    swapped = {i: found[i] for i in range(0, 21, 2)}
    swapped |= {i: detections([(path(i), 0.9), (line(115, 60, 0, 0)(i), 0.8)]) for i in range(22, 40, 2)}
    _, result = Tracker().step(TrackerState(), chunk, swapped)
    assert {r.track for r in result.frames[21]} == {1, 2}
    assert {r.track for r in result.frames[5]} == {1}
