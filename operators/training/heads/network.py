"""The network: a U-Net over the cells of a window, one logit a cell."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from operators.training.loop import Residual

INPUTS = 6
WIDTHS = (24, 48, 64, 96)


def _layer(inputs: int, outputs: int, stride: int = 1, size: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class HeadNetwork(nn.Module):  # type: ignore[misc]
    """(b, 6, 40, 32) as `operators.heads.seen` makes it -> logits (b, 1, 40, 32)."""

    def __init__(self) -> None:
        super().__init__()
        steps = list(zip((INPUTS, *WIDTHS), WIDTHS, strict=False))
        self.down = nn.ModuleList(
            nn.Sequential(_layer(inputs, outputs, 1 if number == 0 else 2), Residual(_layer(outputs, outputs)))
            for number, (inputs, outputs) in enumerate(steps)
        )
        self.deep = Residual(_layer(WIDTHS[-1], WIDTHS[-1]))
        self.narrow = nn.ModuleList(_layer(more, less, size=1) for less, more in zip(WIDTHS, WIDTHS[1:], strict=False))
        self.join = nn.ModuleList(_layer(width, width) for width in WIDTHS[:-1])
        self.last = nn.Conv2d(WIDTHS[0], 1, 1)

    def forward(self, windows: Tensor) -> Tensor:
        """Logits."""
        kept: list[Tensor] = []
        values = windows
        for down in self.down:
            values = down(values)
            kept.append(values)
        values = self.deep(values)
        for level in range(len(WIDTHS) - 2, -1, -1):
            wider = functional.interpolate(self.narrow[level](values), scale_factor=2.0, mode="nearest")
            values = self.join[level](wider + kept[level])
        return self.last(values)


class Likely(nn.Module):  # type: ignore[misc]
    """The network with probabilities for logits, as it is exported."""

    def __init__(self, network: HeadNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, windows: Tensor) -> Tensor:
        """0 to 1."""
        return torch.sigmoid(self.network(windows))
