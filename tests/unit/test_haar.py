from __future__ import annotations

import numpy as np
import pytest

from operators.haar import join, low_band, split
from schemas.errors import MalformedRecord


@pytest.mark.parametrize("stages", [0, 1, 2, 3])
@pytest.mark.parametrize("fill", ["noise", "black", "white", "checkers"])
def test_join_gives_back_every_sample_of_what_was_split(stages: int, fill: str) -> None:
    plane = {
        "noise": np.random.default_rng(1).integers(0, 256, (48, 64)).astype(np.uint8),
        "black": np.zeros((48, 64), np.uint8),
        "white": np.full((48, 64), 255, np.uint8),
        "checkers": (np.indices((48, 64)).sum(0) % 2 * 255).astype(np.uint8),
    }[fill]
    low, bands = split(plane, stages)
    assert low.shape == (48 >> stages, 64 >> stages)
    assert len(bands) == stages
    assert (join(low, bands) == plane).all()
    assert (low == low_band(plane, stages)).all()


def test_split_worked_out_by_hand() -> None:
    low, (bands,) = split(np.array([[10, 13], [20, 22]], np.uint8), 1)
    assert bands.columns.tolist() == [[-3], [-2]]  # means 11 and 21
    assert (low.tolist(), bands.rows.tolist()) == ([[16]], [[-10]])


def test_split_of_a_side_that_does_not_halve_is_refused_and_its_low_band_filled_up() -> None:
    with pytest.raises(MalformedRecord):
        split(np.zeros((6, 8), np.uint8), 2)
    assert low_band(np.full((6, 8), 7, np.uint8), 2).tolist() == [[7, 7], [7, 7]]


def test_join_with_another_pictures_bands_is_refused_where_it_shows() -> None:
    low, _ = split(np.full((4, 4), 250, np.uint8), 1)
    _, bands = split((np.indices((4, 4)).sum(0) % 2 * 255).astype(np.uint8), 1)
    with pytest.raises(MalformedRecord):
        join(low, bands)
    with pytest.raises(MalformedRecord):
        join(low[:1], bands)
