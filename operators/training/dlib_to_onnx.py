"""Turn dlib's face recognition network (`dlib_face_recognition_resnet_model_v1.dat`) into an ONNX file.

The file is a stream of self-describing numbers (dlib/serialize.h, dlib/dnn/layers.h describe them). Here it is read
without dlib; every layer, and the end of the file, must be where they are expected. The batch normalisations, already
affine in the file, and the input's mean and scale are folded into the convolutions, in double precision.
Result: input `chips` uint8 (n, 150, 150, 3) RGB, output `features` float32 (n, 128), not normalised.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from operators.training.onnx_graph import Graph
from schemas.errors import ConfigError

SIDE, FEATURES = 150, 128
_PIXEL_SCALE = 256.0
_INPUT_TAG = b"input_rgb_image_sized"
_LAYER, _TAG, _INNERMOST = 2, 1, 3

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: its dlib name, its whole numbers, its weights. A `tag` marks a place that later layers go back to."""

    name: str
    numbers: tuple[int, ...] = ()
    weights: Floats = field(default_factory=lambda: np.empty(0, np.float32))


@dataclass(frozen=True, slots=True)
class Net:
    """The layers, from the picture on, and the mean of R, G, B."""

    mean: tuple[float, float, float]
    layers: tuple[Layer, ...]


def convert(data: bytes) -> bytes:
    """The bytes of dlib's file as those of an ONNX file; the same input gives the same bytes.

    Raises:
        ConfigError: another network, a damaged file, or the package `onnx` isn't installed.

    """
    return to_onnx(read_net(data))


class _Reader:
    """dlib's serialisation: each value says its own length."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, size: int) -> bytes:
        """The next bytes as they are."""
        part = self._data[self._at : self._at + size]
        if len(part) != size:
            raise ConfigError("the dlib file is cut short")
        self._at += size
        return part

    def integer(self) -> int:
        """A control byte (low 4 bits: size, bit 7: sign), then the magnitude, little-endian."""
        control = self.take(1)[0]
        if not 1 <= control & 15 <= 8 or control & 0x70:
            raise ConfigError(f"the dlib file has no number at byte {self._at - 1}")
        value = int.from_bytes(self.take(control & 15), "little")
        return -value if control & 0x80 else value

    def integers(self, count: int) -> tuple[int, ...]:
        """Several numbers."""
        return tuple(self.integer() for _ in range(count))

    def string(self) -> str:
        """A length and its bytes."""
        return self.take(self.integer()).decode("latin-1")

    def real(self) -> float:
        """Mantissa and exponent."""
        mantissa, exponent = self.integers(2)
        return math.ldexp(mantissa, exponent)

    def reals(self, count: int) -> tuple[float, ...]:
        """Several fractions."""
        return tuple(self.real() for _ in range(count))

    def booleans(self, count: int) -> None:
        """Several flags: the characters 0 and 1; their values don't matter here."""
        if set(self.take(count)) - set(b"01"):
            raise ConfigError(f"the dlib file has no flag before byte {self._at}")

    def tensor(self) -> Floats:
        """Version 2, four sizes, float32 little-endian; flat."""
        if self.integer() != 2:
            raise ConfigError(f"the dlib file has no tensor before byte {self._at}")
        count = math.prod(self.integers(4))
        return np.frombuffer(self.take(4 * count), "<f4")

    def alias(self) -> tuple[int, ...]:
        """Version 1, four sizes: a window into a tensor."""
        version, *sizes = self.integers(5)
        if version != 1:
            raise ConfigError(f"the dlib file has no alias before byte {self._at}")
        return tuple(sizes)

    def finished(self) -> bool:
        """Nothing is left."""
        return self._at == len(self._data)


