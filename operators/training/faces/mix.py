"""A mean of two networks' weights, of which one was trained on from the other.

What lies between two such networks is often as good as either at what each is good at (Wortsman et al., "Robust
fine-tuning of zero-shot models", CVPR 2022, arXiv:2109.01903).
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor


def mix(first: Path, second: Path, share: float, out: Path) -> None:
    """Write a checkpoint whose weights and statistics are `share` of the way from the first's to the second's.

    Raises:
        ValueError: `share` isn't between 0 and 1, or the checkpoints aren't of the same network.

    """
    if not 0 <= share <= 1:
        raise ValueError(f"share {share} isn't between 0 and 1")
    one, other = (torch.load(path, weights_only=True) for path in (first, second))
    weights = between(one["average"], other["average"], share)
    torch.save({"network": weights, "average": weights, "step": other["step"], "spent": other["spent"]}, out)


def between(one: dict[str, Tensor], other: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """Two networks' weights by name, mixed; counts of batches are the second's."""
    if one.keys() != other.keys():
        raise ValueError("checkpoints of different networks")
    return {
        name: value * (1 - share) + other[name] * share if value.dtype.is_floating_point else other[name]
        for name, value in one.items()
    }
