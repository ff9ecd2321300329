"""Keys tried by structure: does what a wrong key gives look less like a face than what the right one gives?

A game as in `structure.py`, on what keyed methods show after the codec. Two keys are tried. `right`: the right one and
a wrong one; the attacker keeps that whose coarse view is smoother, as faces are. That is won, and no cipher can prevent
it: so only the number of keys protects, 2^256, and that none says anything of another. `near`: a key with one bit wrong
and one with all; that counts as won whose view agrees better with the bare region. Were it won by the near one, keys
could be found bit by bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import cv2
import numpy as np

from operators.desensitise.base import Method, appearance_key
from schemas.frames import Planes
from streams.evaluate.attack.attackers import Floats
from streams.evaluate.attack.counts import most
from streams.evaluate.attack.film import Bare, Camera, Trying, shipped
from streams.evaluate.attack.people import Album
from streams.evaluate.attack.structure import CELLS, place
from streams.evaluate.recognition import Flags
from streams.evaluate.report import Figure

KEY_BYTES = 32
NEAR_KEYS = 8
"""Tried on each region."""


@runtime_checkable
class Readable(Method, Protocol):
    """A keyed method whose coarse view the key gives back."""

    def read(self, shown: Planes) -> bytes:
        """The appearance that a decoded region shows."""
        ...

    def decrypt(self, appearance: bytes, key: bytes, width: int, height: int) -> Planes:
        """The coarse view."""
        ...


def evaluate(
    album: Album, methods: Sequence[Method], height: int, rows: Sequence[int], seed: int, tell: Callable[[str], None]
) -> list[Figure]:
    """Both games on every method that can be read back."""
    out = []
    for method in methods:
        if method.keyed and isinstance(method, Readable):
            right, near = _games(album, method, height, rows, seed)
            low = 1 - most(float((~near).sum()), len(near))
            out += [
                Figure(f"key_right_{method.name}", float(right.mean()), "", n=len(right),
                       note="a right key shows by its smooth view; there are 2^256"),
                Figure(f"key_near_{method.name}", low, "", "<=", 0.5, len(near),
                       f"{near.mean():.1%} right; value: lower bound (95 %); one bit off says no more than any key"),
            ]
            tell(f"{method.name}: right keys told in {right.mean():.1%}, near ones in {near.mean():.1%}")
    return out


def _games(album: Album, method: Readable, height: int, rows: Sequence[int], seed: int) -> tuple[Flags, Flags]:
    rng, camera = np.random.default_rng(seed), Camera(seed)
    policies = [Trying({}, custodian=False, tried=one) for one in (Bare(), method)]
    right, near = [], []
    for row in rows:
        shot = camera.still(album.picture(row), album.boxes[row], height)
        bare, shown = (seen[0].region for seen in shipped(shot, policies))
        key = appearance_key(shot.secret, shot.chunks[0].video_id, shot.chunks[0].chunk_seq, 1)
        appearance, truth = method.read(shown), _cells(bare)

        def tried(key: bytes, appearance: bytes = appearance, shown: Planes = shown) -> Floats:
            return _cells(method.decrypt(appearance, key, shown.y.shape[1], shown.y.shape[0]))

        right.append(_rough(tried(key)) < _rough(tried(rng.bytes(KEY_BYTES))))
        near += [place(tried(_flipped(key, rng)), truth) > place(tried(rng.bytes(KEY_BYTES)), truth)
                 for _ in range(NEAR_KEYS)]
    return np.array(right, bool), np.array(near, bool)


def _flipped(key: bytes, rng: np.random.Generator) -> bytes:
    """The key with one bit wrong."""
    close = bytearray(key)
    close[int(rng.integers(len(key)))] ^= 1 << int(rng.integers(8))
    return bytes(close)


def _cells(region: Planes) -> Floats:
    return np.asarray(cv2.resize(region.y, (CELLS, CELLS), interpolation=cv2.INTER_AREA), np.float64)


def _rough(view: Floats) -> float:
    return float(np.abs(np.diff(view, axis=0)).mean() + np.abs(np.diff(view, axis=1)).mean())
