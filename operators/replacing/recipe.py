"""All choices of one replacement, drawn evenly from a seed, and the replacement made by them.

In this order: the donor degraded, its colours brought to the target's, the outline of its face fitted and deformed,
what covers the target's face taken off the mask, fused. The same seed, donor and target give the same picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from operators.replacing.degrade import Degradation, drawn_degradation
from operators.replacing.drawn import Donor
from operators.replacing.fuse import FUSIONS
from operators.replacing.outline import Mask, Moved, deformed, fitted, grown, mask_of
from operators.replacing.recolour import TRANSFERS

SHARES = (0.01, 0.02, 0.03)
MOVED: tuple[Moved, ...] = ("none", "border", "all")
_STREAM, _AROUND = 8, 0.2
Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a donor becomes part of a target."""

    degradation: Degradation
    transfer: str
    moved: Moved
    share: float
    fusion: str
    seed: int = 0

    @staticmethod
    def drawn(seed: int) -> Recipe:
        """The choices of a seed."""
        rng = np.random.default_rng((_STREAM, seed))
        return Recipe(
            drawn_degradation(rng), str(rng.choice(list(TRANSFERS))), MOVED[rng.integers(len(MOVED))],
            float(rng.choice(SHARES)), str(rng.choice(list(FUSIONS))), int(rng.integers(2**31)),
        )

    def replaced(self, donor: Donor, target: Picture, occluder: Mask | None = None) -> tuple[Picture, Mask]:
        """The target (of the donor's size, its face where the donor's is) with the donor's face, and the mask."""
        degraded = self.degradation(np.rint(donor.rgb * 255).astype(np.uint8))
        rng = np.random.default_rng((_STREAM, self.seed))
        outline = fitted(donor.landmarks)
        # Beyond what a deformed outline and its soft edge take in, the donor is the target: no seam to colour.
        face = mask_of(grown(outline, _AROUND), target.shape[:2]) > 0
        matched = target.copy()
        matched[face] = _recoloured(self.transfer, degraded[face], target[face])
        mask = mask_of(deformed(outline, self.moved, self.share, rng), target.shape[:2], occluder)
        return FUSIONS[self.fusion](matched, target, mask), mask


def _recoloured(transfer: str, donor: Picture, target: Picture) -> Picture:
    one, two = (np.asarray(part / 255, np.float32) for part in (donor, target))
    return np.clip(np.rint(TRANSFERS[transfer](one, two) * 255), 0, 255).astype(np.uint8)
