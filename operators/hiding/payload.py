"""Bytes in the pictures of a chunk, and back: length, checksum, whitening, polar words, spread over all its frames.

Each word's bits are scattered over the whole chunk, so that every word meets the mean of good and bad frames; bytes:
`schemas/FORMATS.md`. What is hidden here is no secret yet: seal it first.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from operators.hiding import polar
from operators.hiding.carrier import (
    BLOCK,
    BUSY_LEVELS,
    Bits,
    Carrier,
    Flags,
    Floats,
    coefficients,
    known_bits,
    pilots,
    places_in,
    put,
    turns,
)
from operators.hiding.marks import mark
from schemas.errors import DamagedEnvelope, UsageError
from schemas.frames import Plane, Planes

HEAD = 8
PRIOR = 60
"""So many pilots count as much as one frame's own: few of them say little."""
_LONGEST = 1 << 17


@dataclass(frozen=True, slots=True)
class _Plan:
    """Words of `length` bits, `data` of them free; `order`: place of each sent bit, others are left out."""

    words: int
    length: int
    data: int
    places: int

    @property
    def room(self) -> int:
        """Bytes that fit."""
        return max(0, self.words * self.data // 8 - HEAD)

    @property
    def fits(self) -> bool:
        """There is place for length and checksum; else nothing is hidden, and the pictures hold no bits."""
        return self.words * self.data >= 8 * HEAD

    def order(self) -> np.ndarray:
        """A shuffle of all bits of the words; the first `places` are sent."""
        return np.random.default_rng((4, self.words, self.length)).permutation(self.words * self.length)[: self.places]


def capacity(width: int, height: int, frames: int, carrier: Carrier) -> int:
    """Bytes that a chunk of so many pictures carries, after correction."""
    return _plan(width, height, frames, carrier).room


def fits(width: int, height: int, frames: int, carrier: Carrier) -> bool:
    """Whether a chunk of so many pictures holds any bits at all; smaller ones pass without."""
    return _plan(width, height, frames, carrier).fits


def _plan(width: int, height: int, frames: int, carrier: Carrier) -> _Plan:
    """Without a pilot nothing can be read, so nothing is sent."""
    shape = height // BLOCK, width // BLOCK, len(carrier.places)
    places = places_in(width, height, carrier) * frames if pilots(shape).any() else 0
    length = 1 << min(_LONGEST, max(64, places)).bit_length() - 1
    words = -(-places // length)
    return _Plan(words, length, int(carrier.rate * places / max(words, 1)), places)


def hide(frames: Sequence[Planes], payload: bytes, carrier: Carrier) -> Iterator[Planes]:
    """The pictures of a chunk with the bytes in their luma, one by one.

    Raises:
        UsageError: more bytes than `capacity`.

    """
    each = places_in(frames[0].y.shape[1], frames[0].y.shape[0], carrier)
    plan = _plan(frames[0].y.shape[1], frames[0].y.shape[0], len(frames), carrier)
    if len(payload) > plan.room:
        raise UsageError(f"{len(payload)} bytes to hide where {plan.room} fit: hide fewer faces or longer chunks")
    if not plan.fits:
        yield from (replace(planes, y=mark(planes.y)) for planes in frames)
        return
    sent = polar.encode(_bits_of(payload, plan), plan.length).reshape(-1)[plan.order()]
    for number, planes in enumerate(frames):
        part = sent[number * each : (number + 1) * each]
        yield replace(planes, y=put(mark(planes.y), part, carrier, number))


def read(frames: Iterable[Plane | Floats], carrier: Carrier, valid: Flags | None = None) -> bytes:
    """The bytes hidden in a chunk, from the luma of its pictures; `valid` (block rows, columns): what is to be read.

    Raises:
        DamagedEnvelope: nothing is hidden there, or too little of it is left.

    """
    frames = list(frames)
    plan = _plan(frames[0].shape[1], frames[0].shape[0], len(frames), carrier)
    if not plan.fits:
        raise DamagedEnvelope("nothing is hidden in pictures as small and few as these")
    soft = np.concatenate(_weighed(frames, carrier, valid))
    words = np.zeros(plan.words * plan.length, np.float32)
    words[plan.order()] = soft
    return _bytes_of(polar.decode(words.reshape(plan.words, plan.length), plan.data), plan)


def _weighed(frames: list[Plane | Floats], carrier: Carrier, valid: Flags | None) -> list[Floats]:
    """Soft values of each frame: how the pilots came back says what a place of its sort, in this frame, is worth."""
    turned = [turns(luma, carrier, number) for number, luma in enumerate(frames)]
    busy = [_busy(luma, carrier) for luma in frames]
    pilot = pilots(turned[0].shape) if valid is None else pilots(turned[0].shape) & valid[:, :, None]
    sorts = [level * len(carrier.places) + np.arange(len(carrier.places)) for level in busy]
    right = [one * (1 - 2.0 * known_bits(one.shape, number)) for number, one in enumerate(turned)]
    of_sort = _means(np.concatenate([s[pilot] for s in sorts]), np.concatenate([r[pilot] for r in right]),
                     BUSY_LEVELS * len(carrier.places))
    whole = max(float(np.mean([r[pilot].mean() for r in right])), 1e-3)
    count = max(int(pilot.sum()), 1)
    out = []
    for one, sort, came in zip(turned, sorts, right, strict=True):
        here = (float(came[pilot].sum()) + PRIOR * whole) / (count + PRIOR)
        share = np.clip(of_sort[sort] * max(here, 0.0) / whole, 0, 0.98)
        soft = 2 * share * (2 - share**2) / (1 - share**2) * one
        if valid is not None:
            soft *= valid[:, :, None]
        out.append(np.asarray(soft[~pilots(one.shape)], np.float32))
    return out


def _busy(luma: Plane | Floats, carrier: Carrier) -> np.ndarray:
    """How much goes on in each block, in quarters of the picture: codecs treat the busy ones worse."""
    energy = np.square(coefficients(luma, ((0, 3), (3, 0), (2, 2)))).sum(-1, keepdims=True)
    return np.searchsorted(np.quantile(energy, np.arange(1, BUSY_LEVELS) / BUSY_LEVELS), energy)


def _means(sorts: np.ndarray, values: np.ndarray, count: int) -> Floats:
    total = np.bincount(sorts, values, count)
    return np.asarray(np.clip(total / np.maximum(np.bincount(sorts, minlength=count), 1), 0, 1), np.float32)


def _bits_of(payload: bytes, plan: _Plan) -> Bits:
    whole = len(payload).to_bytes(4, "big") + zlib.crc32(payload).to_bytes(4, "big") + payload
    bits = np.zeros(plan.words * plan.data, np.uint8)
    bits[: len(whole) * 8] = np.unpackbits(np.frombuffer(whole, np.uint8))
    return (bits ^ _white(bits.size)).reshape(plan.words, plan.data)


def _bytes_of(words: Bits, plan: _Plan) -> bytes:
    bits = words.reshape(-1) ^ _white(words.size)
    whole = np.packbits(bits[: words.size // 8 * 8]).tobytes()
    length, check = int.from_bytes(whole[:4], "big"), int.from_bytes(whole[4:HEAD], "big")
    payload = whole[HEAD : HEAD + length]
    if len(whole) < HEAD or length > plan.room or zlib.crc32(payload) != check:
        raise DamagedEnvelope("no hidden bytes come back whole: another video, other frames, or too much was lost")
    return payload


def _white(count: int) -> Bits:
    return np.random.default_rng((5, count)).integers(0, 2, count, np.uint8)
