"""A shipped INT8 file as a checkpoint that training goes on from.

Its convolutions hold the batch norms; they are taken apart again by what each convolution says on training crops, so
that the network answers as before and its norms know their statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from operators.training.faces.network import INPUT_SCALE, FaceNetwork
from operators.training.stem import unfolded

BLOCKS = 12
Numbers = npt.NDArray[np.float32]


def thaw(model: Path, crops: Sequence[Tensor]) -> FaceNetwork:
    """The network of a file that `export` wrote; `crops`: batches (b, 3, h, w) to take statistics of.

    Raises:
        KeyError, ValueError: the file is of another network.

    """
    network = FaceNetwork().eval()
    modules, constants = dict(network.named_modules()), _constants(onnx.load(str(model)).graph)
    norms: dict[str, tuple[nn.Conv2d, nn.BatchNorm2d]] = {}
    with torch.no_grad():
        for name, (kernel, bias) in constants.items():
            layer = modules[name]
            layer.weight.copy_(torch.from_numpy(kernel))
            if layer.bias is not None:
                layer.bias.copy_(torch.from_numpy(bias))
                continue
            place, _, number = name.rpartition(".")
            norms[name] = layer, modules[f"{place}.{int(number) + 1}"]
            _set(norms[name][1], torch.from_numpy(bias), torch.zeros(len(bias)), torch.ones(len(bias)))
        for name, (mean, variance) in _statistics(network, norms, crops).items():
            bias = torch.from_numpy(constants[name][1])
            _set(norms[name][1], bias, mean, variance)
    return network


def _set(norm: nn.BatchNorm2d, bias: Tensor, mean: Tensor, variance: Tensor) -> None:
    """Let a norm with these statistics add the bias, and do no more."""
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    norm.weight.copy_((variance + norm.eps).sqrt())
    norm.bias.copy_(bias + mean)


def _statistics(
    network: nn.Module, norms: Mapping[str, tuple[nn.Conv2d, nn.BatchNorm2d]], crops: Sequence[Tensor]
) -> dict[str, tuple[Tensor, Tensor]]:
    """Mean and variance of what each convolution says, by channel."""
    sums: dict[str, list[Tensor]] = {name: [] for name in norms}

    def note(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def hook(layer: nn.Module, given: object, said: Tensor) -> None:
            flat = said.double().transpose(0, 1).flatten(1)
            count = torch.full_like(flat[:, 0], flat.shape[1])
            sums[name].append(torch.stack([flat.sum(1), flat.square().sum(1), count]))

        return hook

    hooks = [layer.register_forward_hook(note(name)) for name, (layer, _) in norms.items()]
    for batch in crops:
        network(batch)
    for one in hooks:
        one.remove()
    found = {}
    for name, parts in sums.items():
        total, squares, count = torch.stack(parts).sum(0)
        mean = total / count
        found[name] = mean.float(), (squares / count - mean.square()).clamp(min=1e-8).float()
    return found


def _constants(graph: onnx.GraphProto) -> dict[str, tuple[Numbers, Numbers]]:
    """Kernel and bias of every convolution, by the module's name."""
    tensors = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    scaled = {node.output[0]: node for node in graph.node if node.op_type == "DequantizeLinear"}

    def value(name: str) -> Numbers:
        if name in tensors:
            return np.array(tensors[name], np.float32)
        levels, scale, zero = (np.asarray(tensors[given], np.float32) for given in scaled[name].input[:3])
        shape = (-1, *(1,) * (levels.ndim - 1))
        return np.asarray((levels - zero.reshape(shape)) * scale.reshape(shape), np.float32)

    found = {}
    for node in graph.node:
        if node.op_type == "Conv":
            kernel = value(node.input[1])
            if kernel.shape[1] == BLOCKS:
                kernel = unfolded(kernel) / INPUT_SCALE
            found[_module(node.name)] = kernel, value(node.input[2])
    return found


def _module(path: str) -> str:
    """`/stages.1/stages.1.0/Conv` -> `stages.1.0`: a part that begins as the one before it takes its place."""
    names: list[str] = []
    for part in path.strip("/").split("/")[:-1]:
        if names and part.startswith(f"{names[-1]}."):
            names[-1] = part
        else:
            names.append(part)
    return ".".join(names)
