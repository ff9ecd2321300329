"""The page of the least covered faces."""

from __future__ import annotations

import base64
import re

import cv2
import numpy as np

from streams.evaluate.worst import HEIGHT, Worst
from tests.support.scenes import FORMAT, picture

BOX = (32.0, 32.0, 64.0, 64.0)
PLANES = picture([(32, 32)])


def _mask(*blocks: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(FORMAT.blocks, bool)
    for row, column in blocks:
        mask[row, column] = True
    return mask


def test_worst_keeps_the_barest_in_order_and_nothing_that_is_covered() -> None:
    worst = Worst(most=2)
    for share in (0.2, 0.0, 0.9, 0.1, 0.5):
        worst.add(share, f"clip, {share}", PLANES, FORMAT, BOX, _mask())
    assert [sight.share for sight in worst.sights] == [0.9, 0.5]
    assert not worst.wants(0.4) and worst.wants(0.6)


def test_page_shows_the_face_and_beside_it_what_the_mask_leaves() -> None:
    worst = Worst()
    worst.add(0.5, "a <clip>, frame 7", PLANES, FORMAT, BOX, _mask((2, 2), (3, 2)))
    page = worst.page("Clips")
    assert "50% bare: a &lt;clip&gt;, frame 7" in page and "<script" not in page
    data = base64.b64decode(re.findall("base64,([^\"]+)", page)[0])
    shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape[0] == HEIGHT
    half = shown.shape[1] // 2
    seen, left = (part[HEIGHT // 3 + 4 : 2 * HEIGHT // 3 - 4] for part in (shown[:, :half], shown[:, half:]))
    middle = half // 3
    assert np.abs(left[:, middle + 6 : half // 2 - 6].astype(int) - 128).max() < 25
    assert seen[:, middle + 6 : half // 2 - 6].std() > 30 < left[:, half // 2 + 6 : 2 * middle - 6].std()


def test_page_of_nobody_says_so() -> None:
    assert "Every face is covered" in Worst().page("Clips")
