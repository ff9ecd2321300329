"""What a method of desensitising is, and what it gets to see."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Literal, Protocol

from schemas.frames import Planes
from schemas.regions import Region

Lasts = Literal["track", "chunk", "frame"]


@dataclass(frozen=True, slots=True, eq=False)
class Spot:
    """The blocks that a track claims in a frame: their samples (views; writable where they are painted), the column
    and row in the picture at which they begin, in luma samples, and what was found there.
    """

    planes: Planes
    left: int = 0
    top: int = 0
    found: Region | None = None
    full_range: bool = False


class Method(Protocol):
    """One way to hide a region: `prepare` an appearance, then `paint` it in every frame as long as it lasts.

    The appearance is at most 192 bytes, and all that the public picture shows of the region. One that lasts as long as
    its track is computed once, so it neither flickers nor adds up over frames to more than it holds; methods that show
    more than that, once a chunk or in every frame, say so in `lasts`. The authority needs no more than the sealed
    samples to undo a method; one that is `keyed` can be undone in part by its key alone.
    """

    @property
    def name(self) -> str:
        """What policies call it."""
        ...

    @property
    def lasts(self) -> Lasts:
        """How long an appearance is shown."""
        ...

    @property
    def keyed(self) -> bool:
        """What it shows depends on a secret."""
        ...

    @property
    def easy(self) -> bool:
        """What it shows may be coded more coarsely than the picture around it."""
        ...

    def prepare(self, spot: Spot, key: bytes) -> bytes:
        """The appearance of a track from its region in the first frame that shows it; `key`: see `appearance_key`."""
        ...

    def paint(self, spot: Spot, appearance: bytes) -> None:
        """Overwrite every sample of the spot."""
        ...


def appearance_key(secret: bytes, video_id: str, chunk_seq: int, track: int) -> bytes:
    """The key (32 bytes) of a track's appearance in a chunk: HMAC-SHA256, so that none says anything of another."""
    place = f"sealframe appearance 1/{video_id}/{chunk_seq}/{track}".encode()
    return hmac.new(secret, place, hashlib.sha256).digest()
