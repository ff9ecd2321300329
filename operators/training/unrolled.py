"""A shipped INT8 network in torch, so that a gradient goes through it: what an attacker who has the file can do.

The file is run as it is, node by node; rounding lets the gradient through unchanged where it doesn't saturate
(straight-through estimator: Bengio, Leonard, Courville, arXiv:1308.3432). Without rounding it is the network's twin in
floating point: the same weights, the same ranges.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor
from torch.nn import functional

from schemas.errors import ConfigError

Attributes = dict[str, Any]


class Unrolled:
    """An ONNX file of convolutions in QDQ form; called with (1, 3, h, w), it gives its outputs in order.

    Raises:
        ConfigError: the file holds a node of another kind.

    """

    def __init__(self, path: Path, rounded: bool) -> None:
        graph = onnx.load(str(path)).graph
        self._nodes = [(node, {one.name: helper.get_attribute_value(one) for one in node.attribute})
                       for node in graph.node]
        unknown = {node.op_type for node in graph.node} - set(_STEPS)
        if unknown:
            raise ConfigError(f"{path.name} holds {sorted(unknown)[0]}, which can't be unrolled")
        self._constants: dict[str, Tensor] = {
            one.name: torch.from_numpy(np.array(numpy_helper.to_array(one))) for one in graph.initializer
        }
        self._input, self._outputs = graph.input[0].name, [one.name for one in graph.output]
        self._bytes = graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
        self._rounded = rounded

    def __call__(self, picture: Tensor) -> list[Tensor]:
        """The outputs, with a gradient towards `picture`."""
        given = _quantise([picture, *_AS_BYTES], {}, self._rounded) if self._bytes else picture
        values = {**self._constants, self._input: given}
        for node, attributes in self._nodes:
            values[node.output[0]] = _STEPS[node.op_type](
                [values[name] for name in node.input if name], attributes, self._rounded
            )
        return [values[name] for name in self._outputs]

    def run(self, picture: npt.NDArray[np.uint8] | npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
        """The same on arrays, as ONNX Runtime would."""
        with torch.no_grad():
            return [output.numpy() for output in self(torch.from_numpy(picture))]


def _quantise(given: list[Tensor], attributes: Attributes, rounded: bool) -> Tensor:
    """Stays on the scale of the integers, so that what takes it back is the same for weights."""
    value, scale, zero = given
    limits = torch.iinfo(zero.dtype)
    levels = torch.clamp(value / scale + zero.float(), limits.min, limits.max)
    return levels + (torch.round(levels) - levels).detach() if rounded else levels


def _dequantise(given: list[Tensor], attributes: Attributes, rounded: bool) -> Tensor:
    levels, scale, zero = given
    shape = [-1 if scale.ndim and axis == attributes.get("axis", 1) else 1 for axis in range(levels.ndim)]
    return (levels.float() - zero.float().reshape(shape)) * scale.reshape(shape)


def _convolve(given: list[Tensor], attributes: Attributes, rounded: bool) -> Tensor:
    top, left, bottom, right = attributes["pads"]
    return functional.conv2d(
        functional.pad(given[0], (left, right, top, bottom)), given[1], given[2] if len(given) > 2 else None,
        stride=tuple(attributes["strides"]), groups=attributes["group"],
    )


def _blocks(given: list[Tensor], attributes: Attributes, rounded: bool) -> Tensor:
    side, (count, channels, height, width) = attributes["blocksize"], given[0].shape
    parts = given[0].reshape(count, channels, height // side, side, width // side, side)
    return parts.permute(0, 3, 5, 1, 2, 4).reshape(count, side * side * channels, height // side, width // side)


def _resize(given: list[Tensor], attributes: Attributes, rounded: bool) -> Tensor:
    factors = [int(factor) for factor in given[-1].tolist()]
    return given[0].repeat_interleave(factors[2], 2).repeat_interleave(factors[3], 3)


_AS_BYTES = torch.ones(()), torch.zeros((), dtype=torch.uint8)
_STEPS: dict[str, Callable[[list[Tensor], Attributes, bool], Tensor]] = {
    "QuantizeLinear": _quantise,
    "DequantizeLinear": _dequantise,
    "Conv": _convolve,
    "Add": lambda given, attributes, rounded: given[0] + given[1],
    "Resize": _resize,
    "SpaceToDepth": _blocks,
}
