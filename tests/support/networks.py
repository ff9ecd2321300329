"""Small ONNX networks in the layouts of YuNet, SCRFD and YOLOv5-face: each says "face" where the picture is red."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper, numpy_helper

RED = (255, 0, 0)
ON = 32  # the stride whose cells see red; the others say nothing
STRIDES = (8, 16, 32)
BOX = (1.0, 1.5)  # width and height of a face, in strides


class Net:
    """Collects nodes and weights; `fixed` is the height and width that the input declares."""

    def __init__(self, fixed: tuple[int, int] | None = None, element: int = TensorProto.FLOAT) -> None:
        self.fixed, self.element, self.nodes, self.weights, self.outputs = fixed, element, [], [], []

    def node(self, kind: str, inputs: list[str], output: str = "", **attributes) -> str:
        output = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, values) -> str:
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), f"weight_{len(self.weights)}"))
        return self.weights[-1].name

    def cells(self, stride: int, weights, bias, columns: int, clip: bool = False) -> str:
        """Mean colour of each cell times weights (n, 3) plus bias, as rows of so many columns: (1, rows, columns)."""
        mean = self.node("AveragePool", ["pictures"], kernel_shape=[stride] * 2, strides=[stride] * 2)
        kernel = np.asarray(weights, np.float32).reshape(-1, 3, 1, 1)
        value = self.node("Conv", [mean, self.constant(kernel), self.constant(np.asarray(bias, np.float32))])
        if clip:
            value = self.node("Clip", [value, self.constant(np.float32(0)), self.constant(np.float32(1))])
        value = self.node("Transpose", [value], perm=[0, 2, 3, 1])
        return self.node("Reshape", [value, self.constant(np.array([1, -1, columns], np.int64))])

    def output(self, value: str, name: str, rank: int = 3) -> None:
        self.node("Identity", [value], name)
        shape = [f"{name}_{k}" for k in range(rank)]
        self.outputs.append(helper.make_tensor_value_info(name, self.element, shape))

    def file(self, batch: int | str = 1) -> bytes:
        size = list(self.fixed or ("h", "w"))
        pictures = helper.make_tensor_value_info("pictures", self.element, [batch, 3, *size])
        graph = helper.make_graph(self.nodes, "net", [pictures], self.outputs, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        return model.SerializeToString()


def yunet(fixed: tuple[int, int] | None = (640, 640), peak: float = 0.9) -> bytes:
    """A face in the middle of each red cell, landmark k at (k / 10, 1 / 2) of the cell; blue comes first."""
    net = Net(fixed)
    parts: dict[str, list[str]] = {"cls": [], "obj": [], "bbox": [], "kps": []}
    for stride in STRIDES:
        red = np.array([[-1, -1, 1]]) * (peak / 255 if stride == ON else 0)
        parts["cls"].append(net.cells(stride, red, [0], 1, clip=True))
        parts["obj"].append(net.cells(stride, red, [0], 1, clip=True))
        parts["bbox"].append(net.cells(stride, np.zeros((4, 3)), [0.5, 0.5, *np.log(BOX)], 4))
        points = [value for k in range(5) for value in (k / 10, 0.5)]
        parts["kps"].append(net.cells(stride, np.zeros((10, 3)), points, 10))
    for name, values in parts.items():
        for stride, value in zip(STRIDES, values, strict=True):
            net.output(value, f"{name}_{stride}")
    return net.file()


def scrfd(points: bool = True, fixed: tuple[int, int] | None = None, batched: bool = False) -> bytes:
    """The same faces; the second anchor of a cell says nothing. Colours come as (value - 127.5) / 128."""
    net = Net(fixed)
    parts: dict[str, list[str]] = {"score": [], "bbox": [], "kps": []} if points else {"score": [], "bbox": []}
    middle = np.array([0.5, 0.5])
    sides = np.concatenate([np.array(BOX) / 2 - middle, np.array(BOX) / 2 + middle])
    for stride in STRIDES:
        red = np.array([[0.45, -0.225, -0.225], [0, 0, 0]]) * (stride == ON)
        parts["score"].append(net.cells(stride, red, [0, 0], 1, clip=True))
        parts["bbox"].append(net.cells(stride, np.zeros((8, 3)), np.tile(sides, 2), 4))
        marks = [value for k in range(5) for value in (k / 10, 0.5)]
        if points:
            parts["kps"].append(net.cells(stride, np.zeros((20, 3)), np.tile(marks, 2), 10))
    for name, values in parts.items():
        for stride, value in zip(STRIDES, values, strict=True):
            flat = value if batched else net.node("Squeeze", [value, net.constant(np.array([0], np.int64))])
            net.output(flat, f"{name}_{stride}", 3 if batched else 2)
    return net.file()


def yolov5_face(fixed: tuple[int, int] = (320, 320)) -> bytes:
    """The same faces, by the first anchor of three, with a grid for one size baked in, as torch exports it."""
    net, parts = Net(fixed), []
    for stride in STRIDES:
        rows, columns = fixed[0] // stride, fixed[1] // stride
        anchor = np.zeros((16, 3))
        anchor[4] = np.array([1, -1, -1]) * (0.9 if stride == ON else 0)
        marks = [value * stride for k in range(5) for value in (k / 10, 0.5)]
        bias = [stride / 2, stride / 2, BOX[0] * stride, BOX[1] * stride, 0, *marks, 1]
        weights = np.concatenate([anchor, np.zeros((32, 3))])
        value = net.cells(stride, weights, np.tile(bias, 3), 16)
        y, x = np.divmod(np.arange(rows * columns), columns)
        grid = np.zeros((1, rows * columns, 16), np.float32)
        grid[0, :, [0, *range(5, 15, 2)]] = x * stride
        grid[0, :, [1, *range(6, 15, 2)]] = y * stride
        parts.append(net.node("Add", [value, net.constant(np.repeat(grid, 3, 1))]))
    net.output(net.node("Concat", parts, axis=1), "output")
    return net.file()


def red_cell(height: int, width: int, row: int, column: int, size: int = ON) -> np.ndarray:
    """A black picture in which one cell is red."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[row * size : (row + 1) * size, column * size : (column + 1) * size] = RED
    return picture
