"""What a method of desensitising is, and the registry of those shipped."""

from __future__ import annotations

from typing import Protocol

from schemas.frames import Planes


class Method(Protocol):
    """One way to hide a region: `prepare` once for a track, then `paint` in every frame.

    The appearance is at most 192 bytes, and all that the public picture shows of the region: it is computed once, so
    it neither flickers nor adds up over frames to more than it holds. The authority needs no more than the sealed
    samples to undo a method.
    """

    @property
    def name(self) -> str:
        """What policies call it."""
        ...

    def prepare(self, region: Planes) -> bytes:
        """The appearance of a track from its region in the first frame that shows it."""
        ...

    def paint(self, region: Planes, appearance: bytes) -> None:
        """Overwrite every sample of the region (writable views)."""
        ...
