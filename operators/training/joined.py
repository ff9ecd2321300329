"""Steps of the embedder's network joined, so that its whole numbers stay whole between convolutions.

A mean over 2x2 and the channels of zeros behind it become one convolution, and the picture is taken as the bytes it
is. On their own these steps took 0.3 of 3.1 ms for a chip and its mirror image, most of it with numbers turned to
fractions and back. Models are changed in place.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_HALVES: dict[str, Any] = {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [0, 0, 0, 0]}


def join_means(model: Any) -> None:
    """Before quantising: each mean over 2x2 becomes a convolution that adds the channels of zeros as well, if any.

    Its output has the name of what it stands for, so that ranges measured before hold.
    """
    from onnx import helper, numpy_helper

    graph = model.graph
    constants = {one.name: one for one in graph.initializer}
    channels = {one.name: one.type.tensor_type.shape.dim[1].dim_value for one in graph.value_info}
    for mean in [node for node in graph.node if _halves(node, helper)]:
        readers = [node for node in graph.node if mean.output[0] in node.input]
        joined, zeros = [mean], 0
        if [node.op_type for node in readers] == ["Pad"]:
            added = numpy_helper.to_array(constants[readers[0].input[1]]).tolist()
            if not any([*added[:5], *added[6:]]):  # zeros behind the last channel, and nowhere else
                joined, zeros = [mean, readers[0]], added[5]
        kernel = f"{mean.name}_kernel"
        graph.initializer.append(numpy_helper.from_array(_means(channels[mean.input[0]], zeros), kernel))
        convolution = helper.make_node("Conv", [mean.input[0], kernel], joined[-1].output, mean.name, **_HALVES)
        graph.node.insert(list(graph.node).index(mean), convolution)
        for node in joined:
            graph.node.remove(node)


def take_bytes(model: Any) -> None:
    """After quantising: the picture's bytes aren't made fractions first, only to be counted in steps of one again.

    Raises:
        ValueError: the picture is quantised in other steps, or from elsewhere than zero.

    """
    from onnx import numpy_helper

    graph = model.graph
    constants = {one.name: one for one in graph.initializer}
    whole = next(node for node in graph.node if node.op_type == "Cast" and node.input[0] == graph.input[0].name)
    counted = next(node for node in graph.node if node.input[0] == whole.output[0])
    if [float(numpy_helper.to_array(constants[name])) for name in counted.input[1:]] != [1.0, 0.0]:
        raise ValueError("the picture isn't quantised as bytes")
    for node in graph.node:
        if node.input[0] == counted.output[0]:
            node.input[0] = graph.input[0].name
    graph.node.remove(whole)
    graph.node.remove(counted)


def _halves(node: Any, helper: Any) -> bool:
    """A mean over 2x2 that halves both sides."""
    known = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    return bool(node.op_type == "AveragePool" and {**known, **_HALVES} == known)


def _means(channels: int, zeros: int) -> npt.NDArray[np.float32]:
    """Weights (channels + zeros, channels, 2, 2): a quarter of each of four pixels of the same channel."""
    kernel = np.zeros((channels + zeros, channels, 2, 2), np.float32)
    kernel[np.arange(channels), np.arange(channels)] = 0.25
    return kernel