def read_net(data: bytes) -> Net:
    """The network in dlib's file.

    Raises:
        ConfigError: another network, or bytes that are left over or missing.

    """
    reader = _Reader(data)
    if reader.integer() != 1 or reader.string() != "loss_metric_2":
        raise ConfigError("not a dlib metric network")
    reader.reals(2)
    wrappers: list[int] = []
    while (version := reader.integer()) != len(_INPUT_TAG):
        wrappers.append(version)
    if reader.take(len(_INPUT_TAG)) != _INPUT_TAG or wrappers.count(_INNERMOST) != 1 or wrappers[-1] != _INNERMOST:
        raise ConfigError("not a dlib network over RGB pictures")
    red, green, blue = reader.reals(3)
    if reader.integers(2) != (SIDE, SIDE):
        raise ConfigError("not a dlib network over 150x150 pictures")
    layers = tuple(Layer("tag") if version == _TAG else _read_layer(reader, version) for version in reversed(wrappers))
    if not reader.finished():
        raise ConfigError("the dlib file goes on after its network")
    return Net((red, green, blue), layers)


def _read_layer(reader: _Reader, wrapper: int) -> Layer:
    """Details of one layer, then the flags and the empty gradients that training left."""
    if wrapper not in (_LAYER, _INNERMOST):
        raise ConfigError(f"dlib layer wrapper {wrapper} is unknown")
    name = reader.string()
    if name == "con_4":
        weights, sizes = reader.tensor(), reader.integers(7)
        layer = Layer(name, reader.alias() + sizes[3:], weights)
        reader.alias()
        reader.reals(4)
    elif name == "affine_":
        layer = Layer(name, (), reader.tensor())
        reader.alias(), reader.alias(), reader.integer()
    elif name in ("max_pool_2", "avg_pool_2"):
        layer = Layer(name, reader.integers(6))
    elif name == "fc_2":
        sizes = reader.integers(2)
        layer = Layer(name, (sizes[1], sizes[0]), reader.tensor())
        reader.alias(), reader.alias(), reader.integer(), reader.reals(4)
    elif name in ("relu_", "add_prev_"):
        layer = Layer(name)
    else:
        raise ConfigError(f"dlib layer {name!r} is unknown")
    reader.booleans(3)
    if any(reader.tensor().size for _ in range(3)):
        raise ConfigError(f"dlib layer {name!r} holds more than weights")
    if wrapper == _INNERMOST:
        reader.integer()
    return layer


@dataclass(frozen=True, slots=True)
class _Value:
    """A tensor of the graph: its name and its channels, height, width."""

    name: str
    shape: tuple[int, int, int]


class _Graph(Graph):
    """With what a dlib network is made of."""

    def windowed(self, kind: str, value: _Value, channels: int, numbers: Sequence[int], *weights: str) -> _Value:
        """Convolution or pooling; numbers: kernel, stride, padding, each y x. Sizes round down, as dlib's do."""
        kernel, stride, padding = numbers[:2], numbers[2:4], numbers[4:6]
        extent = [
            (size + 2 * pad - window) // step + 1
            for size, window, step, pad in zip(value.shape[1:], kernel, stride, padding, strict=True)
        ]
        output = self.node(
            kind, [value.name, *weights], kernel_shape=kernel, strides=stride, pads=[*padding, *padding]
        )
        return _Value(output, (channels, extent[0], extent[1]))

    def extended(self, value: _Value, shape: tuple[int, int, int]) -> str:
        """The value with zeros at the end of each dimension."""
        if value.shape == shape:
            return value.name
        missing = [0, *(wanted - have for wanted, have in zip(shape, value.shape, strict=True))]
        return self.node("Pad", [value.name, self.constant(np.array([0] * 4 + missing, np.int64))])


