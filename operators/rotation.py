"""Turn face vectors by a secret: cosines stay, and nobody without the secret can compare them with vectors elsewhere.

Every authority keeps its vectors turned by an orthogonal matrix of its own (keyed random orthonormal projection; Teoh,
Goh and Ngo 2006, "Random multispace quantization", without the quantising). The matrix is a product of reflections at
normal vectors drawn from SHAKE-256 of the secret: uniform over all rotations and reflections (Stewart 1980). It hides
nothing from who has the secret, and who has enough vectors of known faces finds the matrix by least squares: it makes
stolen vectors useless without either, and lets them be issued anew.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from schemas.errors import ConfigError
from schemas.regions import Array

SECRET_BYTES = 32
_LABEL = b"sealframe template rotation 1"


@dataclass(frozen=True, slots=True, eq=False)
class Rotation:
    """An orthogonal matrix (d, d)."""

    matrix: npt.NDArray[np.float64] = field(repr=False)

    def turn(self, vectors: Array) -> Array:
        """Vectors (..., d), turned."""
        return np.asarray(vectors.astype(np.float64) @ self.matrix, np.float32)

    def back(self, vectors: Array) -> Array:
        """Turned vectors (..., d) as they were, to float32's precision."""
        return np.asarray(vectors.astype(np.float64) @ self.matrix.T, np.float32)


def rotation(secret: bytes, size: int) -> Rotation:
    """The matrix of a secret; the same everywhere.

    Raises:
        ConfigError: the secret is too short.

    """
    if len(secret) < SECRET_BYTES:
        raise ConfigError(f"a template secret has at least {SECRET_BYTES} bytes")
    normals = _normal(secret, size * size).reshape(size, size)
    matrix = np.eye(size)
    for number, normal in enumerate(normals):
        tail = normal.copy()
        tail[:number] = 0  # the next reflection leaves what the ones before it have settled
        tail /= np.linalg.norm(tail)
        matrix -= 2 * np.outer(matrix @ tail, tail)
    signs = np.where(normals.diagonal() < 0, -1.0, 1.0)
    return Rotation(np.asarray(matrix * signs, np.float64))


def _normal(secret: bytes, count: int) -> npt.NDArray[np.float64]:
    """Normal numbers by Box and Muller's method from 53-bit uniform ones."""
    raw = hashlib.shake_256(_LABEL + len(secret).to_bytes(2, "big") + secret).digest(16 * count)
    uniform = ((np.frombuffer(raw, ">u8") >> np.uint64(11)).astype(np.float64) + 1) / 2.0**53
    return np.asarray(np.sqrt(-2 * np.log(uniform[:count])) * np.cos(2 * np.pi * uniform[count:]), np.float64)
