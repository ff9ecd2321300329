"""Who learns from masked plates reads bare ones, and none behind the default mask."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from operators.desensitise.policy import METHODS, Policy
from schemas.errors import ConfigError
from streams.evaluate.attack import plates
from streams.evaluate.attack.film import Bare


def test_readings_follow_what_regions_show_and_guess_in_noise() -> None:
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("ABC"), plates.SIGNS)) for _ in range(300)]
    shown = np.stack([np.array([ord(sign) - 65 for sign in text], np.float32).repeat(6) for text in texts])
    shown += rng.normal(0, 0.1, shown.shape).astype(np.float32)
    said = plates.readings(shown[:250], texts[:250], shown[250:])
    assert np.mean([a == b for a, b in zip(said, texts[250:], strict=True)]) > 0.9
    said = plates.readings(rng.normal(0, 1, (250, 42)).astype(np.float32), texts[:250], shown[250:])
    assert np.mean([a == b for a, b in zip(said, texts[250:], strict=True)]) < 0.1


def test_masked_plates_are_not_read_and_bare_ones_say_more_than_chance() -> None:
    if importlib.util.find_spec("PIL") is None:
        pytest.skip("pillow isn't installed (extra `train`)")
    default = Policy({}).method("plate")
    try:
        bare, hidden = plates.evaluate(
            [Bare(), METHODS[default.name]], 32, 240, 60, default.name, 0, lambda what: None, lambda done, of: None
        )
    except ConfigError:
        pytest.skip("the fonts of plates aren't installed")
    assert hidden.id == f"plates_read_{default.name}"
    assert hidden.value == 0 and hidden.holds
    shares = [float(one.note.split("; ")[1].split("%")[0]) for one in (bare, hidden)]
    assert shares[0] > 20 > 15 > shares[1]
