"""Memory for decoded pictures that is used again once nobody looks at them any more.

Fresh memory costs a page fault for every page: with it decoding takes up to a half longer.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from schemas.frames import Planes

BLOCK_BYTES = 8 * 2**20
"""Of pictures that share memory, and give it back together; large blocks come in large pages (NumPy asks for them)."""
MOST_FREE = 16
"""Blocks that wait to be used again; more are given back to the system."""
Block = npt.NDArray[np.uint8]
_free: deque[Block] = deque(maxlen=MOST_FREE)


class _Lent:
    """A block as NumPy takes it; it is free again when the last array over it is gone."""

    def __init__(self, block: Block) -> None:
        self._block, self.__array_interface__ = block, block.__array_interface__

    def __del__(self, free: deque[Block] = _free) -> None:
        free.append(self._block)


def _block() -> Block:
    try:
        block = _free.popleft()
    except IndexError:
        block = np.empty(BLOCK_BYTES, np.uint8)
    return np.asarray(_Lent(block))


class PictureMemory:
    """Memory for so many pictures of one size, several in a block; too few for a block have memory of their own."""

    def __init__(self, width: int, height: int, pictures: int) -> None:
        self.width, self.height = width, height
        self._bytes = width * height * 3 // 2
        self._left, self._free = pictures, list[Block]()

    def picture(self) -> Planes:
        """Planes that nobody else has, their samples anything."""
        if not self._free:
            self._free = self._more()
        samples, luma, half = self._free.pop(), self.width * self.height, (self.height // 2, self.width // 2)
        return Planes(
            samples[:luma].reshape(self.height, self.width),
            samples[luma : luma + luma // 4].reshape(half), samples[luma + luma // 4 :].reshape(half),
        )

    def _more(self) -> list[Block]:
        together = max(1, min(self._left, BLOCK_BYTES // self._bytes))
        self._left -= together
        size = together * self._bytes
        block = _block()[:size] if BLOCK_BYTES // 2 < size <= BLOCK_BYTES else np.empty(size, np.uint8)
        return list(block.reshape(together, self._bytes))
