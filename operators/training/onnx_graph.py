"""An ONNX file built node by node, by what turns other formats into one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

OPSET, IR_VERSION = 17, 8


class Graph:
    """Collects ONNX nodes and weights; `onnx` is the package, which only conversion needs."""

    def __init__(self, onnx: Any) -> None:
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def node(self, kind: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        """Add a node; its only output's name."""
        output = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def constant(self, values: npt.NDArray[Any]) -> str:
        """Add a weight; its name."""
        name = f"weight_{len(self.weights)}"
        self.weights.append(self.onnx.numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def file(self, name: str, inputs: Sequence[Any], outputs: Sequence[Any]) -> bytes:
        """The bytes of a file that holds the graph; the same graph gives the same bytes."""
        helper = self.onnx.helper
        model = helper.make_model(
            helper.make_graph(self.nodes, name, list(inputs), list(outputs), self.weights),
            opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="sealframe",
        )
        self.onnx.checker.check_model(model)
        return bytes(model.SerializeToString(deterministic=True))
