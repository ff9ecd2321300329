"""What a plate looks like as a vector: near for two pictures of one plate, apart for different ones."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from operators.plate_look import FEATURES, describe
from operators.plates import Rgb
from schemas.errors import ConfigError


def drawn(text: str, seed: int = 0, light: float = 1.0, size: tuple[int, int] = (240, 60)) -> Rgb:
    """A plate as a camera with some noise sees it."""
    plate = np.full((60, 240, 3), 230, np.uint8)
    cv2.putText(plate, text, (12, 44), cv2.FONT_HERSHEY_SIMPLEX, 1.35, (20, 20, 25), 4, cv2.LINE_AA)
    small = cv2.resize(plate, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    noise = np.random.default_rng(seed).normal(0, 8, small.shape)
    return np.asarray(np.clip(small * light + noise, 0, 255), np.uint8)


def test_look_of_one_plate_is_near_of_others_apart() -> None:
    """Half as large, darker, other noise: nearer than any other plate."""
    texts = ["AB12CDE", "XY98ZTU", "KL44MMN", "0A77BC9", "PR31STV"]
    vectors = [describe(drawn(text)) for text in texts]
    again = [describe(drawn(text, 7, 0.6, (120, 30))) for text in texts]
    assert all(v is not None and v.shape == (FEATURES,) and abs(np.linalg.norm(v) - 1) < 1e-5 for v in vectors)
    alike = np.stack(again) @ np.stack(vectors).T  # type: ignore[arg-type]
    assert alike.diagonal().min() > 0.9
    assert alike[~np.eye(5, dtype=bool)].max() < 0.75


def test_look_of_one_colour_is_none_and_no_picture_is_refused() -> None:
    assert describe(np.full((20, 60, 3), 128, np.uint8)) is None
    with pytest.raises(ConfigError):
        describe(np.zeros((20, 60), np.uint8))
