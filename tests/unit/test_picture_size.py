"""How large a picture says it is, and that one of gigabytes isn't decoded to find out."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest

from streams.authority.picture_size import JPEG, MAX_SEGMENTS, PNG, size_of

PICTURE = np.full((48, 80, 3), 90, np.uint8)
FRAME = bytes.fromhex("ffc0 0011 08 0030 0050 03 011100 021101 031101")  # a baseline frame's header, 80x48
BOMB = """
import resource, struct, zlib
from schemas.errors import UsageError
from streams.authority.faces import Faces

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

side, packed = 12_000, zlib.compressobj(9)
rows = b"".join(packed.compress(bytes(1 + side * 3)) for _ in range(side)) + packed.flush()
header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
picture = b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    Faces(None, None).found(picture)
except UsageError:
    print(len(picture), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def coded(ending: str, *options: int) -> bytes:
    return bytes(cv2.imencode(ending, PICTURE, options)[1])


def segment(marker: int, data: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(data) + 2).to_bytes(2) + data


@pytest.mark.parametrize("data", [
    coded(".png"), coded(".jpg"), coded(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    coded(".jpg", cv2.IMWRITE_JPEG_RST_INTERVAL, 1),
    JPEG[:2] + FRAME,
    JPEG[:2] + segment(0xE1, coded(".jpg")[::-1] + FRAME) + FRAME,  # a preview inside doesn't count
    JPEG[:2] + segment(0xC4, FRAME) + FRAME, JPEG[:2] + segment(0xFE, b"") + FRAME,
    JPEG[:2] + b"\xff" * 9 + FRAME[1:], JPEG[:2] + segment(0xE0, b"x") + b"rest\xff\x00" + FRAME,
    JPEG[:2] + b"\xff\xd0\xff\x01" + FRAME,
])
def test_size_of_a_picture_is_what_its_header_says(data: bytes) -> None:
    assert size_of(data) == (80, 48)


@pytest.mark.parametrize("data", [
    b"", b"no picture", PNG, JPEG, coded(".bmp"), coded(".webp"), coded(".png")[:32], JPEG[:2] + FRAME[:8],
    PNG + coded(".png")[8:33].replace(b"IHDR", b"tEXt"), PNG + b"\0\0\0\x0e" + coded(".png")[12:],
    JPEG[:2] + segment(0xDA, b"x") + FRAME, JPEG[:2] + b"\xff\xd9" + FRAME, JPEG[:2] + b"\xff\xd8" + FRAME,
    JPEG[:2] + segment(0xFE, b"") * MAX_SEGMENTS + FRAME, JPEG + b"\xff" * 1000, JPEG[:2] + b"\xff\x00" * 1000,
])
def test_size_of_what_does_not_say_it_is_unknown(data: bytes) -> None:
    assert size_of(data) is None


def test_picture_that_would_be_gigabytes_is_refused_without_decoding_it() -> None:
    """412 MiB decoded, in a file of half a MiB."""
    done = subprocess.run([sys.executable, "-c", BOMB], capture_output=True, text=True, check=True)
    size, grown_kib = map(int, done.stdout.split())
    assert size < 2**20 and grown_kib < 50 * 1024
