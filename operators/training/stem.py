"""The first convolution of an INT8 network, so that a CPU runs it fast; its answers stay bit by bit the same.

Three channels fill a vector register badly: at 704x736 the first 3x3 convolution (stride 2) took 8 of 27 ms. Two by two
pixels as one of 12 channels make it a 2x2 convolution with stride 1 (space to depth, as in Ridnik et al., "TResNet",
2021), in 5 ms less; and the picture comes in as bytes, so nothing is quantised at run time.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

BLOCK = 2
_PLACES = ((0, 1), (1, 0), (1, 1))
"""Of the taps of a side: which block, and which of its two pixels."""


def fold(path: Path) -> None:
    """Rewrite the file in place: input uint8 (n, 3, h, w), first convolution over pixels two by two.

    Raises:
        ValueError: it doesn't begin with a quantised picture (scale 1, zero 0) and a 3x3 convolution of stride 2.

    """
    model = onnx.load(str(path))
    graph = model.graph
    constants = {one.name: one for one in graph.initializer}
    quantised = _reader(graph, graph.input[0].name, "QuantizeLinear")
    whole = _reader(graph, quantised.output[0], "DequantizeLinear")
    first = _reader(graph, whole.output[0], "Conv")
    weights = next(node for node in graph.node if first.input[1] in node.output)
    _check(first, [numpy_helper.to_array(constants[name]) for name in quantised.input[1:]])

    kernel = constants[weights.input[0]]
    kernel.CopyFrom(numpy_helper.from_array(by_blocks(numpy_helper.to_array(kernel)), kernel.name))
    del first.attribute[:]
    first.attribute.extend(
        helper.make_attribute(name, value)
        for name, value in (("kernel_shape", [2, 2]), ("pads", [1, 1, 0, 0]), ("strides", [1, 1]), ("group", 1))
    )
    blocks = helper.make_node("SpaceToDepth", [graph.input[0].name], ["blocks"], "blocks", blocksize=BLOCK)
    graph.node.remove(quantised)
    graph.node.insert(0, blocks)
    whole.input[0] = blocks.output[0]
    graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    onnx.save(model, str(path))


def by_blocks(kernel: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """(out, 3, 3, 3) for a stride of 2 and one zero around -> (out, 12, 2, 2) over blocks, one zero above and left.

    Tap k of a side reads pixel 2 y - 1 + k: of the block before (k = 0) its second one, of block y the first or second.
    """
    out = np.zeros((kernel.shape[0], BLOCK * BLOCK * kernel.shape[1], 2, 2), kernel.dtype)
    for down, (row, inner_row) in enumerate(_PLACES):
        for right, (column, inner_column) in enumerate(_PLACES):
            start = (inner_row * BLOCK + inner_column) * kernel.shape[1]
            out[:, start : start + kernel.shape[1], row, column] = kernel[:, :, down, right]
    return out


def unfolded(kernel: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The kernel that `by_blocks` was given."""
    out = np.zeros((kernel.shape[0], kernel.shape[1] // BLOCK**2, 3, 3), kernel.dtype)
    for down, (row, inner_row) in enumerate(_PLACES):
        for right, (column, inner_column) in enumerate(_PLACES):
            start = (inner_row * BLOCK + inner_column) * out.shape[1]
            out[:, :, down, right] = kernel[:, start : start + out.shape[1], row, column]
    return out


def _reader(graph: onnx.GraphProto, name: str, kind: str) -> onnx.NodeProto:
    readers = [node for node in graph.node if name in node.input]
    if len(readers) != 1 or readers[0].op_type != kind:
        raise ValueError(f"{name} isn't read by one {kind}")
    return readers[0]


def _check(first: onnx.NodeProto, scale: list[npt.NDArray[np.generic]]) -> None:
    found = {one.name: helper.get_attribute_value(one) for one in first.attribute}
    wanted = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2], "group": 1}
    if any(found.get(name) != value for name, value in wanted.items()):
        raise ValueError("the first convolution isn't 3x3 with stride 2 and one zero around")
    if float(scale[0]) != 1 or int(scale[1]) != 0:
        raise ValueError("the picture isn't quantised by a scale of 1 from zero on")
