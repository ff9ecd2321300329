"""The teacher's inner features as a target: what CenterFace learned from pictures that aren't here.

The network learns, beside its task, to predict the last features of each of CenterFace's pyramid levels from its own
levels by one 1x1 convolution each (Romero et al., "FitNets", 2015; on fused levels of a pyramid: Cao et al., "PKD",
2022). Features are brought to mean 0 and deviation 1 by channel; half of the weight lies where the teacher sees faces.
The teacher looks at the crop before it is discoloured. The convolutions are thrown away after training.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from operators.training.faces.network import NECK

LEVELS = ("535", "518", "511")
SCORE = "537"
CHANNELS = 24
TINY = 1e-5
SHRINK = 2


class Teacher:
    """CenterFace's graph in torch, bfloat16 but for depthwise convolutions; calls keep no gradient."""

    def __init__(self, model: Path) -> None:
        graph = onnx.load(model).graph
        self._weights = {one.name: torch.tensor(numpy_helper.to_array(one)) for one in graph.initializer}
        self._input = next(one.name for one in graph.input if one.name not in self._weights)
        self._nodes = [
            (node.op_type, list(node.input), node.output[0],
             {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute})
            for node in graph.node
        ]  # fmt: skip

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def __call__(self, pictures: Tensor) -> tuple[list[Tensor], Tensor]:
        """RGB (b, 3, h, w) 0 to 255 -> features at strides 8, 16, 32, and the score at stride 8 (b, 1, ., .).

        Features of the finest level have four cells of stride 4 side by side as channels.
        """
        values = {self._input: pictures}
        for kind, inputs, output, options in self._nodes:
            values[output] = self._layer(kind, [values.get(name, self._weights.get(name)) for name in inputs], options)
        levels = [values[name].float() for name in LEVELS]
        levels[0] = functional.pixel_unshuffle(levels[0], SHRINK)
        return levels, functional.max_pool2d(values[SCORE].float(), SHRINK)

    @staticmethod
    def _layer(kind: str, inputs: Sequence[Any], options: dict[str, Any]) -> Tensor:
        x = inputs[0]
        match kind:
            case "Conv":
                groups = options.get("group", 1)
                number = torch.bfloat16 if groups == 1 else torch.float32
                x, kernel, bias = (part.to(number) for part in inputs)
                return functional.conv2d(x, kernel, bias, options["strides"], options["pads"][0], 1, groups)
            case "ConvTranspose":
                return functional.conv_transpose2d(x.float(), inputs[1], None, options["strides"])
            case "BatchNormalization":
                gain, shift, mean, variance = inputs[1:]
                return functional.batch_norm(x, mean, variance, gain, shift)
            case "Add":
                return x + inputs[1]
            case "Relu":
                return functional.relu(x)
            case "Sigmoid":
                return torch.sigmoid(x.float())
        raise ValueError(f"CenterFace has no {kind}")


class Mimic(nn.Module):  # type: ignore[misc]
    """One 1x1 convolution a level, and the loss that compares."""

    def __init__(self) -> None:
        super().__init__()
        self.read = nn.ModuleList(
            nn.Conv2d(NECK, channels, 1) for channels in (CHANNELS * SHRINK**2, CHANNELS, CHANNELS)
        )

    def forward(self, levels: Sequence[Tensor], features: Sequence[Tensor], score: Tensor) -> Tensor:
        """How far the network's `levels` are from the teacher's `features`: 1 for one that says nothing."""
        parts = []
        for level, read, wanted in zip(levels, self.read, features, strict=True):
            wrong = (standard(read(level.float())) - standard(wanted)).square().mean(1, keepdim=True)
            seen = functional.adaptive_max_pool2d(score, wrong.shape[2:]) + TINY
            parts.append((wrong.mean() + (wrong * seen).sum() / seen.sum()) / 2)
        return torch.stack(parts).mean()


def standard(features: Tensor) -> Tensor:
    """Each channel with mean 0 and deviation 1 over batch and place."""
    deviation, mean = torch.std_mean(features, (0, 2, 3), keepdim=True)
    return (features - mean) / (deviation + TINY)
