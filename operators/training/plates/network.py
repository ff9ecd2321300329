"""The network: convolutions down to one row of 24 steps, read by CTC; no cutting into characters.

Input (b, 32, 96, 3) RGB 0 to 255; output (b, 24, classes) logits, class 0 the blank. After Zherzdev and Gruzdev,
"LPRNet: License Plate Recognition via Deep Neural Networks" (2018), with plain residual convolutions and 1-D context.
Contrast is set inside: each picture has mean 0 and spread 1 before the first convolution, so that night costs little.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from operators.plates import ALPHABET
from operators.training.loop import Residual

LEAST_SPREAD = 4.0


def convolution(
    inputs: int, outputs: int, kernel: tuple[int, int] = (3, 3), stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (1, 1),
) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class PlateNetwork(nn.Module):  # type: ignore[misc]
    """Trunk and head; `widths` are the channels of the heights 16, 8 and 4, and of the row.

    No layer works at full size: batch norm and ReLU there cost more time in training than all the rest.
    """

    def __init__(self, widths: Sequence[int] = (48, 80, 128, 192)) -> None:
        super().__init__()
        half, quarter, eighth, row = widths
        self.trunk = nn.Sequential(
            convolution(3, half, (5, 5), (2, 2), (2, 2)),
            Residual(convolution(half, half)),
            convolution(half, quarter, stride=(2, 1)),
            Residual(convolution(quarter, quarter)),
            convolution(quarter, eighth, stride=(2, 2)),
            Residual(convolution(eighth, eighth)),
            Residual(convolution(eighth, eighth)),
            convolution(eighth, row, (4, 1), padding=(0, 0)),
            Residual(convolution(row, row, (1, 5), padding=(0, 2))),
            Residual(convolution(row, row, (1, 5), padding=(0, 2))),
            nn.Dropout(0.1),
        )
        self.head = nn.Conv2d(row, len(ALPHABET) + 1, 1)

    def forward(self, plates: Tensor) -> Tensor:
        """(b, 32, 96, 3) -> (b, 24, classes) logits."""
        x = plates.permute(0, 3, 1, 2).float()
        x = x - x.mean((1, 2, 3), keepdim=True)
        x = x / (x.square().mean((1, 2, 3), keepdim=True) + LEAST_SPREAD**2).sqrt()
        x = self.head(self.trunk(x.contiguous(memory_format=torch.channels_last)))
        return x.squeeze(2).transpose(1, 2)
