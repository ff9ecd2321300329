"""Which frames of a chunk are looked at, and where one look more is worth it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from operators import effort
from operators.desensitise.policy import Policy
from operators.examine import Examiner, looks_between
from operators.track import Difference
from schemas.frames import CodedUnit, DecodedChunk, FrameChunk, Planes, RawFrame, VideoFormat
from schemas.regions import Detections, PartlySeen, boxes
from tests.support.scenes import FACE, chunk
from tests.unit.test_watch import FORMAT as WIDE_FORMAT
from tests.unit.test_watch import Bright
from tests.unit.test_watch import picture as bright

HERE, THERE = (16, 32), (96, 32)


class Squares:
    """Finds a textured square in each of two places, by how much its samples differ."""

    def detect_planes(self, planes: Planes, video: VideoFormat, size: int) -> tuple[Detections, ...]:
        seen = [(x, y) for x, y in (HERE, THERE) if planes.y[y : y + FACE, x : x + FACE].std() > 25]
        scores = np.full(len(seen), 0.9, np.float32)
        marks = np.zeros((len(seen), 0, 2), np.float32)
        return (Detections("face", boxes([(x, y, x + FACE, y + FACE) for x, y in seen]), scores, marks),)


def shown(*runs: tuple[int, int]) -> list[list[tuple[int, int]]]:
    """Ten frames, in which each place shows a square from the first frame of its run up to the last but one."""
    return [[place for place, (first, end) in zip((HERE, THERE), runs, strict=True) if first <= i < end]
            for i in range(10)]


ALWAYS, NEVER = (0, 10), (0, 0)


@pytest.mark.parametrize(
    ("here", "following", "looks"),
    [
        ((ALWAYS, ALWAYS), None, [0, 5, 9]),
        ((ALWAYS, (3, 10)), None, [0, 2, 5, 9]),
        ((ALWAYS, (0, 6)), None, [0, 5, 9]),
        ((ALWAYS, NEVER), (ALWAYS, NEVER), [0, 5]),
        ((ALWAYS, NEVER), (ALWAYS, ALWAYS), [0, 5, 7]),
        ((NEVER, (1, 10)), (ALWAYS, NEVER), [0, 2, 5, 7]),
    ],
)
def test_of_looks_between_what_does_not_agree(here, following, looks) -> None:
    one = chunk(shown(*here), 0, end=following is None)
    two = None if following is None else chunk(shown(*following), 1, end=True)
    examined, ahead = Examiner(Policy({}), Squares()).of(one, two)
    assert sorted(examined.found) == looks
    assert ahead is None or sorted(ahead.found) == [0, 5]


def test_of_a_late_camera_looks_no_more_than_planned() -> None:
    one, two = chunk(shown(ALWAYS, (3, 10)), 0), chunk(shown(NEVER, ALWAYS), 1, end=True)
    examined, _ = Examiner(Policy({}), Squares()).of(one, two, effort.SPARSE, effort.FULL)
    assert sorted(examined.found) == [0, 5]


def test_of_single_pictures_each_is_looked_at() -> None:
    one, two = (replace(chunk(shown(ALWAYS, (3, 4)), seq, end=seq == 1), stills=True) for seq in range(2))
    examined, ahead = Examiner(Policy({}), Squares()).of(one, two)
    assert sorted(examined.found) == list(range(10)) and ahead is not None and sorted(ahead.found) == list(range(10))
    seen = examined.found[3]
    assert seen is not None and [len(kind.boxes) for kind in seen] == [2]


@pytest.mark.parametrize(("watch", "asked"), [(True, 2), (False, 3)])
def test_of_a_place_where_nothing_moves_is_searched_once(watch, asked) -> None:
    class Counting(Squares):
        count = 0

        def detect_planes(self, planes: Planes, video: VideoFormat, size: int) -> tuple[Detections, ...]:
            self.count += 1
            return super().detect_planes(planes, video, size)

    finder, one = Counting(), chunk(shown(ALWAYS, ALWAYS), 0, end=True)
    examined, _ = Examiner(Policy({}, watch=watch), finder).of(one, None)
    assert sorted(examined.found) == [0, 5, 9] and all(len(seen[0].boxes) == 2 for seen in examined.found.values())
    assert finder.count == asked  # the last frame of a video is searched whole


def test_chunk_that_is_expected_is_looked_at_once_the_one_before_is_asked_for_one_of_all_cameras() -> None:
    examiner = Examiner(Policy({}), Squares())
    chunks = [chunk(shown(ALWAYS, NEVER), seq, end=seq == 3) for seq in range(4)]
    others = [replace(one, camera_id="other", video_id="other") for one in chunks]
    for camera in (chunks, others):
        examiner.expect(camera[2])
        assert kept(examiner, camera[0].camera_id) == []
        examiner.of(camera[0], camera[1])
    assert [kept(examiner, camera) for camera in ("cam", "other")] == [[0, 1, 2], [0, 1]]
    for camera in (chunks, others):
        examiner.expect(camera[3])
        examiner.of(camera[1], camera[2])
    assert [kept(examiner, camera) for camera in ("cam", "other")] == [[1, 2, 3], [1, 2]]
    examiner.forget("cam")
    examiner.expect(others[3])
    examiner.of(others[1], others[2])
    assert [kept(examiner, camera) for camera in ("cam", "other")] == [[], [1, 2, 3]]


def test_look_at_another_level_than_expected_is_as_if_nobody_had_expected_it() -> None:
    zero, one = chunk(shown(ALWAYS, NEVER), 0), chunk(shown(ALWAYS, (3, 10)), 1, end=True)
    foreseen, plain = Examiner(Policy({}), Squares()), Examiner(Policy({}), Squares())
    foreseen.expect(one, effort.SPARSE)
    foreseen.of(zero, None)
    seen = [examiner.of(one, None)[0] for examiner in (foreseen, plain)]
    assert sorted(seen[0].found) == sorted(seen[1].found) == [0, 2, 5, 9]
    foreseen.take(one)
    assert kept(foreseen, "cam") == []


def test_what_was_expected_and_has_passed_unseen_is_not_looked_at() -> None:
    examiner = Examiner(Policy({}), Squares())
    chunks = [chunk(shown(ALWAYS, NEVER), seq, end=seq == 4) for seq in range(5)]
    examiner.expect(chunks[2])
    examiner.of(chunks[3], chunks[4])
    assert kept(examiner, "cam") == [3, 4]


def test_chunk_that_will_be_masked_whole_is_not_looked_at() -> None:
    examiner = Examiner(Policy({}), Squares())
    examiner.expect(chunk(shown(ALWAYS, NEVER), 1, end=True), effort.WHOLE)
    examiner.of(chunk(shown(ALWAYS, NEVER), 0), None)
    assert kept(examiner, "cam") == [0]


def kept(examiner: Examiner, camera: str) -> list[int]:
    """The chunks of a camera whose pictures are kept."""
    return sorted(one.chunk_seq for one, _ in examiner._kept.get(camera, {}).values())


@pytest.mark.parametrize(("watch", "partly"), [(True, True), (False, False)])
def test_looks_between_search_where_looks_differ_or_everywhere(watch: bool, partly: bool) -> None:
    frames = [bright(), bright((240, 200)), bright((300, 200))]
    units = tuple(CodedUnit(i, b"") for i in range(3))
    shown = DecodedChunk(FrameChunk("cam", "vid", 0, 0, 0, WIDE_FORMAT, "h264", units, 3),
                         tuple(RawFrame(i, i, one) for i, one in enumerate(frames)))
    known = Bright().detect_planes(frames[2], WIDE_FORMAT, 1280)
    found = looks_between(Bright(), shown, {1: Difference(known.boxes, (known,))}, Policy({}, watch=watch))
    assert isinstance(found[1], PartlySeen) == partly
    seen = found[1].found if isinstance(found[1], PartlySeen) else found[1]
    assert seen is not None and seen[0].boxes.tolist() == [[240, 200, 304, 264]]
