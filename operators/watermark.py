"""A visible watermark: lines of text in a dark band at the foot of a picture, burnt into its samples."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from operators import pixels
from schemas.frames import Planes

_FONT, _THICKNESS = cv2.FONT_HERSHEY_SIMPLEX, 1
_DARK, _LIGHT, _GREY = 24, 220, 128
_LINE, _LARGEST = 0.033, 1.2
"""Height of a line as a share of the picture's, and the largest scale of the font."""


def burnt(picture: Planes, lines: Sequence[str]) -> Planes:
    """A copy of the picture with these lines in a band at its foot; signs other than ASCII become `?`."""
    height, width = picture.y.shape
    step = max(12, round(height * _LINE)) // 2 * 2
    top = max(0, height - step * len(lines) - 4) // 2 * 2
    made = pixels.copy(picture)
    made.y[top:] = _DARK
    made.u[top // 2 :] = made.v[top // 2 :] = _GREY
    for number, line in enumerate(lines):
        text = line.encode("ascii", "replace").decode()
        (wide, tall), _ = cv2.getTextSize(text, _FONT, 1.0, _THICKNESS)
        scale = min(_LARGEST, (width - 8) / max(wide, 1), (step - 4) / max(tall, 1))
        at = (4, top + 2 + step * (number + 1) - step // 4)
        made.y[:] = cv2.putText(np.ascontiguousarray(made.y), text, at, _FONT, scale, _LIGHT, _THICKNESS, cv2.LINE_AA)
    return made
