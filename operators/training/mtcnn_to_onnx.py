"""Turn the weights in the package `mtcnn` 1.0.0 (`assets/weights/{p,r,o}net.lz4`) into ONNX files.

Each file is an LZ4 frame around a list that joblib wrote: for every array a short description, then a length byte, so
many bytes of padding, and the numbers as they are. Descriptions are skipped, never interpreted: which arrays follow
each other is known (`mtcnn/network/*.py` of that version), and every one, and the end, must be where it's expected.
Layout of the networks: Zhang et al., "Joint Face Detection and Alignment Using Multi-task Cascaded Convolutional
Networks" (2016). Input `pictures` float32 (n, 3, h, w) RGB, (value - 127.5) / 128; outputs `scores` (of two classes:
the second is face), `boxes` and, of the last network, `points`. P-Net takes any size; R-Net 24x24, O-Net 48x48.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from operators.training.onnx_graph import Graph
from schemas.errors import ConfigError

_HEADER = 300
_BEFORE = b"K\x10ub"
"""The end of a description: arrays are aligned to 16 bytes, and the object is done."""
_END = b"e."
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Net:
    """One of the three: sides of its input (0: any), (kernel, filters, pooling) of its convolutions, width of its dense
    layer (0: none), and its heads by name and width, in the order of the file.
    """

    side: int
    convolutions: tuple[tuple[int, int, tuple[int, str] | None], ...]
    dense: int
    heads: tuple[tuple[str, int], ...]


_SAME, _VALID = "SAME_UPPER", "VALID"
_BOX, _POINTS, _SCORE = ("boxes", 4), ("points", 10), ("scores", 2)
NETS = {
    "mtcnn-p": Net(0, ((3, 10, (2, _SAME)), (3, 16, None), (3, 32, None)), 0, (_BOX, _SCORE)),
    "mtcnn-r": Net(24, ((3, 28, (3, _SAME)), (3, 48, (3, _VALID)), (2, 64, None)), 128, (_BOX, _SCORE)),
    "mtcnn-o": Net(
        48, ((3, 32, (3, _SAME)), (3, 64, (3, _VALID)), (3, 64, (2, _SAME)), (2, 128, None)), 256,
        (_BOX, _POINTS, _SCORE),
    ),
}  # fmt: skip
_FLAT = {"mtcnn-r": 576, "mtcnn-o": 1152}


def convert(data: bytes, name: str) -> bytes:
    """The bytes of one weights file as those of an ONNX file; the same input gives the same bytes.

    Raises:
        ConfigError: another file, a damaged one, or the packages `lz4` and `onnx` aren't installed.

    """
    return to_onnx(read(_unpacked(data), name), name)


def _unpacked(data: bytes) -> bytes:
    try:
        import lz4.frame
    except ImportError as error:
        raise ConfigError("converting MTCNN needs the package lz4: pip install 'sealframe[mtcnn]'") from error
    try:
        return bytes(lz4.frame.decompress(data))
    except RuntimeError as error:
        raise ConfigError("the MTCNN file is no LZ4 frame, or is cut short") from error


def shapes(name: str) -> Iterator[tuple[int, ...]]:
    """The shapes of a network's arrays, in the order of its file: each layer's kernel, bias and slope."""
    net, channels = NETS[name], 3
    for kernel, filters, _ in net.convolutions:
        yield kernel, kernel, channels, filters
        yield (filters,)
        yield 1, 1, filters
        channels = filters
    if net.dense:
        yield from ((_FLAT[name], net.dense), (net.dense,), (net.dense,))
    for _, width in net.heads:
        yield (net.dense, width) if net.dense else (1, 1, channels, width)
        yield (width,)


def read(data: bytes, name: str) -> list[Floats]:
    """The arrays of an unpacked file.

    Raises:
        ConfigError: an array isn't where it should be, or bytes are left over or missing.

    """
    arrays, at = [], 0
    for shape in shapes(name):
        found = data.find(_BEFORE, at, at + _HEADER)
        start = found + len(_BEFORE)
        if found < 0 or start >= len(data):
            raise ConfigError(f"the MTCNN file has no array of shape {shape} after byte {at}")
        start += 1 + data[start]
        at = start + 4 * math.prod(shape)
        if start > found + len(_BEFORE) + 17 or at > len(data):
            raise ConfigError(f"the MTCNN file is cut short, or has no array of shape {shape} at byte {start}")
        arrays.append(np.frombuffer(data[start:at], "<f4").reshape(shape))
    if data[at:] != _END or not all(np.isfinite(array).all() for array in arrays):
        raise ConfigError("the MTCNN file goes on after its network, or holds what aren't numbers")
    return arrays


def to_onnx(arrays: Sequence[Floats], name: str) -> bytes:
    """A network with these arrays as the bytes of an ONNX file.

    Raises:
        ConfigError: `onnx` isn't installed.

    """
    try:
        import onnx
        import onnx.helper
        import onnx.numpy_helper
    except ImportError as error:
        raise ConfigError("converting models needs the package onnx: pip install 'sealframe[mtcnn]'") from error
    net, graph, left, value = NETS[name], Graph(onnx), iter(arrays), "pictures"
    for _, _, pooling in net.convolutions:
        kernel, bias, slope = next(left), next(left), next(left)
        value = graph.node("Conv", [value, graph.constant(kernel.transpose(3, 2, 0, 1)), graph.constant(bias)])
        value = graph.node("PRelu", [value, graph.constant(slope.reshape(-1, 1, 1))])
        if pooling:
            side, padding = pooling
            value = graph.node("MaxPool", [value], kernel_shape=[side, side], strides=[2, 2], auto_pad=padding)
    if net.dense:
        # Columns before rows, channels last: the weights come from a library that stores pictures that way.
        value = graph.node("Flatten", [graph.node("Transpose", [value], perm=[0, 3, 2, 1])])
        weights, bias, slope = next(left), next(left), next(left)
        value = graph.node("Gemm", [value, graph.constant(weights), graph.constant(bias)])
        value = graph.node("PRelu", [value, graph.constant(slope)])
    for head, _ in net.heads:
        _head(graph, value, head, next(left), next(left))
    return _file(graph, name)


def _head(graph: Graph, value: str, head: str, weights: Floats, bias: Floats) -> None:
    """One output, by a convolution of one pixel or a matrix; scores as shares."""
    convolution = weights.ndim == 4
    kernel = weights.transpose(3, 2, 0, 1) if convolution else weights
    kind, output = "Conv" if convolution else "Gemm", "" if head == "scores" else head
    value = graph.node(kind, [value, graph.constant(kernel), graph.constant(bias)], output)
    if head == "scores":
        graph.node("Softmax", [value], head, axis=1)


def _file(graph: Graph, name: str) -> bytes:
    net, helper, element = NETS[name], graph.onnx.helper, graph.onnx.TensorProto.FLOAT
    sides = [net.side or "h", net.side or "w"]
    pictures = helper.make_tensor_value_info("pictures", element, ["n", 3, *sides])
    outputs = [
        helper.make_tensor_value_info(head, element, ["n", width] + ([] if net.dense else ["rows", "columns"]))
        for head, width in net.heads
    ]
    return graph.file(name, [pictures], outputs)
