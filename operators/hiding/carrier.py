"""Where the bits lie in a picture: low frequencies of its 8x8 blocks of luma, quantised to one of two lattices.

Source: B. Chen and G. Wornell, "Quantization index modulation", IEEE Trans. Information Theory 47(4), 2001, with
dither: the reader needs no original, and the picture's own content is no noise. One place in 24 is a pilot whose bit is
known; how the pilots come back says how much each soft value is worth.

How much fits. A step D costs D*D/12 of squared error a coefficient and withstands errors up to D/4. Over all samples
of a 4:2:0 picture 38 dB allow a mean squared error of 15.5 in luma, so n places a block get D*D = 12 * 64 * 15 / n.
Blur, scaling and a filmed screen keep low frequencies and add errors of a few levels, far from D/4 = 12 at n = 5:
there 0.02 bits a pixel (a code of rate 0.28 on 5/64 places a pixel) are easy. A codec is the narrow way: x264 at CRF
28 spends little more than that on the *whole* video, raises its quantiser for what it can't predict, and drops each
change below about two thirds of its step. `sealframe eval hiding --curve` says what n places a block hold behind each
CRF. Fewer, stronger ones survive coarse quantisers; the same bits in two or more frames, so that prediction keeps
them, gain less than they cost; weaker changes of more samples (a distortion compensated below 1) lose, since the codec
drops what is small. So there are two carriers: `DENSE` for 0.02 bits a pixel, and `STURDY` for CRF 28. No carrier of
this class has both at 38 dB.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from schemas.frames import Plane

BLOCK = 8
PILOT_EVERY = 24
BUSY_LEVELS = 4
Floats = npt.NDArray[np.float32]
Bits = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Carrier:
    """Places (row and column frequency) in each block, the lattices' step in luma, and data bits per place."""

    name: str
    places: tuple[tuple[int, int], ...]
    step: float
    rate: float


DENSE = Carrier("dense", ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0)), 47.2, 0.28)
STURDY = Carrier("sturdy", ((0, 1), (1, 0)), 74.8, 0.04)
CARRIERS = {carrier.name: carrier for carrier in (DENSE, STURDY)}


def basis(count: int) -> Floats:
    """The first `count` rows of the orthonormal DCT-II over a block's side."""
    k = np.arange(count)[:, None]
    rows = np.sqrt(2 / BLOCK) * np.cos(np.pi * (2 * np.arange(BLOCK) + 1) * k / (2 * BLOCK))
    rows[0] /= np.sqrt(2)
    return np.asarray(rows, np.float32)


def coefficients(luma: Plane | Floats, places: tuple[tuple[int, int], ...]) -> Floats:
    """Coefficients (rows, columns, places) of the whole blocks of a picture."""
    rows, columns = luma.shape[0] // BLOCK, luma.shape[1] // BLOCK
    blocks = luma[: rows * BLOCK, : columns * BLOCK].astype(np.float32).reshape(rows, BLOCK, columns * BLOCK)
    of = basis(1 + max(max(place) for place in places))
    half = (of @ blocks).reshape(rows, len(of), columns, BLOCK) @ of.T
    return np.stack([half[:, u, :, v] for u, v in places], -1)


def shifted(luma: Plane, change: Floats, places: tuple[tuple[int, int], ...]) -> Plane:
    """The picture with these coefficients added."""
    rows, columns = change.shape[:2]
    of = basis(1 + max(max(place) for place in places))
    half = np.zeros((rows, len(of), columns, len(of)), np.float32)
    for index, (u, v) in enumerate(places):
        half[:, u, :, v] = change[:, :, index]
    added = of.T @ (half @ of).reshape(rows, len(of), columns * BLOCK)
    out = luma.astype(np.float32)
    out[: rows * BLOCK, : columns * BLOCK] += added.reshape(rows * BLOCK, columns * BLOCK)
    return np.asarray(np.clip(np.rint(out), 0, 255), np.uint8)


def put(luma: Plane, bits: Bits, carrier: Carrier, number: int) -> Plane:
    """The picture with one bit in every place that isn't a pilot; `number`: of the frame in its chunk."""
    shape = shape_of(luma, carrier)
    pilot = pilots(shape)
    wanted = known_bits(shape, number)
    wanted[~pilot] = bits
    values = coefficients(luma, carrier.places)
    offset = dither(shape, carrier, number) + wanted * np.float32(carrier.step / 2)
    return shifted(luma, np.rint((values - offset) / carrier.step) * carrier.step + offset - values, carrier.places)


def turns(luma: Plane | Floats, carrier: Carrier, number: int) -> Floats:
    """Where every coefficient lies between the lattices: the cosine is 1 on that of bit 0, -1 on that of bit 1."""
    shape = shape_of(luma, carrier)
    away = coefficients(luma, carrier.places) - dither(shape, carrier, number)
    return np.cos(away * np.float32(2 * np.pi / carrier.step))


def agreement(turned: Floats, number: int) -> float:
    """How well the pilots came back: 1 wholly, 0 not at all."""
    pilot = pilots(turned.shape)
    return float(np.mean(turned[pilot] * (1 - 2.0 * known_bits(turned.shape, number)[pilot])))


def shape_of(luma: Plane | Floats, carrier: Carrier) -> tuple[int, int, int]:
    """Blocks down, blocks across, places."""
    return luma.shape[0] // BLOCK, luma.shape[1] // BLOCK, len(carrier.places)


def places_in(width: int, height: int, carrier: Carrier) -> int:
    """Places of a picture that carry data."""
    shape = (height // BLOCK, width // BLOCK, len(carrier.places))
    return int(np.prod(shape)) - int(pilots(shape).sum())


@lru_cache(maxsize=8)
def pilots(shape: tuple[int, ...]) -> Flags:
    """Which places are pilots."""
    flat = np.zeros(int(np.prod(shape)), bool)
    flat[np.random.default_rng((1, *shape)).permutation(flat.size)[: flat.size // PILOT_EVERY]] = True
    out = flat.reshape(shape)
    out.flags.writeable = False
    return out


def known_bits(shape: tuple[int, ...], number: int) -> Bits:
    """The bits of the pilots in this frame (of all places)."""
    return np.random.default_rng((2, number, *shape)).integers(0, 2, shape, np.uint8)


def dither(shape: tuple[int, ...], carrier: Carrier, number: int) -> Floats:
    """Where the lattices lie in this frame."""
    return np.random.default_rng((3, number, *shape)).random(shape, np.float32) * np.float32(carrier.step)
