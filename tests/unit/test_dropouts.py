"""CamShift through frames in which the detector lost a subject, on drawn patches whose places are known."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from operators.detect.picture import rgb_of
from operators.dropouts import MAX_BLIND, Label, Seen, label
from schemas.frames import VideoFormat
from tests.support.moving import BLUE, FPS, GREEN, HEIGHT, RED, WIDTH, Box, picture

SIZE = 48


def box(x: float, y: float = 80) -> Box:
    return x, y, x + SIZE, y + SIZE


def seen(frame: int, patches: list[tuple[Box, tuple[int, int]]], detected: dict[int, Box],
         regions: tuple[Box, ...] | None = None) -> Seen:
    """A blank picture of these patches; those not detected are region pictures all the same."""
    rgb = rgb_of(picture(patches, frame), VideoFormat(WIDTH, HEIGHT, Fraction(1, FPS)), WIDTH, HEIGHT)
    shown = np.zeros((HEIGHT, WIDTH), bool)
    for (x1, y1, x2, y2), _ in patches:
        shown[max(0, int(y1)) : int(y2), max(0, int(x1)) : int(x2)] = True
    lost = tuple(place for place, _ in patches if place not in detected.values()) if regions is None else regions
    return Seen(frame, np.ascontiguousarray(rgb * shown[..., None]), shown, detected, lost)


def followed(frames: list[Seen]) -> list[Label]:
    _, labels = label({}, frames)
    return [one for some in labels for one in some if one.source == "camshift"]


def test_label_one_subject_is_followed_through_every_dropped_frame() -> None:
    """Detected in frames 0 to 9 and 20 to 24, moving 3 pixels a frame."""
    frames = []
    for n in range(25):
        here = box(20 + 3 * n)
        frames.append(seen(n, [(here, RED)], {7: here} if not 10 <= n < 20 else {}))
    found = followed(frames)
    assert [(one.frame_no, one.subject) for one in found] == [(n, 7) for n in range(10, 20)]
    assert all(one.box == box(20 + 3 * one.frame_no) for one in found)


def test_label_two_that_pass_each_other_are_never_mistaken() -> None:
    """Two of other colours cross while neither is detected; the label must be right or missing, on both sides."""
    frames, truth = [], {}
    for n in range(40):
        places = {1: box(20 + 5 * n, 70), 2: box(220 - 5 * n, 90)}
        drop = 14 <= n < 26
        truth[n] = places
        frames.append(seen(n, [(places[1], RED), (places[2], BLUE)], {} if drop else places))
    found = followed(frames)
    assert all(one.box == truth[one.frame_no][one.subject] for one in found)
    assert len({one.frame_no for one in found}) >= 4


def test_label_a_stranger_of_other_colour_gets_no_label() -> None:
    """The subject leaves, and somebody else's region appears where it was."""
    frames = [seen(n, [(box(100), RED)], {1: box(100)}) for n in range(10)]
    frames += [seen(n, [(box(102), GREEN)], {}) for n in range(10, 20)]
    assert followed(frames) == []


def test_label_alike_regions_beside_each_other_are_nobodys() -> None:
    frames = [seen(n, [(box(100), RED)], {1: box(100)}) for n in range(10)]
    for n in range(10, 15):
        both = (box(96), box(108))
        frames.append(seen(n, [(both[0], RED), (both[1], RED)], {}, both))
    assert followed(frames) == []


@pytest.mark.parametrize(("blank", "labels"), [(MAX_BLIND - 2, 3), (MAX_BLIND + 2, 0)])
def test_label_after_a_while_without_a_region_the_subject_is_given_up(blank: int, labels: int) -> None:
    frames = [seen(n, [(box(100), RED)], {1: box(100)}) for n in range(10)]
    back = 10 + blank
    frames += [seen(n, [], {}) for n in range(10, back)]
    frames += [seen(n, [(box(100), RED)], {}) for n in range(back, back + 3)]
    assert len(followed(frames)) == labels
