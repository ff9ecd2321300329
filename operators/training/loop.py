"""What training loops here share: learning rate, running average of the weights, checkpoints, a residual layer."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor, nn

LEAST_RATE = 0.01


class Residual(nn.Module):  # type: ignore[misc]
    """What a block says, added to its input."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        """Shapes of input and output are equal."""
        return x + self.block(x)


def set_rate(optimiser: torch.optim.Optimizer, step: int, share: float, highest: float, warm_steps: int) -> None:
    """Rising for the first steps, then falling as a cosine to a hundredth; `share` of the time is spent, 0 to 1."""
    falling = LEAST_RATE + (1 - LEAST_RATE) * (1 + math.cos(math.pi * min(share, 1))) / 2
    for group in optimiser.param_groups:
        group["lr"] = highest * falling * min(1, (step + 1) / warm_steps)


@torch.no_grad()  # type: ignore[untyped-decorator]
def follow(average: nn.Module, network: nn.Module, keep: float) -> None:
    """Move the average a little towards the network."""
    for slow, fast in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if slow.dtype.is_floating_point:
            slow.lerp_(fast, 1 - keep)
        else:
            slow.copy_(fast)


def save(
    path: Path, network: nn.Module, average: nn.Module, optimiser: torch.optim.Optimizer, step: int, spent: float
) -> None:
    """Write a checkpoint whole, in place of the one before; `spent` in seconds."""
    state = {"network": network.state_dict(), "average": average.state_dict(), "optimiser": optimiser.state_dict(),
             "step": step, "spent": spent}  # fmt: skip
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)
