"""Which blocks of a chunk go together where one reader gets them all: those of neighbours, whoever they are.

A set of people (`claims`) can be opened without the others. In a crowd that costs: dozens of sets a second, each with a
video of its own, most of whose canvas belongs to others. Where nobody is opened alone, a block goes to the largest
track that claims it, and two groups of tracks become one as long as that saves work: agglomerative clustering, by the
cost of the groups' canvases (greedily; J. H. Ward, "Hierarchical grouping to optimize an objective function", 1963).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from operators import pixels
from operators.claims import Masks, Sets, united
from operators.cohere import Claim, Layout
from schemas.frames import BLOCK, MAX_PIECE_BYTES, VideoFormat

PIECE, PICTURE = 400, 35
"""What a piece and each of its pictures cost beside their blocks, in grey blocks (regression over 460 pieces)."""
MAX_BLOCKS = MAX_PIECE_BYTES // (BLOCK * BLOCK * 3 // 2)
"""Groups that hold more together stay apart: so many blocks fit into a piece even uncompressed."""
KIND_BITS = 16
_NOWHERE = 10**6, 10**6, -(10**6), -(10**6)

Places = npt.NDArray[np.int64]
Owner = tuple[int, int]
"""The kinds that claim a block, as bits, and the track that it goes to."""


def neighbours(layout: Layout, format: VideoFormat) -> Sets:
    """Sets of neighbours, by all tracks that claim any of their blocks; a block of other kinds is in another set."""
    owned = _owned(layout, format)
    sets: Sets = {}
    for group in _grouped(owned, len(layout)):
        masks = united(owned[owner] for owner in group)
        tracks = _claimants(masks, layout, {track for _, track in group})
        sets[tracks] = united([masks, sets.get(tracks, {})])
    return sets


def _owned(layout: Layout, format: VideoFormat) -> dict[Owner, Masks]:
    """Each painted block goes to the largest track that claims it, apart by the kinds that do."""
    size: Counter[int] = Counter()
    for claim in (claim for claims in layout for claim in claims):
        size[claim.track] += _area(claim)
    kinds = {kind: 1 << i for i, kind in enumerate(sorted({claim.kind for claims in layout for claim in claims}))}
    owned: dict[Owner, Masks] = {}
    for index, claims in enumerate(layout):
        whose = np.zeros(format.blocks, np.int64)
        for claim in sorted(claims, key=lambda claim: (size[claim.track], claim.track)):
            inside = whose[claim.rect.top : claim.rect.bottom, claim.rect.left : claim.rect.right]
            inside[:] = claim.track << KIND_BITS | inside & (1 << KIND_BITS) - 1 | kinds[claim.kind]
        for number in np.unique(whose[whose > 0]).tolist():
            track, bits = divmod(number, 1 << KIND_BITS)
            owned.setdefault((bits, track), {})[index] = whose == number
    return owned


def _area(claim: Claim) -> int:
    return (claim.rect.bottom - claim.rect.top) * (claim.rect.right - claim.rect.left)


def _grouped(owned: Mapping[Owner, Masks], frames: int) -> list[list[Owner]]:
    """Whose blocks go together."""
    groups = _Groups([[owner] for owner in sorted(owned)], owned, frames)
    while groups.merge():
        pass
    return groups.left()


@dataclass(slots=True)
class _Groups:
    """Groups of owners, and what merging two of them saves: of each its place in every frame, and its blocks in all."""

    members: list[list[Owner]]
    owned: Mapping[Owner, Masks]
    frames: int
    places: Places = field(init=False)
    held: Places = field(init=False)
    kinds: Places = field(init=False)
    saved: npt.NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        owners = [owner for owner, in self.members]
        self.places = np.full((len(owners), self.frames, 4), _NOWHERE, np.int64)
        for number, owner in enumerate(owners):
            for index, mask in self.owned[owner].items():
                if rect := pixels.bounds(mask):
                    self.places[number, index] = rect.top, rect.left, rect.bottom, rect.right
        self.held = np.array([sum(int(mask.sum()) for mask in self.owned[owner].values()) for owner in owners])
        self.kinds = np.array([bits for bits, _ in owners])
        self.saved = np.full((len(owners), len(owners)), -np.inf)
        for number in range(len(owners)):
            self._weigh(number)

    def merge(self) -> bool:
        """The two groups that save most become one; whether there were such."""
        if not self.saved.size or (most := self.saved.max()) <= 0:
            return False
        into, other = divmod(int((self.saved == most).argmax()), len(self.saved))
        self.members[into] += self.members[other]
        self.places[into] = _hull(self.places[into], self.places[other])
        self.held[into] += self.held[other]
        self.members[other] = []
        self.saved[other] = self.saved[:, other] = -np.inf
        self._weigh(into)
        return True

    def left(self) -> list[list[Owner]]:
        """The groups that there are."""
        return [group for group in self.members if group]

    def _weigh(self, one: int) -> None:
        """What merging this group with each other one saves."""
        fit = (self.kinds == self.kinds[one]) & (self.held + self.held[one] <= MAX_BLOCKS)
        fit &= np.array([bool(group) for group in self.members])
        fit[one] = False
        apart = _work(self.places[fit]) + _work(self.places[one])
        self.saved[one] = self.saved[:, one] = -np.inf
        self.saved[one, fit] = self.saved[fit, one] = apart - _work(_hull(self.places[one], self.places[fit]))


def _work(places: Places) -> Places:
    """Of groups at these places (..., frames, 4): what their pieces cost, in grey blocks."""
    rows, columns = places[..., 2] - places[..., 0], places[..., 3] - places[..., 1]
    shown = (rows > 0).sum(-1)
    return np.asarray(PIECE + shown * (PICTURE + rows.max(-1).clip(0) * columns.max(-1).clip(0)), np.int64)


def _hull(a: Places, b: Places) -> Places:
    """The places that hold both."""
    return np.concatenate([np.minimum(a[..., :2], b[..., :2]), np.maximum(a[..., 2:], b[..., 2:])], -1)


def _claimants(masks: Masks, layout: Layout, known: set[int]) -> tuple[int, ...]:
    """All tracks that claim one of these blocks, ascending; of some it is known."""
    for index, mask in masks.items():
        place = pixels.bounds(mask)
        for claim in layout[index]:
            near = claim.track not in known and place is not None and pixels.meet(claim.rect, place)
            if near and mask[claim.rect.top : claim.rect.bottom, claim.rect.left : claim.rect.right].any():
                known.add(claim.track)
    return tuple(sorted(known))
