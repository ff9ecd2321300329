"""The demo's figures where there is nothing to count."""

from __future__ import annotations

from typing import Any

from streams.demo.measure import Totals, figures

NOBODY = Totals(frames_in=50, frames_out=50, original_bytes=9, public_bytes=9, unmasked_bytes=9)
FOUND: dict[str, Any] = {"persons": 20, "persons_searched": 20, "rank1": 20, "strangers_matched": 0, "strangers": 20}


def test_of_ones_own_video_with_nobody_in_it_nothing_is_missed() -> None:
    holds = {figure.id: figure.holds for figure in figures(NOBODY, {}, 9.0)}
    assert False not in holds.values() and holds["frames_out"] is True


def test_of_the_demos_own_people_nothing_restored_is_a_miss() -> None:
    holds = {figure.id: figure.holds for figure in figures(NOBODY, FOUND, 9.0)}
    assert holds["samples_equal"] is False and holds["psnr_regions_db"] is False and holds["rank1"] is True
