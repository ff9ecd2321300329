"""A donor's colours brought to those of a target, pixels of both given as (n, 3), red, green and blue, 0 to 1.

- `linear`: mean and deviation of each channel.
- `lab`: the same in CIELAB (E. Reinhard et al., "Color Transfer between Images", IEEE CG&A 21(5), 2001, there in
  another opponent space).
- `density`: the whole probability density, by matching marginals along random rotations until they are within `NEAR`
  (F. Pitie et al., "Automated colour grading using colour distribution transfer", CVIU 107, 2007).
- `histogram`: the cumulative histogram of each channel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import cv2
import numpy as np
import numpy.typing as npt

Colours = npt.NDArray[np.float32]
NEAR, MOST_TURNS = 0.004, 30
_LEVELS = np.linspace(0, 1, 129)


def linear(donor: Colours, target: Colours) -> Colours:
    """Mean and deviation of each channel."""
    share = target.std(0) / np.maximum(donor.std(0), 1e-4)
    return np.clip((donor - donor.mean(0)) * share + target.mean(0), 0, 1)


def lab(donor: Colours, target: Colours) -> Colours:
    """Mean and deviation of lightness and both opponents."""
    one, two = (cv2.cvtColor(part[None].astype(np.float32), cv2.COLOR_RGB2Lab)[0] for part in (donor, target))
    moved = (one - one.mean(0)) * (two.std(0) / np.maximum(one.std(0), 1e-2)) + two.mean(0)
    back = cv2.cvtColor(np.asarray(moved, np.float32)[None], cv2.COLOR_Lab2RGB)[0]
    return np.asarray(np.clip(back, 0, 1), np.float32)


def density(donor: Colours, target: Colours) -> Colours:
    """The joint density of all three channels."""
    rng, out = np.random.default_rng(0), donor.astype(np.float64)
    for _ in range(MOST_TURNS):
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        one, two = out @ turn, target @ turn
        matched = np.stack([_matched(one[:, axis], two[:, axis]) for axis in range(3)], 1)
        out = out + (matched - one) @ turn.T
        if np.abs(matched - one).mean() < NEAR:
            break
    return np.asarray(np.clip(out, 0, 1), np.float32)


def histogram(donor: Colours, target: Colours) -> Colours:
    """The cumulative histogram of each channel."""
    return np.stack([_matched(donor[:, axis], target[:, axis]) for axis in range(3)], 1).astype(np.float32)


def _matched(one: npt.NDArray[np.floating], two: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Values of the same quantiles."""
    return np.asarray(np.interp(one, np.quantile(one, _LEVELS), np.quantile(two, _LEVELS)))


TRANSFERS: Mapping[str, Callable[[Colours, Colours], Colours]] = MappingProxyType(
    {"linear": linear, "lab": lab, "density": density, "histogram": histogram}
)
