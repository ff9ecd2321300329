"""A donor put into a target under a mask (h, w; 255 or 0), both (h, w, 3), 8 bits.

- `alpha`: `(1 - a) * target + a * donor`, the mask's edge softened.
- `poisson`: gradients of the donor, border of the target (P. Perez et al., "Poisson Image Editing", SIGGRAPH 2003).
- `pyramid`: Laplacian pyramids, each level with the mask at its scale (P. Burt and E. Adelson, "A Multiresolution
  Spline", ACM TOG 2(4), 1983).
- `wavelet`: Haar coefficients, details of the donor where the mask's low band is over a half, the last low band mixed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
LEVELS = 4
_SOFT = 2.5


def alpha(donor: Picture, target: Picture, mask: Picture, strength: float = 1.0) -> Picture:
    """Mixed, by `strength` inside."""
    share = strength * cv2.GaussianBlur(mask, (0, 0), _SOFT).astype(np.float32)[..., None] / 255
    return _bytes(target.astype(np.float32) + share * (donor.astype(np.float32) - target))


def poisson(donor: Picture, target: Picture, mask: Picture) -> Picture:
    """The donor's gradients; where the mask touches the picture's edge, or is empty, as `alpha`."""
    inner = mask.copy()
    inner[[0, 1, -2, -1]], inner[:, [0, 1, -2, -1]] = 0, 0
    rows, columns = np.nonzero(inner)
    if len(rows) < 9:
        return alpha(donor, target, mask)
    # The clone's middle is that of the mask's bounding box.
    middle = int(columns.min() + columns.max()) // 2, int(rows.min() + rows.max()) // 2
    return np.asarray(cv2.seamlessClone(donor, target, inner, middle, cv2.NORMAL_CLONE), np.uint8)


def pyramid(donor: Picture, target: Picture, mask: Picture) -> Picture:
    """Coarse levels mixed over wide seams, fine ones over narrow seams."""
    share = cv2.GaussianBlur(mask, (0, 0), _SOFT / 2).astype(np.float32) / 255
    one, two = _levels(donor.astype(np.float32)), _levels(target.astype(np.float32))
    shares = [share]
    for _ in range(LEVELS):
        shares.append(np.asarray(cv2.pyrDown(shares[-1]), np.float32))
    mixed = [b + part[..., None] * (a - b) for a, b, part in zip(one, two, shares, strict=True)]
    out = mixed[-1]
    for level in mixed[-2::-1]:
        out = level + cv2.pyrUp(out, dstsize=(level.shape[1], level.shape[0]))
    return _bytes(out)


def wavelet(donor: Picture, target: Picture, mask: Picture) -> Picture:
    """Coefficients chosen one by one, over `LEVELS` levels."""
    height, width = mask.shape
    side = 1 << LEVELS
    grown = ((0, -height % side), (0, -width % side))
    pads = [np.pad(part.astype(np.float32), (*grown, (0, 0)), mode="edge") for part in (donor, target)]
    share = np.pad(mask.astype(np.float32) / np.float32(255), grown, mode="edge")
    return _bytes(_chosen(pads[0], pads[1], share, LEVELS)[:height, :width])


def _chosen(donor: Floats, target: Floats, share: Floats, levels: int) -> Floats:
    if not levels:
        return np.asarray(target + share[..., None] * (donor - target), np.float32)
    of_donor, of_target, halved = _haar(donor), _haar(target), _haar(share)[0]
    bands = [np.where(halved[..., None] > 0.5, a, b) for a, b in zip(of_donor[1:], of_target[1:], strict=True)]
    return _unhaar((_chosen(of_donor[0], of_target[0], halved, levels - 1), *bands))


def _haar(part: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    a, b, c, d = part[::2, ::2], part[::2, 1::2], part[1::2, ::2], part[1::2, 1::2]
    sums = a + b + c + d, a - b + c - d, a + b - c - d, a - b - c + d
    low, across, down, both = (np.asarray(one / 4, np.float32) for one in sums)
    return low, across, down, both


def _unhaar(bands: tuple[Floats, ...]) -> Floats:
    low, across, down, both = bands
    out = np.empty((2 * low.shape[0], 2 * low.shape[1], 3), np.float32)
    out[::2, ::2], out[::2, 1::2] = low + across + down + both, low - across + down - both
    out[1::2, ::2], out[1::2, 1::2] = low + across - down - both, low - across - down + both
    return out


def _levels(part: Floats) -> list[Floats]:
    """Laplacian levels, the coarsest last."""
    out = []
    for _ in range(LEVELS):
        smaller = np.asarray(cv2.pyrDown(part), np.float32)
        out.append(part - cv2.pyrUp(smaller, dstsize=(part.shape[1], part.shape[0])))
        part = smaller
    return [*out, part]


def _bytes(part: npt.NDArray[np.floating]) -> Picture:
    return np.clip(np.rint(part), 0, 255).astype(np.uint8)


FUSIONS: Mapping[str, Callable[[Picture, Picture, Picture], Picture]] = MappingProxyType(
    {"alpha": alpha, "poisson": poisson, "pyramid": pyramid, "wavelet": wavelet}
)
