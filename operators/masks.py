"""Masks of a chunk on the wire: packed bits, frame by frame, row by row, in one zlib stream; none: empty."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from operators.pixels import Mask
from schemas.errors import MalformedRecord
from schemas.frames import VideoFormat


def pack_masks(masks: Sequence[Mask]) -> bytes:
    """The masks of a chunk's frames in one string; empty where nothing is masked."""
    stack = np.stack(masks)
    return zlib.compress(np.packbits(stack).tobytes(), 6) if stack.any() else b""


def unpack_masks(packed: bytes, frames: int, format: VideoFormat) -> list[Mask]:
    """The mask of each frame, read-only.

    Raises:
        MalformedRecord: not a zlib stream, or not of this many frames of this size.

    """
    rows, columns = format.blocks
    bits = frames * rows * columns
    if not packed:
        stack = np.zeros((frames, rows, columns), bool)
    else:
        data = _inflate(packed, -(-bits // 8))
        stack = np.unpackbits(np.frombuffer(data, np.uint8))[:bits].reshape(frames, rows, columns).astype(bool)
    stack.flags.writeable = False
    return list(stack)


def _inflate(packed: bytes, size: int) -> bytes:
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(packed, size + 1)
    except zlib.error as error:
        raise MalformedRecord("masks don't unpack") from error
    if len(data) != size or not stream.eof:
        raise MalformedRecord("masks are of another size than the pictures")
    return data
