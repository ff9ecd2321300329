"""Attacks on the face detector by somebody who has its file: noise on each picture, and one patch to print.

`perturbed` is PGD (Madry et al., arXiv:1706.06083): twenty steps down the gradient of all cells' scores, each sample
never further from its own than a limit. `patch` is one texture for all faces, optimised over pictures in which it is
pasted at each face's size, as adversarial patches are (Brown et al., arXiv:1712.09665); then it is ink: no gradient
sees the picture that it is used in. `weakened` is PGD in few steps from noise, for a network that trains against it
(Wong et al., "Fast is better than free", arXiv:2001.03994).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from operators.training.unrolled import Unrolled

Rgb = npt.NDArray[np.uint8]
Box = tuple[float, float, float, float]
LIMIT, STEPS, STEP = 8.0, 20, 2.0
SEEN = -2.5
"""Logits above this count: scores of 0.08 and more, of which 0.2 could be kept."""
SIDE, PATCH_STEPS, PATCH_STEP = 32, 120, 6.0
AREA = 0.1
"""Of a face's box, at most so much is patch."""
TRAINED_STEPS = 2
LOWEST = 2.0


def perturbed(network: Unrolled, picture: Rgb, seed: int, steps: int = STEPS) -> Rgb:
    """The picture (h, w, 3) with every sample moved by at most `LIMIT`, so that its faces aren't found."""
    limit = torch.full((1, 1, 1, 1), LIMIT)
    return _picture(_noisy(lambda now: network(_padded(now)), _tensor(picture), limit, STEP, steps, seed))


def weakened(says: Callable[[Tensor], Sequence[Tensor]], pictures: Tensor, seed: int) -> Tensor:
    """Pictures (b, 3, h, w) with noise after which faces are found worse: each with a limit of its own, 2 to `LIMIT`.

    `says` gives the outputs of a network that is being trained, of which nothing is changed here.
    """
    limits = np.random.default_rng([seed, 1]).uniform(LOWEST, LIMIT, (len(pictures), 1, 1, 1)).astype(np.float32)
    return _noisy(says, pictures, (limit := torch.from_numpy(limits)), 1.5 * limit / TRAINED_STEPS, TRAINED_STEPS, seed)


def _noisy(
    says: Callable[[Tensor], Sequence[Tensor]], start: Tensor, limit: Tensor, step: Tensor | float, steps: int,
    seed: int,
) -> Tensor:
    """So many steps down the slope of what is visible, from random noise, never further from `start` than the limit."""
    noise = torch.from_numpy(np.random.default_rng(seed).uniform(-1, 1, start.shape).astype(np.float32))
    now = (start + limit * noise).clamp(0, 255)
    for _ in range(steps):
        now.requires_grad_(True)
        (slope,) = torch.autograd.grad(_visible(says(now)), now)
        with torch.no_grad():
            moved = now - step * slope.sign()
            now = torch.minimum(torch.maximum(moved, start - limit), start + limit).clamp(0, 255)
    return now.detach()


def patch(network: Unrolled, pictures: Sequence[Rgb], faces: Sequence[Sequence[Box]], seed: int) -> Rgb:
    """A texture (32, 32, 3) that hides the faces it is pasted on, as far as one can."""
    rng, shown_in = np.random.default_rng(seed), [number for number, boxes in enumerate(faces) if boxes]
    ink = torch.from_numpy(rng.uniform(0, 255, (1, 3, SIDE, SIDE)).astype(np.float32))
    for step in range(PATCH_STEPS):
        number = int(rng.choice(shown_in))
        ink.requires_grad_(True)
        shown = _tensor(pictures[number])
        for box in faces[number]:
            shown = _pasted(shown, ink, box)
        (slope,) = torch.autograd.grad(_visible(network(_padded(shown))), ink)
        with torch.no_grad():
            ink = (ink - PATCH_STEP * (1 - step / PATCH_STEPS) * slope.sign()).clamp(0, 255)
    return _picture(ink)


def spot(box: Box, height: int, width: int) -> tuple[int, int, int]:
    """Top, left and side of the patch on a face: across nose and eyes, inside the picture."""
    x1, y1, x2, y2 = box
    side = max(1, int((AREA * (x2 - x1) * (y2 - y1)) ** 0.5))
    top, left = round(y1 + 0.45 * (y2 - y1) - side / 2), round((x1 + x2 - side) / 2)
    return min(max(0, top), height - side), min(max(0, left), width - side), side


def _pasted(picture: Tensor, ink: Tensor, box: Box) -> Tensor:
    height, width = picture.shape[2:]
    top, left, side = spot(box, height, width)
    scaled = functional.interpolate(ink, (side, side), mode="bilinear", antialias=True)
    room = (left, width - left - side, top, height - top - side)
    return torch.where(functional.pad(torch.ones_like(scaled), room) > 0, functional.pad(scaled, room), picture)


def _visible(outputs: Sequence[Tensor]) -> Tensor:
    """How much of a face any cell still sees."""
    return sum((functional.relu(out[:, 0].float() - SEEN).sum() for out in outputs), torch.zeros(()))


def _padded(picture: Tensor) -> Tensor:
    height, width = picture.shape[2:]
    return functional.pad(picture, (0, -width % 32, 0, -height % 32))


def _tensor(picture: Rgb) -> Tensor:
    return torch.from_numpy(np.array(picture, np.float32).transpose(2, 0, 1)[None].copy())


def _picture(tensor: Tensor) -> Rgb:
    values = tensor.detach().round().clamp(0, 255).to(torch.uint8).numpy()
    return np.ascontiguousarray(values[0].transpose(1, 2, 0))
