"""Vectors turned by a secret: cosines stay, and two authorities' vectors have nothing to do with one another."""

from __future__ import annotations

import numpy as np
import pytest

from operators.rotation import rotation
from schemas.errors import ConfigError

ONE, OTHER = rotation(b"1" * 32, 128), rotation(b"2" * 32, 128)


def unit(count: int) -> np.ndarray:
    """Vectors like those of faces: around a mean that they share."""
    drawn = np.random.default_rng(5).normal(size=(count, 128)) + 3 * np.eye(1, 128)[0] * 4
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def test_rotation_keeps_cosines_and_turns_back():
    vectors = unit(50)
    turned = ONE.turn(vectors)
    np.testing.assert_allclose(turned @ turned.T, vectors @ vectors.T, atol=1e-5)
    np.testing.assert_allclose(ONE.back(turned), vectors, atol=1e-6)
    assert np.abs(turned - vectors).max() > 0.1


def test_rotation_is_the_same_everywhere():
    np.testing.assert_array_equal(rotation(b"1" * 32, 128).matrix, ONE.matrix)
    np.testing.assert_allclose(ONE.matrix @ ONE.matrix.T, np.eye(128), atol=1e-12)


def test_rotation_of_two_authorities_leaves_nothing_to_compare():
    """The vectors of one face under two keys are as unlike as those of two faces under two keys."""
    vectors = unit(400)
    across = ONE.turn(vectors) @ OTHER.turn(vectors).T
    same, different = across.diagonal(), across[~np.eye(400, dtype=bool)]
    assert abs(same.mean() - different.mean()) < different.std()
    nearest = across.argmax(1)
    assert (nearest == np.arange(400)).mean() < 0.02


def test_rotation_needs_a_whole_secret():
    with pytest.raises(ConfigError, match="32 bytes"):
        rotation(b"short", 128)
