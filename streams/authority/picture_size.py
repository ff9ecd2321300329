"""How large an encoded picture says it is, without decoding it: JPEG and PNG, read as their decoders do."""

from __future__ import annotations

import re

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
MAX_SEGMENTS = 4096
"""How far a JPEG's size is looked for: a picture of 16 MiB has some 300 segments before it, all of the largest size."""
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE = frozenset((0x01, *range(0xD0, 0xD8)))
_ENDS = frozenset((0xD8, 0xD9, 0xDA))


def size_of(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels; None where it is neither JPEG nor PNG, or doesn't say them where it has to."""
    if data.startswith(PNG):
        return _of_png(data)
    return _of_jpeg(data) if data.startswith(JPEG) else None


def _of_png(data: bytes) -> tuple[int, int] | None:
    """The header is the first chunk, of 13 bytes."""
    if len(data) < 33 or data[8:16] != b"\0\0\0\x0dIHDR":
        return None
    return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])


def _of_jpeg(data: bytes) -> tuple[int, int] | None:
    """The first frame's header counts; other segments are passed over by their length, bytes between them as they are.

    Before a scan there has to be one; a second one is an error to decoders.
    """
    at = 2
    for _ in range(MAX_SEGMENTS):
        found = _MARKER.search(data, at)
        if found is None or data[found.end() - 1] in _ENDS:
            return None
        marker, at = data[found.end() - 1], found.end()
        if marker in _FRAMES:
            height, width = data[at + 3 : at + 5], data[at + 5 : at + 7]
            return (int.from_bytes(width), int.from_bytes(height)) if len(width) == 2 else None
        at += 0 if marker in _BARE else int.from_bytes(data[at : at + 2])
    return None