def to_onnx(net: Net) -> bytes:
    """The network as the bytes of an ONNX file; the same net gives the same bytes.

    Raises:
        ConfigError: layers in an order that isn't this family of networks, or `onnx` isn't installed.

    """
    try:
        import onnx
        import onnx.helper
        import onnx.numpy_helper
    except ImportError as error:
        raise ConfigError("converting models needs the package onnx: pip install 'sealframe[server]'") from error
    graph = _Graph(onnx)
    pixels = graph.node("Cast", ["chips"], to=int(onnx.TensorProto.FLOAT))
    value = _Value(graph.node("Transpose", [pixels], perm=[0, 3, 1, 2]), (3, SIDE, SIDE))
    block_input, branch, convolutions = value, value, 0
    layers = net.layers
    at = 0
    while at < len(layers):
        layer, following = layers[at], layers[at + 1 : at + 2]
        at += 1
        if layer.name == "tag" and following and following[0].name == "tag":
            branch, value = value, block_input
            at += 1
        elif layer.name == "tag":
            block_input = branch = value
        elif layer.name == "con_4":
            if not following or following[0].name != "affine_":
                raise ConfigError("a dlib convolution without its affine layer")
            value = _convolution(graph, value, layer, following[0], None if convolutions else net.mean)
            convolutions += 1
            at += 1
        elif layer.name == "relu_":
            value = _Value(graph.node("Relu", [value.name]), value.shape)
        elif layer.name == "add_prev_":
            shape = tuple(max(sizes) for sizes in zip(value.shape, branch.shape, strict=True))
            parts = [graph.extended(part, (shape[0], shape[1], shape[2])) for part in (value, branch)]
            value = _Value(graph.node("Add", parts), (shape[0], shape[1], shape[2]))
        elif layer.name == "avg_pool_2" and layer.numbers[:2] == (0, 0):
            value = _Value(graph.node("GlobalAveragePool", [value.name]), (value.shape[0], 1, 1))
        elif layer.name in ("max_pool_2", "avg_pool_2"):
            kind = "MaxPool" if layer.name == "max_pool_2" else "AveragePool"
            value = graph.windowed(kind, value, value.shape[0], layer.numbers)
        elif layer.name == "fc_2" and at == len(layers) and value.shape[1:] == (1, 1):
            flat = graph.node("Flatten", [value.name])
            graph.node("MatMul", [flat, graph.constant(layer.weights.reshape(layer.numbers))], "features")
        else:
            raise ConfigError(f"dlib layer {layer.name!r} at an unexpected place")
    return _file(graph)


def _convolution(
    graph: _Graph, value: _Value, layer: Layer, affine: Layer, mean: tuple[float, float, float] | None
) -> _Value:
    """The convolution with what follows it (scale, shift) and, for the first, what precedes it folded in."""
    filters, channels, rows, columns, *steps = layer.numbers
    count = filters * channels * rows * columns
    if layer.weights.size != count + filters or affine.weights.size != 2 * filters or channels != value.shape[0]:
        raise ConfigError("a dlib convolution whose sizes don't fit together")
    kernel: Doubles = layer.weights[:count].astype(np.float64).reshape(filters, channels, rows, columns)
    bias: Doubles = layer.weights[count:].astype(np.float64)
    scale, shift = affine.weights.astype(np.float64).reshape(2, filters)
    if mean is not None:
        kernel = kernel / _PIXEL_SCALE
        lifted = kernel * np.array(mean)[:, None, None]
        bias = bias - [math.fsum(part.ravel()) for part in lifted]
    kernel, bias = kernel * scale[:, None, None, None], bias * scale + shift
    weights = graph.constant(kernel.astype(np.float32)), graph.constant(bias.astype(np.float32))
    return graph.windowed("Conv", value, filters, (rows, columns, *steps), *weights)


def _file(graph: _Graph) -> bytes:
    helper, element = graph.onnx.helper, graph.onnx.TensorProto
    chips = helper.make_tensor_value_info("chips", element.UINT8, ["n", SIDE, SIDE, 3])
    features = helper.make_tensor_value_info("features", element.FLOAT, ["n", FEATURES])
    return graph.file("dlib_face_recognition_resnet_v1", [chips], [features])
