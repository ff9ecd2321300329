"""PyramidFace: decoding worked out by hand, and the shipped network on a real face."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from infra.models import resolve
from operators.detect import FaceDetector, PyramidFace
from operators.detect.measure import overlaps
from schemas.errors import ConfigError
from tests.support.pictures import ASTRONAUT_FACE, astronaut


def _outputs() -> list[np.ndarray]:
    outputs = [np.zeros((1, 15, 64 // stride, 96 // stride), np.float32) for stride in (8, 16, 32)]
    for output in outputs:
        output[0, 0] = -20
    return outputs


def test_decode_one_cell_gives_the_box_worked_out_by_hand():
    outputs = _outputs()
    cell = outputs[1][0, :, 2, 3]  # centre x (3 + .5) * 16 = 56, y (2 + .5) * 16 = 40
    cell[0] = np.log(3)  # score 3 / 4
    cell[1:3] = 0.25, -0.5  # centre x 60, y 32
    cell[3:5] = np.log([2, 3])  # width 32, height 48
    cell[5:7] = -1, 0.5  # first point x 56 - 16, y 40 + 8
    found = PyramidFace().decode(outputs, 64, 96, 0.5)
    np.testing.assert_allclose(found.boxes, [[44, 8, 76, 56]], rtol=1e-5)
    np.testing.assert_allclose(found.scores, [0.75], rtol=1e-5)
    np.testing.assert_allclose(found.landmarks[0, 0], [40, 48], rtol=1e-5)
    assert found.landmarks.shape == (1, 5, 2)


def test_decode_nothing_above_the_threshold_gives_empty_arrays():
    found = PyramidFace().decode(_outputs(), 64, 96, 0.5)
    assert found.boxes.shape == (0, 4) and found.scores.shape == (0,) and found.landmarks.shape == (0, 5, 2)


def test_decode_wrong_shapes_raises():
    with pytest.raises(ConfigError, match="shapes"):
        PyramidFace().decode(_outputs(), 64, 64, 0.5)


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector(resolve("pyramid-face", Path()), PyramidFace(), score=0.5)


def test_detect_portrait_finds_one_face_with_ordered_landmarks(detector):
    found = detector.detect(astronaut())
    assert len(found.boxes) == 1
    assert overlaps(found.boxes, np.array([ASTRONAUT_FACE], np.float32))[0, 0] > 0.6
    left, right, nose, mouth_left, mouth_right = found.landmarks[0]
    assert left[0] < nose[0] < right[0]
    assert mouth_left[0] < mouth_right[0]
    assert max(left[1], right[1]) < nose[1] < min(mouth_left[1], mouth_right[1])


def test_detect_noise_finds_nothing(detector):
    noise = np.random.default_rng(1).integers(0, 256, (160, 160, 3), np.uint8)
    assert len(detector.detect(noise).boxes) == 0


def test_detect_twice_gives_equal_boxes(detector):
    first, second = (detector.detect(astronaut()) for _ in range(2))
    assert first.boxes.tobytes() == second.boxes.tobytes()
