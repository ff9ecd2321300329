"""What a plate looks like, as 128 numbers: to say "this may be the same plate" where its text can't be read.

The crop (cut straight, `operators/plate_track.py`) as grey, 96x32; of its discrete cosine transform the 8 x 16 lowest
frequencies that change from left to right, each by the root of its size (else the few lowest, alike on all plates,
would decide), as a unit vector. Compare vectors by cosine: those of two pictures of one plate lie close, at other
light and size too. Nothing here is trained: two plates of nearly equal text and lettering look alike.
"""

from __future__ import annotations

import cv2
import numpy as np

from operators.plates import Rgb, fit
from schemas.regions import Array

FEATURES = 128
_DOWN, _ACROSS = 8, 16
_PLAIN = 4.0


def describe(crop: Rgb) -> Array | None:
    """The unit vector (128,) of an RGB crop of any size; None of a crop of one colour.

    Raises:
        ConfigError: not an RGB picture.

    """
    grey = cv2.cvtColor(fit(crop), cv2.COLOR_RGB2GRAY).astype(np.float32)
    low = cv2.dct(grey)[:_DOWN, 1 : _ACROSS + 1].astype(np.float32)
    low = np.sign(low) * np.sqrt(np.abs(low))
    length = float(np.linalg.norm(low))
    return None if length < _PLAIN else np.asarray(low.reshape(FEATURES) / length, np.float32)
