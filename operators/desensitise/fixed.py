"""Methods that show nothing of a region but where it is: one tone for everybody, whatever is hidden.

Coarse averages of a face, even 4 x 4 of them, give away who it is more often than chance (`eval attack`: 8 % of 200
people by one blurred picture). What doesn't depend on the samples at all can't. It costs no more bits. And it is flat,
so the codec gives it back to the sample; shades come back with errors that follow what is around (`DECISIONS.md`, 105).
"""

from __future__ import annotations

from dataclasses import dataclass

from operators.desensitise.base import Lasts, Spot
from schemas.errors import MalformedRecord


@dataclass(frozen=True, slots=True)
class Fixed:
    """Paints one tone: `shown` is luma and both chromas."""

    name: str
    shown: bytes
    lasts: Lasts = "track"
    keyed: bool = False
    easy: bool = True

    def prepare(self, spot: Spot, key: bytes) -> bytes:
        """The same bytes for every region."""
        return self.shown

    def paint(self, spot: Spot, appearance: bytes) -> None:
        """Fill the region.

        Raises:
            MalformedRecord: the appearance is of another method.

        """
        if len(appearance) != len(self.shown):
            raise MalformedRecord(f"an appearance of {len(appearance)} bytes isn't one of method {self.name}")
        for plane, value in zip(spot.planes.all(), appearance, strict=True):
            plane[:] = value


SOLID = Fixed("solid", b"\x80\x80\x80")
VEIL = Fixed("veil", bytes((108, 124, 134)))
"""A dark warm grey, of no skin in particular."""
