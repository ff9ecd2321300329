"""The plate detector: decoding worked out by hand, and the shipped network on drawn plates in a picture."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from infra.models import PLATE_DETECTOR, resolve
from operators.detect import PlateDetector, PyramidPlate
from operators.detect.measure import overlaps
from schemas.errors import ConfigError
from schemas.frames import Planes, VideoFormat
from streams.setup import plate_detector
from tests.support.pictures import astronaut


def _outputs() -> list[np.ndarray]:
    outputs = [np.zeros((1, 13, 64 // stride, 96 // stride), np.float32) for stride in (8, 16, 32)]
    for output in outputs:
        output[0, 0] = -20
    return outputs


def test_decode_one_cell_gives_box_and_corners_worked_out_by_hand():
    outputs = _outputs()
    cell = outputs[0][0, :, 3, 5]  # centre x (5 + .5) * 8 = 44, y (3 + .5) * 8 = 28
    cell[0] = np.log(4)  # score 4 / 5
    cell[1:3] = 0.5, -0.25  # centre x 48, y 26
    cell[3:5] = np.log([4, 1])  # width 32, height 8
    cell[5:] = -1.5, -1, 2.5, -1, 2.5, 0.5, -1.5, 0.5  # x 44 - 12, 44 + 20; y 28 - 8, 28 + 4
    found = PyramidPlate().decode(outputs, 64, 96, 0.5)
    np.testing.assert_allclose(found.boxes, [[32, 22, 64, 30]], rtol=1e-5)
    np.testing.assert_allclose(found.scores, [0.8], rtol=1e-5)
    np.testing.assert_allclose(found.landmarks, [[[32, 20], [64, 20], [64, 32], [32, 32]]], rtol=1e-5)


def test_decode_nothing_above_the_threshold_gives_empty_arrays():
    found = PyramidPlate().decode(_outputs(), 64, 96, 0.5)
    assert found.boxes.shape == (0, 4) and found.scores.shape == (0,) and found.landmarks.shape == (0, 4, 2)


@pytest.mark.parametrize("channels", [12, 15])
def test_decode_outputs_of_another_make_raise(channels):
    outputs = [np.zeros((1, channels, 64 // stride, 96 // stride), np.float32) for stride in (8, 16, 32)]
    with pytest.raises(ConfigError, match="PyramidPlate: outputs of shapes"):
        PyramidPlate().decode(outputs, 64, 96, 0.5)


CORNERS = np.array([[180, 150], [330, 162], [326, 202], [176, 188]], np.float32)


def _street() -> np.ndarray:
    """A dark car's end with an oblique plate on a grey road: no drawing code of the training has a part in it."""
    picture = np.full((384, 640, 3), 120, np.uint8)
    picture[:60] = (150, 180, 210)
    cv2.rectangle(picture, (90, 70), (430, 270), (50, 45, 48), -1)
    cv2.rectangle(picture, (120, 78), (400, 130), (20, 24, 30), -1)
    plate = np.full((100, 400, 3), 235, np.uint8)
    cv2.rectangle(plate, (0, 0), (399, 99), (20, 20, 20), 3)
    cv2.rectangle(plate, (0, 0), (40, 99), (20, 60, 160), -1)
    cv2.putText(plate, "KA 728 ZT", (56, 74), cv2.FONT_HERSHEY_SIMPLEX, 1.9, (15, 15, 15), 8, cv2.LINE_AA)
    source = np.array([[0, 0], [400, 0], [400, 100], [0, 100]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, CORNERS)
    cv2.warpPerspective(plate, matrix, (640, 384), dst=picture, borderMode=cv2.BORDER_TRANSPARENT)
    return cv2.GaussianBlur(picture, (0, 0), 0.7)


@pytest.fixture(scope="module")
def detector() -> PlateDetector:
    return plate_detector(0.5)


def test_detect_drawn_plate_in_a_picture_gives_its_box_and_corners_in_reading_order(detector):
    found = detector.detect(_street())
    assert found.kind == "plate" and found.landmarks.shape == (1, 4, 2)
    box = np.concatenate([CORNERS.min(0), CORNERS.max(0)])[None]
    assert overlaps(found.boxes, box)[0, 0] > 0.6
    assert np.abs(found.landmarks[0] - CORNERS).max() < 16


def test_detect_portrait_and_noise_find_nothing(detector):
    noise = np.random.default_rng(1).integers(0, 256, (160, 160, 3), np.uint8)
    assert len(detector.detect(noise).boxes) == 0
    assert len(detector.detect(astronaut()).boxes) == 0


def test_detect_twice_gives_equal_boxes(detector):
    first, second = (detector.detect(_street()) for _ in range(2))
    assert first.boxes.tobytes() == second.boxes.tobytes()
    assert first.landmarks.tobytes() == second.landmarks.tobytes()


def test_detect_planes_gives_samples_of_the_frame(detector):
    large = cv2.resize(_street(), (1280, 768))
    coded = cv2.cvtColor(large, cv2.COLOR_RGB2YUV_I420).reshape(-1)
    y, u, v = np.split(coded, [1280 * 768, 1280 * 768 * 5 // 4])
    planes = Planes(y.reshape(768, 1280), u.reshape(384, 640), v.reshape(384, 640))
    found = detector.detect_planes(planes, VideoFormat(1280, 768, Fraction(1, 25)))
    assert len(found.boxes) == 1
    assert np.abs(found.landmarks[0] - 2 * CORNERS).max() < 32


def test_shipped_network_is_small():
    assert resolve(PLATE_DETECTOR, Path()).stat().st_size <= 8 * 2**20
