"""Error against reject share by hand, and faces made worse."""

from __future__ import annotations

import numpy as np
import pytest

from streams.evaluate.quality import KINDS, REJECTED, Curves, Seen, curves, edc, plot, worsened


def test_edc_rejects_the_lowest_scores_first() -> None:
    """Ten comparisons, errors in those of scores 0 and 3: 2 of 10; 1 of 9 with a tenth rejected; 0 of 7 with 0.3..."""
    wrong = np.array([True, False, False, True, *[False] * 6])
    found = edc(wrong, np.array([0, 1, 2, 2.5, 4, 5, 6, 7, 8, 9]))
    assert (found[0], found[10], found[20]) == pytest.approx((0.2, 1 / 9, 1 / 8))
    assert edc(wrong, ~wrong)[20] == 0 and len(found) == len(REJECTED)


@pytest.mark.parametrize("kind", [*sorted(set(KINDS))])
def test_worsened_changes_the_picture_by_its_kind(kind: str) -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (120, 120, 3)).astype(np.uint8)
    changed, scale = worsened(rgb, np.array([30.0, 30, 90, 90]), kind, np.random.default_rng(2))
    assert (changed.shape == rgb.shape) == (kind != "size") and (scale < 1) == (kind == "size")
    same = kind != "size" and np.array_equal(changed, rgb)
    assert same == (kind == "none")
    if kind == "covered":
        assert np.array_equal(changed[:10], rgb[:10]) and not np.array_equal(changed[30:90], rgb[30:90])


def test_curves_compare_with_other_pictures_of_the_person_alone() -> None:
    one, other = np.eye(2, dtype=np.float32)
    clean = [Seen(0, 0, "clean", 1, 90, one), Seen(0, 1, "clean", 1, 90, one), Seen(1, 2, "clean", 1, 90, other)]
    worse = [Seen(0, 0, "blur", 0.9, 90, one), Seen(0, 1, "blur", 0.1, 90, other), Seen(1, 2, "size", 0.5, 20, one)]
    made = curves(worse, clean, 0)
    assert made.comparisons == 2 and made.quality[0] == 0.5


def test_plot_is_a_page_of_its_own() -> None:
    flat = (0.3,) * len(REJECTED)
    page = plot(Curves(flat, flat, flat, flat, 10))
    assert page.count("<polyline") == 4 and "http" not in page
