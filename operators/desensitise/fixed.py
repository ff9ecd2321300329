"""Methods that show nothing of a region but where it is: the same picture for everybody, whatever is hidden.

Coarse averages of a face, even 4 x 4 of them, give away who it is more often than chance (`eval attack`: 8 % of 200
people by one blurred picture). What doesn't depend on the samples at all can't. It costs no more bits.
"""

from __future__ import annotations

from dataclasses import dataclass

from operators.desensitise.averages import Averages
from operators.desensitise.base import Lasts, Spot


@dataclass(frozen=True, slots=True)
class Fixed:
    """Paints `shown`, grids as `grid` paints them."""

    name: str
    grid: Averages
    shown: bytes
    lasts: Lasts = "track"
    keyed: bool = False
    easy: bool = True

    def prepare(self, spot: Spot, key: bytes) -> bytes:
        """The same bytes for every region."""
        return self.shown

    def paint(self, spot: Spot, appearance: bytes) -> None:
        """Scale the grids over the region; errors as `Averages.paint`."""
        self.grid.paint(spot, appearance)


GREY = b"\x80\x80\x80"
_OVAL = bytes((
    88, 96, 96, 88,
    98, 126, 126, 98,
    98, 122, 122, 98,
    86, 102, 102, 86,
    124, 124, 124, 124,
    134, 134, 134, 134,
))  # fmt: skip
"""Luma 4 x 4, then both chroma planes 2 x 2: a soft lighter oval on a dark ground, of no skin in particular."""

SOLID = Fixed("solid", Averages("solid", 1, smooth=False), GREY)
VEIL = Fixed("veil", Averages("veil", 4, smooth=True), _OVAL)
"""At every size the same oval: fewer cells in small masks would tell their size."""
