"""The attacker's networks learn what a weak mask shows, and nothing from noise. Skipped without torch."""

from __future__ import annotations

import importlib.util

import numpy as np
import numpy.typing as npt
import pytest

from streams.evaluate.attack.film import CHROMA, LUMA
from streams.evaluate.attack.networks import learn, regions

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch isn't installed (`train`)")
DIMENSIONS = LUMA * LUMA + 2 * CHROMA * CHROMA


def _faces(rng: np.random.Generator, people: int) -> npt.NDArray[np.float32]:
    """Coarse patterns, one a person (people, 1536)."""
    coarse = rng.uniform(40, 215, (people, 4, 4)).repeat(LUMA // 4, 1).repeat(LUMA // 4, 2)
    chroma = np.full((people, 2 * CHROMA * CHROMA), 128.0)
    return np.concatenate([coarse.reshape(people, -1), chroma], 1).astype(np.float32)


def test_regions_put_each_plane_in_its_place() -> None:
    view = np.concatenate([np.full(LUMA * LUMA, 51), np.full(CHROMA * CHROMA, 102), np.full(CHROMA * CHROMA, 204)])
    made = regions(view[None].astype(np.float32))
    assert made.shape == (1, 3, 32, 32)
    assert [float(plane.mean()) for plane in made[0]] == pytest.approx([0.2, 0.4, 0.8])


@needs_torch
def test_networks_learn_from_weak_masks_and_nothing_from_noise() -> None:
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(40), 2)
    clear = _faces(rng, 40)[people][:, None]
    weak = clear + rng.normal(0, 12, (80, 2, DIMENSIONS)).astype(np.float32)
    noise = rng.uniform(0, 255, (80, 2, DIMENSIONS)).astype(np.float32)
    both = clear.repeat(2, 1)
    known, asked = np.arange(60), np.arange(60, 80)
    for masked, low, high in ((weak, 0.8, 1.0), (noise, 0.0, 0.4)):
        learnt = learn(masked[known], both[known], people[known], 0, 50)
        vectors = learnt.embed(regions(masked[asked, 0]))
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-4)
        right = (vectors[1::2] @ vectors[::2].T).argmax(1) == np.arange(10)
        assert low <= right.mean() <= high
    given, wanted = regions(weak[asked, 0]), regions(clear[asked, 0])
    restored = learn(weak[known], both[known], people[known], 0, 50).restore(given)
    assert np.abs(restored - wanted)[:, 0].mean() < np.abs(given - wanted)[:, 0].mean()
