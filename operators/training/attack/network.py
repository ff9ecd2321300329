"""Two small networks on masked regions of 32 x 32 samples, trained on a CPU in a minute.

`Restorer` is a U-Net (Ronneberger, Fischer, Brox, MICCAI 2015) of three levels that turns masked regions into bare
ones, trained by their mean absolute difference. `Parrot` learns people from masked regions alone (McPherson, Shokri,
Shmatikov, arXiv:1609.00408): a residual network whose unit vectors are classified by additive-margin softmax (Wang et
al., arXiv:1801.05599), and are compared for people that it never saw.

Regions are (n, 3, 32, 32) float32: luma and both chromas, 0 to 1, chroma scaled up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from operators.training.loop import Residual, set_rate

Array = npt.NDArray[np.float32]
Ints = npt.NDArray[np.intp]
Says = Callable[[Array], Array]
SIDE, FEATURES = 32, 64
BATCH, RATE, WARM = 32, 3e-3, 20
MARGIN, SHARPNESS = 0.2, 20.0
SHIFT = 2
"""Pixels by which training regions are moved, each way."""


def _layer(inside: int, outside: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outside), nn.ReLU(inplace=True))


class Restorer(nn.Module):  # type: ignore[misc]
    """Masked regions to bare ones, (n, 3, 32, 32) both."""

    def __init__(self, width: int = 10) -> None:
        super().__init__()
        wide, widest = 2 * width, 4 * width
        self.first = nn.Sequential(_layer(3, width), _layer(width, width))
        self.down = nn.Sequential(_layer(width, wide, 2), _layer(wide, wide))
        self.deep = nn.Sequential(_layer(wide, widest, 2), Residual(_layer(widest, widest)), _layer(widest, widest))
        self.up = nn.Sequential(_layer(widest + wide, wide), _layer(wide, wide))
        self.last = nn.Sequential(_layer(wide + width, width), nn.Conv2d(width, 3, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """What is added to the masked region."""
        fine = self.first(x)
        half = self.down(fine)
        deep = functional.interpolate(self.deep(half), scale_factor=2.0)
        wide = functional.interpolate(self.up(torch.cat([deep, half], 1)), scale_factor=2.0)
        return x + self.last(torch.cat([wide, fine], 1))


class Parrot(nn.Module):  # type: ignore[misc]
    """Masked regions to unit vectors (n, 64)."""

    def __init__(self, width: int = 10) -> None:
        super().__init__()
        stages: list[nn.Module] = [_layer(3, width)]
        for stage in range(3):
            inside, outside = width * 2**stage, width * 2 ** (stage + 1)
            stages += [_layer(inside, outside, 2), Residual(_layer(outside, outside))]
        self.body = nn.Sequential(*stages, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.3))
        self.head = nn.Linear(4 * 8 * width, FEATURES)

    def forward(self, x: Tensor) -> Tensor:
        """Rows of length one."""
        return functional.normalize(self.head(self.body(x)))


def restorer(masked: Array, bare: Array, steps: int, seed: int) -> Says:
    """Trained on pairs of regions (n, 3, 32, 32)."""
    torch.manual_seed(seed)
    network, rng = Restorer(), np.random.default_rng(seed)

    def loss(rows: Ints) -> Tensor:
        given, wanted = _moved(rng, masked[rows], bare[rows])
        return cast(Tensor, (network(given) - wanted).abs().mean())

    _train(network, network, loss, len(masked), steps, rng)
    return lambda regions: np.clip(_said(network, regions), 0, 1)


def parrot(masked: Array, people: Ints, steps: int, seed: int) -> Says:
    """Trained on regions (n, 3, 32, 32) of `people` (n,); says a unit vector (64,) of each region."""
    torch.manual_seed(seed)
    network, rng = Parrot(), np.random.default_rng(seed)
    known, place = np.unique(people, return_inverse=True)
    middles = nn.Parameter(torch.randn(len(known), FEATURES))
    both = nn.ModuleDict({"network": network, "middles": nn.ParameterList([middles])})

    def loss(rows: Ints) -> Tensor:
        (given,) = _moved(rng, masked[rows])
        target = torch.from_numpy(place[rows])
        likeness = network(given) @ functional.normalize(middles).T
        strict = likeness - MARGIN * functional.one_hot(target, len(known))
        return functional.cross_entropy(SHARPNESS * strict, target)

    _train(both, network, loss, len(masked), steps, rng)
    return lambda regions: _said(network, regions)


def _train(
    trained: nn.Module, network: nn.Module, loss: Callable[[Ints], Tensor], count: int, steps: int,
    rng: np.random.Generator,
) -> None:
    optimiser = torch.optim.AdamW(trained.parameters(), RATE, weight_decay=0.02)
    network.train()
    for step in range(steps):
        set_rate(optimiser, step, step / steps, RATE, WARM)
        optimiser.zero_grad()
        loss(rng.integers(0, count, BATCH)).backward()
        optimiser.step()
    network.eval()


def _moved(rng: np.random.Generator, *regions: Array) -> list[Tensor]:
    """The same regions mirrored and moved by chance, all alike."""
    across, down = rng.integers(-SHIFT, SHIFT + 1, 2).tolist()
    mirrored = bool(rng.random() < 0.5)
    moved = [np.roll(part, (down, across), (2, 3))[..., ::-1 if mirrored else 1] for part in regions]
    return [torch.from_numpy(np.ascontiguousarray(part)) for part in moved]


@torch.no_grad()  # type: ignore[untyped-decorator]
def _said(network: nn.Module, regions: Array) -> Array:
    parts = [network(torch.from_numpy(regions[i : i + BATCH])).numpy() for i in range(0, len(regions), BATCH)]
    return np.concatenate(parts).astype(np.float32)
