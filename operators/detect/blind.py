"""Can a detector see anything? A lens that is covered, sprayed or dazzled shows a picture without contrast.

What a network no longer finds there, whoever stretches the picture may still see; so such frames are masked whole.
"""

from __future__ import annotations

import cv2
import numpy as np

from schemas.frames import Planes

LEAST, EMPTY = 16, 2
"""Levels of luma between the 1st and the 99th percentile. Of 108 faces of 40 px and more squeezed into so many levels
the detector shipped finds 0.83 at 16 and 0.51 at 8, of 0.94 unsqueezed; fifteen real clips never have less than 33.
A picture with no more than `EMPTY` holds nothing that could be stretched."""
_THUMBNAIL = (160, 90)
_STEP = 2


def is_blind(planes: Planes) -> bool:
    """Whether the picture has too little contrast to be searched, and yet some."""
    small = cv2.resize(planes.y[::_STEP, ::_STEP], _THUMBNAIL, interpolation=cv2.INTER_AREA)
    dark, light = np.percentile(small, (1, 99))
    return bool(EMPTY < light - dark < LEAST)
