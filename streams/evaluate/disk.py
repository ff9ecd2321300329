"""Search a disk for pictures that should be nowhere on it: coded as pushed, coded as opened evidence, or as samples.

A probe is a run of bytes of a hidden picture: 64 of a coded slice, every 64 bytes one, or 32 samples of a row of luma
in hidden blocks. Every file is searched at every byte, so that a run of 127 bytes of a slice lying anywhere is found.
Public video serves as control: it lies readable in the broker by design, so a search that works finds its probes there.
What it can't find: pictures compressed or enciphered once more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from operators import annexb
from operators.masks import unpack_masks
from schemas.frames import BLOCK, FrameChunk
from streams.demo.measure import Seen
from streams.evaluate.report import Figure

CODED, PIECES, SAMPLES, CONTROL = "coded", "pieces", "samples", "control"
CODED_BYTES, SAMPLE_BYTES, KEY_BYTES = 64, 32, 8
EVERY_FRAME = 5
ROWS = (3, 11)
VARIED = 4
READ_BYTES = 4 * 2**20
HEVC_SLICES = 32
_HASH_BITS = 24
_MIX = np.uint64(0x9E3779B97F4A7C15)
Words = npt.NDArray[np.uint64]


class Probes:
    """Collects probes, then searches."""

    def __init__(self) -> None:
        self._kinds: dict[bytes, str] = {}

    def count(self, kind: str) -> int:
        """Different probes of a kind."""
        return sum(known == kind for known in self._kinds.values())

    def add(self, seen: Seen, media: bytes) -> None:
        """Probes of one chunk; `media` is its public fragment. Chunks without a mask give control probes only."""
        self._tile(CONTROL, media)
        if not seen.body.masks:
            return
        for unit in slices(seen.chunk):
            self._tile(CODED, unit)
        for piece in seen.pieces:
            for coded in piece.units:
                for unit in annexb.split(coded.data):
                    self._tile(PIECES, unit)
        masks = unpack_masks(seen.body.masks, len(seen.original), seen.chunk.format)
        for index in range(0, len(masks), EVERY_FRAME):
            self._rows(seen.original[index].y, masks[index])

    def search(self, folder: Path) -> tuple[Counter[tuple[str, str]], int]:
        """How many different probes of each kind lie in each part (first folder) of `folder`; bytes searched.

        Files that vanish or can't be read while the services run are left out.
        """
        words = np.array(sorted({self._word(probe) for probe in self._kinds}), np.uint64)
        marks = np.zeros(1 << _HASH_BITS, bool)
        marks[_hashed(words)] = True
        found: dict[str, set[bytes]] = {}
        total = 0
        for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
            part = path.relative_to(folder).parts[0]
            for block in _blocks(path):
                total += len(block)
                found.setdefault(part, set()).update(self._hits(block, words, marks))
        return Counter((self._kinds[probe], part) for part, probes in found.items() for probe in probes), total

    def _tile(self, kind: str, data: bytes) -> None:
        for at in range(0, len(data) - CODED_BYTES + 1, CODED_BYTES):
            self._put(kind, data[at : at + CODED_BYTES])

    def _rows(self, luma: npt.NDArray[np.uint8], mask: npt.NDArray[np.bool_]) -> None:
        """Samples of two blocks side by side that are both hidden."""
        height, width = luma.shape
        for row, column in np.argwhere(mask[:, :-1] & mask[:, 1:]).tolist():
            for y in (row * BLOCK + within for within in ROWS):
                if y < height and (column + 2) * BLOCK <= width:
                    self._put(SAMPLES, luma[y, column * BLOCK :][:SAMPLE_BYTES].tobytes())

    def _put(self, kind: str, probe: bytes) -> None:
        """Runs with hardly any change could lie anywhere by chance: not taken."""
        if len(set(probe[:KEY_BYTES])) >= VARIED and len(set(probe)) >= 2 * VARIED:
            self._kinds.setdefault(probe, kind)

    @staticmethod
    def _word(probe: bytes) -> int:
        return int.from_bytes(probe[:KEY_BYTES], "little")

    def _hits(self, block: bytes, words: Words, marks: npt.NDArray[np.bool_]) -> Iterator[bytes]:
        if len(block) < KEY_BYTES or not len(words):
            return
        here: Words = np.ndarray((len(block) - KEY_BYTES + 1,), "<u8", block, strides=(1,))
        places = np.flatnonzero(marks[_hashed(here)])
        at = np.searchsorted(words, here[places])
        for place in places[words[np.minimum(at, len(words) - 1)] == here[places]].tolist():
            for size in (CODED_BYTES, SAMPLE_BYTES):
                if block[place : place + size] in self._kinds:
                    yield block[place : place + size]


def slices(chunk: FrameChunk) -> Iterator[bytes]:
    """The coded slices (VCL NAL units) of a chunk, H.264 or H.265."""
    for unit in (unit for coded in chunk.units for unit in annexb.split(coded.data)):
        if chunk.codec == "h264":
            is_slice = annexb.kind(unit) in (annexb.SLICE, annexb.IDR)
        else:
            is_slice = unit[0] >> 1 & 0x3F < HEVC_SLICES
        if is_slice:
            yield unit


def figures(probes: Probes, folder: Path, broker: str = "broker") -> list[Figure]:
    """Nothing bare anywhere below `folder`, while the control is found in its part `broker`."""
    found, searched = probes.search(folder)
    hidden = sum(probes.count(kind) for kind in (CODED, PIECES, SAMPLES))
    control, seen = probes.count(CONTROL), found[CONTROL, broker]
    bare = {kind: sum(n for (k, _), n in found.items() if k == kind) for kind in (CODED, PIECES, SAMPLES)}
    places = sorted({part for kind, part in found if kind != CONTROL})
    return [
        Figure("disk_bare_units", bare[CODED] + bare[PIECES], "probes", "==", 0,
               probes.count(CODED) + probes.count(PIECES),
               f"of 64 coded bytes, pushed or opened; bare in {', '.join(places) or 'no part'}"),
        Figure("disk_bare_samples", bare[SAMPLES], "probes", "==", 0, probes.count(SAMPLES), "of 32 samples of luma"),
        Figure("disk_probes", hidden, "probes", ">=", None, hidden, "looked for at every byte"),
        Figure("disk_control_found", seen / max(control, 1), "", "==", 1.0, control,
               "probes of public video, which must be found in the broker's log"),
        Figure("disk_searched_mib", searched / 2**20, "MiB", ">=", None, 1,
               "broker, databases, platforms, worker, logs; without what is zero"),
    ]


def _hashed(words: Words) -> npt.NDArray[np.uint64]:
    return (words * _MIX) >> np.uint64(64 - _HASH_BITS)


def _blocks(path: Path) -> Iterator[bytes]:
    """A file in overlapping blocks, without those that hold only zeros."""
    kept = b""
    try:
        with path.open("rb") as file:
            while data := file.read(READ_BYTES):
                block = kept + data
                if block.strip(b"\x00"):
                    yield block
                kept = block[-(CODED_BYTES - 1) :]
    except OSError:
        return
