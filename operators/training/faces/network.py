"""The network: a short chain of plain 3x3 convolutions, a pyramid over strides 8, 16 and 32, one small head a stride.

Input (b, 3, h, w) RGB 0 to 255, h and w multiples of 32; black is zero, as the padding of frames is. Outputs, one a
stride: (b, 15, h / stride, w / stride): score logit, centre dx dy in strides from the cell's centre, log width and
height in strides, five points x y in strides from the cell's centre.

Plain convolutions cost more multiplications than separable ones, but on CPUs with wide vectors and INT8 they take less
time for each, and they quantise without loss; separable ones are kept for stride 32, pyramid and heads. The pyramid
goes down and up again (Liu et al., "Path Aggregation Network", 2018).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from operators.training.loop import Residual

STRIDES = (8, 16, 32)
NECK = 64
OUTPUTS = 15
PRIOR_SCORE = 0.01
PRIOR_SIZE = (2.0, 2.0, 4.0)
INPUT_SCALE = 1 / 128


class Depthwise(nn.Conv2d):  # type: ignore[misc]
    """A convolution of each channel alone, in float32 also in mixed precision: its gradient is ten times as fast."""

    def forward(self, x: Tensor) -> Tensor:
        """(b, channels, h, w) -> (b, channels, h / stride, w / stride)."""
        if not torch.is_autocast_enabled("cpu"):
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.float())


def convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    layer = nn.Conv2d if groups == 1 else Depthwise
    return nn.Sequential(
        layer(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def separable(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """A depthwise and a pointwise convolution."""
    return nn.Sequential(
        convolution(inputs, inputs, kernel, stride, inputs), convolution(inputs, outputs, 1)
    )


class FaceNetwork(nn.Module):  # type: ignore[misc]
    """Backbone, pyramid and heads; `widths` are the channels at strides 2, 4, 8, 16, 32."""

    def __init__(self, widths: Sequence[int] = (16, 32, 64, 96, 128), neck: int = NECK) -> None:
        super().__init__()
        two, four, eight, sixteen, thirty_two = widths
        self.stem = nn.Sequential(
            convolution(3, two, 3, 2), convolution(two, four, 3, 2), Residual(convolution(four, four))
        )
        self.stages = nn.ModuleList([
            nn.Sequential(
                convolution(four, eight, 3, 2), Residual(convolution(eight, eight)), Residual(convolution(eight, eight))
            ),
            nn.Sequential(
                convolution(eight, sixteen, 3, 2),
                *(Residual(convolution(sixteen, sixteen)) for _ in range(3)),
            ),
            nn.Sequential(
                separable(sixteen, thirty_two, 5, 2),
                *(Residual(separable(thirty_two, thirty_two, 5)) for _ in range(3)),
            ),
        ])  # fmt: skip
        self.sides = nn.ModuleList(convolution(width, neck, 1) for width in widths[2:])
        self.fine = nn.ModuleList(separable(neck, neck) for _ in range(2))
        self.down = nn.ModuleList(separable(neck, neck, 3, 2) for _ in range(2))
        self.coarse = nn.ModuleList(separable(neck, neck) for _ in range(2))
        self.heads = nn.ModuleList(
            nn.Sequential(separable(neck, neck), separable(neck, neck), nn.Conv2d(neck, OUTPUTS, 1)) for _ in STRIDES
        )
        self.enlarge = nn.Upsample(scale_factor=2, mode="nearest")
        self.scale = INPUT_SCALE
        self._start()

    def _start(self) -> None:
        for head, size in zip(self.heads, PRIOR_SIZE, strict=True):
            nn.init.normal_(head[-1].weight, std=0.01)
            nn.init.zeros_(head[-1].bias)
            with torch.no_grad():
                head[-1].bias[0] = -math.log((1 - PRIOR_SCORE) / PRIOR_SCORE)
                head[-1].bias[3:5] = math.log(size)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Outputs of all strides, finest first."""
        return self.says(self.levels(pictures))

    def says(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """The heads' outputs for what `levels` gave."""
        return [head(level) for head, level in zip(self.heads, levels, strict=True)]

    def levels(self, pictures: Tensor) -> list[Tensor]:
        """What the heads look at: (b, neck, h / stride, w / stride) of all strides, finest first."""
        x = self.stem(pictures if self.scale == 1 else pictures * self.scale)
        levels = []
        for stage, side in zip(self.stages, self.sides, strict=True):
            x = stage(x)
            levels.append(side(x))
        eight, sixteen, thirty_two = levels
        sixteen = self.fine[1](sixteen + self.enlarge(thirty_two))
        eight = self.fine[0](eight + self.enlarge(sixteen))
        sixteen = self.coarse[0](sixteen + self.down[0](eight))
        thirty_two = self.coarse[1](thirty_two + self.down[1](sixteen))
        return [eight, sixteen, thirty_two]


def flat(outputs: Sequence[Tensor]) -> Tensor:
    """All cells of all strides: [(b, 15, h, w)] -> (b, cells, 15) float32."""
    return torch.cat([level.float().flatten(2).transpose(1, 2) for level in outputs], 1)


def cells(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Centres (n, 2) in pixels, and strides (n,), of all cells in the order of `flat`."""
    centres, strides = [], []
    for stride in STRIDES:
        rows, columns = torch.arange(height // stride), torch.arange(width // stride)
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        centres.append((torch.stack([x, y], -1).reshape(-1, 2) + 0.5) * stride)
        strides.append(torch.full((len(centres[-1]),), float(stride)))
    return torch.cat(centres), torch.cat(strides)


def boxes_of(values: Tensor, centres: Tensor, strides: Tensor) -> Tensor:
    """Boxes xyxy in pixels: (..., n, 15) -> (..., n, 4). Sizes are bounded, so that no loss overflows."""
    middle = centres + values[..., 1:3] * strides[:, None]
    half = values[..., 3:5].clamp(-4, 6).exp() * strides[:, None] / 2
    return torch.cat([middle - half, middle + half], -1)
