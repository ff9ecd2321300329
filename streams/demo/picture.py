"""The demo's picture: original, desensitised and restored, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from operators.detect.picture import rgb_of
from schemas.errors import SealframeError
from schemas.frames import Planes, VideoFormat

TITLES = ("original", "desensitised", "restored: one subject")
BAR = 28


def triptych(path: Path, pictures: Sequence[Planes], format: VideoFormat, titles: Sequence[str] = TITLES) -> None:
    """Write the pictures side by side, each under its title, as PNG."""
    size = format.width, format.height
    columns = [_titled(rgb_of(p, format, *size), title) for p, title in zip(pictures, titles, strict=True)]
    if not cv2.imwrite(str(path), cv2.cvtColor(np.hstack(columns), cv2.COLOR_RGB2BGR)):
        raise SealframeError(f"{path} can't be written")


def _titled(picture: npt.NDArray[np.uint8], title: str) -> npt.NDArray[np.uint8]:
    bar = np.full((BAR, picture.shape[1], 3), 24, np.uint8)
    cv2.putText(bar, title, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (235, 235, 235), 1, cv2.LINE_AA)
    return np.vstack([bar, picture])
