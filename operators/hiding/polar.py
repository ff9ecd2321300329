"""Polar codes: bits to longer words and back from soft values, for any rate.

Source: E. Arikan, "Channel polarization", IEEE Trans. Information Theory 55(7), 2009. Which bits are frozen comes from
Gaussian approximation with reciprocal channels (S.-Y. Chung, "On the construction of some capacity-approaching coding
schemes", thesis, MIT 2000); the decoder is successive cancellation with the short cuts of A. Alamdari-Yazdi and
F. Kschischang ("A simplified successive-cancellation decoder", IEEE Communications Letters 15(12), 2011). Many words
are decoded side by side.

A soft value is the natural logarithm of P(bit = 0) / P(bit = 1).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]
Soft = npt.NDArray[np.float32]
Shares = npt.NDArray[np.float64]
_MARGIN = 1.15
_LEAST, _MOST = 1e-200, 1 - 1e-15
_H1, _H2, _H3 = 0.3073, 0.8935, 1.1064


@lru_cache(maxsize=16)
def frozen(length: int, data: int) -> Flags:
    """Which of `length` (a power of two) inputs carry nothing, so that `data` of them carry bits.

    Designed for the channel whose capacity is 15 % above the rate: where the code is to work at its worst.
    """
    shares = np.array([min(0.98, _MARGIN * data / length)])
    while len(shares) < length:
        shares = np.clip(np.stack([_worse(shares), _better(shares)], 1).reshape(-1), _LEAST, _MOST)
    out = np.ones(length, bool)
    out[np.argsort(-shares, kind="stable")[:data]] = False
    out.flags.writeable = False
    return out


def encode(bits: Bits, length: int) -> Bits:
    """Words (n, length) of data bits (n, k)."""
    words = np.zeros((len(bits), length), np.uint8)
    words[:, ~frozen(length, bits.shape[1])] = bits
    return _transformed(words)


def decode(soft: Soft, data: int) -> Bits:
    """The likeliest data bits (n, data) of soft values (n, length)."""
    still = frozen(soft.shape[1], data)
    return _transformed(_word(soft.astype(np.float32), still))[:, ~still]


def _transformed(words: Bits) -> Bits:
    """The polar transform over the last axis, its own inverse."""
    out, step = words.copy(), 1
    while step < out.shape[1]:
        pairs = out.reshape(len(out), -1, 2, step)
        pairs[:, :, 0] ^= pairs[:, :, 1]
        step *= 2
    return out


def _word(soft: Soft, still: Flags) -> Bits:
    """The likeliest word (before the inverse transform)."""
    if still.all():
        return np.zeros(soft.shape, np.uint8)
    if not still.any():
        return (soft < 0).astype(np.uint8)
    if still[:-1].all():
        return np.repeat((soft.sum(1, keepdims=True) < 0).astype(np.uint8), soft.shape[1], 1)
    if still[0] and not still[1:].any():
        return _even(soft)
    half = soft.shape[1] // 2
    a, b = soft[:, :half], soft[:, half:]
    first = _word(_either(a, b), still[:half])
    second = _word(b + np.where(first, -a, a), still[half:])
    return np.concatenate([first ^ second, second], 1)


def _even(soft: Soft) -> Bits:
    """The likeliest word of even parity: the least sure bit is turned where parity is odd."""
    out = (soft < 0).astype(np.uint8)
    odd = np.flatnonzero(out.sum(1) & 1)
    out[odd, np.abs(soft[odd]).argmin(1)] ^= 1
    return out


def _either(a: Soft, b: Soft) -> Soft:
    """Soft value of the sum of two bits."""
    least = np.sign(a) * np.sign(b) * np.minimum(np.abs(a), np.abs(b))
    return np.asarray(least + np.log1p(np.exp(-np.abs(a + b))) - np.log1p(np.exp(-np.abs(a - b))), np.float32)


def _better(share: Shares) -> Shares:
    """Capacity of two Gaussian channels of this capacity that carry the same bit."""
    return -np.expm1(_log_lost(np.sqrt(2) * _sigma(np.log(share))))


def _worse(share: Shares) -> Shares:
    """Capacity for the sum of two bits: what is lost takes the part of what is known (Chung's reciprocal channel)."""
    return np.exp(_log_lost(np.sqrt(2) * _sigma(np.log1p(-share))))


def _sigma(log_capacity: Shares) -> Shares:
    """Deviation of the soft values over a Gaussian channel (the inverse of ten Brink's J, 2004)."""
    lost = np.maximum(-np.expm1(log_capacity / _H3), _LEAST)
    return np.asarray((-np.log2(lost) / _H1) ** (1 / (2 * _H2)))


def _log_lost(sigma: Shares) -> Shares:
    """Logarithm of 1 - J."""
    unknown = np.minimum(np.exp2(-_H1 * sigma ** (2 * _H2)), _MOST)
    return np.log(np.maximum(-np.expm1(_H3 * np.log1p(-unknown)), _LEAST))
