"""PyramidFace: decoding worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from operators.detect import PyramidFace
from schemas.errors import ConfigError


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
