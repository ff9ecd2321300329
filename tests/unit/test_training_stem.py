"""The first convolution over blocks of pixels says what it said over pixels."""

from __future__ import annotations

import importlib.util

import numpy as np
import numpy.typing as npt
import pytest

needs_onnx = pytest.mark.skipif(importlib.util.find_spec("onnx") is None, reason="onnx isn't installed (extra `train`)")
Grid = npt.NDArray[np.int64]


def _sums(padded: Grid, kernel: Grid, stride: int, rows: int, columns: int) -> Grid:
    """A convolution by its definition: (out, rows, columns)."""
    side = kernel.shape[2]
    out = np.zeros((len(kernel), rows, columns), np.int64)
    for y in range(rows):
        for x in range(columns):
            seen = padded[:, stride * y : stride * y + side, stride * x : stride * x + side]
            out[:, y, x] = (kernel * seen).sum((1, 2, 3))
    return out


@needs_onnx
def test_by_blocks_gives_the_same_sums() -> None:
    from operators.training.stem import by_blocks

    rng = np.random.default_rng(7)
    picture = rng.integers(0, 256, (3, 8, 12))
    kernel = rng.integers(-128, 128, (4, 3, 3, 3)).astype(np.int8)
    blocks = picture.reshape(3, 4, 2, 6, 2).transpose(2, 4, 0, 1, 3).reshape(12, 4, 6)
    wanted = _sums(np.pad(picture, ((0, 0), (1, 1), (1, 1))), kernel.astype(np.int64), 2, 4, 6)
    found = _sums(np.pad(blocks, ((0, 0), (1, 0), (1, 0))), by_blocks(kernel).astype(np.int64), 1, 4, 6)
    assert np.array_equal(found, wanted)


@needs_onnx
def test_fold_refuses_another_first_layer(tmp_path) -> None:
    import onnx
    from onnx import TensorProto, helper

    from operators.training.stem import fold

    shape = [1, 3, 8, 8]
    graph = helper.make_graph(
        [helper.make_node("Relu", ["picture"], ["out"])], "other",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, shape)],
    )  # fmt: skip
    path = tmp_path / "other.onnx"
    onnx.save(helper.make_model(graph), str(path))
    with pytest.raises(ValueError, match="picture isn't read by one QuantizeLinear"):
        fold(path)
