"""Drawn plates, training crops and loss. What needs torch, Pillow or the fonts is skipped where it isn't installed."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from operators.plates import ALPHABET
from operators.training.plates.camera import photograph, spoil
from schemas.errors import ConfigError

HAS_TORCH = importlib.util.find_spec("torch") is not None
HAS_PILLOW = importlib.util.find_spec("PIL") is not None
needs_torch = pytest.mark.skipif(not HAS_TORCH or not HAS_PILLOW, reason="torch isn't installed (extra `train`)")
needs_pillow = pytest.mark.skipif(not HAS_PILLOW, reason="Pillow isn't installed (extra `train`)")


@pytest.fixture(scope="module")
def glyphs():
    from operators.training.plates.glyphs import load

    try:
        return load()
    except ConfigError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("number", range(20))
def test_photograph_is_seeded_and_shows_the_plate(number):
    plate = np.full((64, 220, 3), 230, np.uint8)
    plate[16:48, 40:180] = 20
    first, again = (photograph(plate, np.random.default_rng([2, number])) for _ in range(2))
    assert np.array_equal(first, again)
    assert first.dtype == np.uint8 and 40 <= first.shape[1] <= 220 and 12 <= first.shape[0] <= 140


def test_spoil_leaves_its_input_as_it_was():
    crop = np.random.default_rng(1).integers(0, 256, (30, 100, 3)).astype(np.uint8)
    before = crop.copy()
    for number in range(30):
        assert spoil(crop, np.random.default_rng(number)).shape == crop.shape
    assert np.array_equal(crop, before)


@needs_pillow
def test_draw_every_layout_gives_a_text_of_the_alphabet(glyphs):
    from operators.training.plates.layouts import LAYOUTS, TALL, draw

    for layout in LAYOUTS:
        for number in range(5):
            plate, text = draw(glyphs, np.random.default_rng([7, number]), layout)
            assert plate.shape[0] == TALL and plate.std() > 5
            assert 3 <= len(text) <= 10 and set(text) <= set(ALPHABET)


@needs_pillow
def test_crops_same_number_is_the_same_crop(glyphs):
    from operators.training.plates.pictures import Crops

    (one, text), (two, other) = (Crops(glyphs, [], 5)[31] for _ in range(2))
    assert np.array_equal(one, two) and text == other and one.shape == (32, 96, 3)


@needs_torch
def test_loss_is_least_for_the_true_text():
    import torch

    from operators.training.plates.train import loss

    logits = torch.zeros(1, 24, len(ALPHABET) + 1)
    logits[:, :, 0] = 5
    for step, one in ((4, "A"), (9, "1"), (14, "皖")):
        logits[0, step, ALPHABET.index(one) + 1] = 10
    assert loss(logits, ["A1皖"]) < loss(logits, ["A7皖"])


@needs_torch
def test_network_shape_and_size():
    import torch

    from operators.training.plates.network import PlateNetwork

    network = PlateNetwork().eval()
    assert network(torch.zeros(2, 32, 96, 3, dtype=torch.uint8)).shape == (2, 24, len(ALPHABET) + 1)
    assert sum(one.numel() for one in network.parameters()) <= 2_000_000
