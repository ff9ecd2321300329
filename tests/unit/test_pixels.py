"""Block masks and planes."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from operators import pixels
from operators.pixels import BlockRect
from schemas.errors import MalformedRecord
from tests.support.clips import FORMAT, pictures
from tests.support.planes import changed_blocks, equal

ODD = replace(FORMAT, width=90, height=54)  # 6 x 4 blocks, the last ones cut


@pytest.mark.parametrize(
    ("box", "pad", "rows", "columns"),
    [
        ((16, 16, 32, 32), 0.0, (1, 2), (1, 2)),
        ((15.5, 16, 32.5, 32), 0.0, (1, 2), (0, 3)),
        ((16, 16, 32, 32), 0.5, (0, 3), (0, 3)),
        ((-50, -50, 5, 5), 0.0, (0, 1), (0, 1)),
        ((80, 40, 400, 400), 0.0, (2, 4), (5, 6)),
        ((500, 500, 510, 510), 0.0, (0, 0), (0, 0)),
        ((-90, -90, -20, -20), 0.0, (0, 0), (0, 0)),
        ((math.nan, 0, 5, 5), 0.0, (0, 4), (0, 6)),
        ((5, 5, 5, 9), 0.0, (0, 4), (0, 6)),
        ((5, 5, 9, 9), math.inf, (0, 4), (0, 6)),
    ],
)
def test_blocks_of_box_covers_it(box, pad, rows, columns):
    want = np.zeros((4, 6), bool)
    want[slice(*rows), slice(*columns)] = True
    assert np.array_equal(pixels.blocks_of(box, pad, FORMAT), want)


def test_bounds_of_mask_is_tight():
    mask = pixels.no_blocks(FORMAT)
    assert pixels.bounds(mask) is None
    mask[1, 2] = mask[2, 4] = True
    assert pixels.bounds(mask) == BlockRect(1, 2, 3, 5)


def test_view_shares_memory_and_crop_does_not():
    planes = pictures(1)[0]
    rect = BlockRect(0, 1, 2, 3)
    assert np.shares_memory(pixels.view(planes, rect).u, planes.u)
    assert not np.shares_memory(pixels.crop_blocks(planes, rect).u, planes.u)
    assert pixels.view(planes, rect).y.shape == (32, 32) and pixels.view(planes, rect).v.shape == (16, 16)


@pytest.mark.parametrize("format", [FORMAT, ODD])
def test_paste_changes_the_set_blocks_only(format):
    target, source = pictures(1, format.width, format.height)[0], pixels.blank(format.width, format.height)
    before = pixels.copy(target)
    mask = pixels.no_blocks(format)
    mask[1, 2] = mask[3, 5] = True
    pixels.paste(target, source, mask)
    assert np.array_equal(changed_blocks(before, target, format), mask)
    assert (target.y[16:32, 32:48] == 16).all() and (target.u[24:, 40:] == 128).all()
    pixels.paste(target, before, mask)
    assert equal(target, before)


def test_paste_rect_with_mask_changes_the_set_blocks_only():
    target, rect = pictures(1)[0], BlockRect(1, 1, 4, 5)
    before = pixels.copy(target)
    mask = pixels.no_blocks(FORMAT)
    mask[1, 1] = mask[0, 0] = True
    pixels.paste_rect(target, pixels.blank(64, 48), rect, mask)
    mask[0, 0] = False
    assert np.array_equal(changed_blocks(before, target, FORMAT), mask)
    with pytest.raises(MalformedRecord):
        pixels.paste_rect(target, pixels.blank(64, 46), rect)


def test_sample_masks_cut_at_the_edge():
    mask = pixels.no_blocks(ODD)
    mask[3, 5] = True
    luma, chroma = pixels.sample_masks(mask, ODD)
    assert luma.shape == (54, 90) and chroma.shape == (27, 45)
    assert luma.sum() == 6 * 10 and chroma.sum() == 3 * 5


def test_psnr_has_known_values():
    one, two = pixels.blank(32, 32), pixels.blank(32, 32, y=17, u=129, v=129)
    assert pixels.psnr(one, one) == math.inf
    assert pixels.psnr(one, two) == pytest.approx(20 * math.log10(255))
    format = replace(FORMAT, width=32, height=32)
    two.y[:16, :16] = 16
    mask = pixels.no_blocks(format)
    mask[0, 0] = True
    error, samples = pixels.squared_error(one, two, pixels.sample_masks(mask, format))
    assert (error, samples) == (128, 256 + 128)
    with pytest.raises(MalformedRecord):
        pixels.psnr_of(0, 0)


def test_freeze_makes_read_only():
    planes = pixels.freeze(pixels.blank(16, 16))
    with pytest.raises(ValueError, match="read-only"):
        planes.y[0, 0] = 1


def test_blank_of_odd_side_raises():
    with pytest.raises(MalformedRecord):
        pixels.blank(15, 16)
