"""Follow known subjects through frames in which the detector lost them, by motion or behind something: CamShift.

Works on blank pictures with the sealed regions in their places, frame after frame. While a subject is detected, the hue
histogram of the middle of its box is learned; where it isn't, CamShift climbs the back-projection of that histogram
from where it should be by its motion. Bradski, "Computer Vision Face Tracking for Use in a Perceptual User Interface"
(1998); bins that its surroundings share count less (Swain and Ballard, "Color Indexing", 1991).

A label goes to a region picture in which nobody was detected, if CamShift ends on it. Precision before recall: a region
on which two subjects end, or that another one reaches into, is nobody's, and who ended on it is given up until it is
detected again; so is who isn't found in its own colours, or for long. Boxes are xyxy in pixels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from operators.track.geometry import Box, covered, iou

BINS = 32
CORE = 0.15
AROUND = 0.75
LEAST_COLOUR, DARK, BRIGHT = 24, 24, 250
"""Saturation below which a hue says nothing, and values (brightness) between which it does."""
MAX_LOST, MAX_BLIND = 50, 8
"""Frames without a detection, and without any label, after which a subject is given up."""
MAX_STEP = 0.75
"""How far CamShift may go from where motion says, in box widths."""
LIKE = 0.4
"""Least mean weight where it ends, of what the histogram weighed where it was learned."""
MATCH, RIVAL = 0.3, 0.6
"""Least overlap (IoU) with a region, and most that the next one may have of it."""
FREE, FREE_OF_KNOWN = 0.1, 0.3
"""Share of a box that another one may cover: one of somebody who isn't detected, and who is."""
LEARN, STEADY = 0.3, 0.5
_CRITERIA = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 10, 0.5)

Rgb = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Weights = npt.NDArray[np.uint8]
Source = Literal["detected", "camshift"]


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A frame: its blank picture (h, w, 3), which samples are shown (h, w), the subjects detected in it.

    `regions`: boxes of the region pictures in which nobody was detected.
    """

    frame_no: int
    rgb: Rgb = field(repr=False)
    shown: Mask = field(repr=False)
    detected: Mapping[int, Box]
    regions: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True)
class Label:
    """A subject in a frame, and how it is known to be there."""

    frame_no: int
    subject: int
    box: Box
    source: Source


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """What is known of a subject: hues, their mean weight where they were learned, box, motion a frame, frame."""

    hues: npt.NDArray[np.float32] = field(repr=False)
    like: float
    box: Box
    motion: tuple[float, float]
    frame_no: int
    lost: int = 0


State = Mapping[int, Followed]


def label(state: State, frames: Sequence[Seen]) -> tuple[State, list[tuple[Label, ...]]]:
    """The labels of each frame of a chunk, in order of subjects, and the state at its end.

    Forwards from what came before, then backwards through the chunk: a subject is also known by where it is detected
    next. What the two ways call differently is nobody's.
    """
    forwards = []
    for seen in frames:
        state, labels = step(state, seen)
        forwards.append(labels)
    behind: State = {}
    backwards = []
    for seen in reversed(frames):
        behind, labels = step(behind, seen)
        backwards.append(labels)
    return state, [_joined(a, b) for a, b in zip(forwards, reversed(backwards), strict=True)]


def step(state: State, seen: Seen) -> tuple[State, tuple[Label, ...]]:
    """One frame: learn the subjects detected in it, look for those that aren't."""
    known = dict(state)
    hsv = np.asarray(cv2.cvtColor(seen.rgb, cv2.COLOR_RGB2HSV), np.uint8)
    useful = _useful(hsv, seen.shown)
    labels = [Label(seen.frame_no, subject, box, "detected") for subject, box in seen.detected.items()]
    for subject, box in seen.detected.items():
        known[subject] = _learned(known.get(subject), hsv, useful, box, seen)
    missing = [subject for subject in state if subject not in seen.detected]
    places = {subject: place for subject in missing if (place := _search(state[subject], hsv, useful, seen))}
    for subject in missing:
        one, place = state[subject], places.get(subject)
        if place is not None and _contested(subject, place, seen, places):
            del known[subject]
        elif place is not None:
            known[subject] = _moved(one, place, seen.frame_no)
            labels.append(Label(seen.frame_no, subject, place, "camshift"))
        elif one.lost >= MAX_LOST or abs(seen.frame_no - one.frame_no) > MAX_BLIND:
            del known[subject]
        else:
            known[subject] = replace(one, lost=one.lost + 1)
    return known, tuple(sorted(labels, key=lambda one: one.subject))


def _joined(ahead: Sequence[Label], back: Sequence[Label]) -> tuple[Label, ...]:
    """What both ways say of a frame, less what they contradict each other in."""
    every = {*ahead, *back}
    kept = [
        one for one in every
        if one.source == "detected" or not any(
            other != one and (other.box == one.box) != (other.subject == one.subject) for other in every
        )
    ]
    return tuple(sorted(kept, key=lambda one: (one.subject, one.box)))


def _useful(hsv: Rgb, shown: Mask) -> Weights:
    """255 where a sample is shown and has a hue worth counting."""
    coloured = (hsv[..., 1] >= LEAST_COLOUR) & (hsv[..., 2] >= DARK) & (hsv[..., 2] <= BRIGHT)
    return np.asarray((coloured & shown) * np.uint8(255), np.uint8)


def _learned(before: Followed | None, hsv: Rgb, useful: Weights, box: Box, seen: Seen) -> Followed:
    """The subject as this frame shows it, blended with what was known."""
    hues = _histogram(hsv, useful, box)
    if before is not None and before.hues.max() > 0:
        hues = hues * LEARN + before.hues * (1 - LEARN) if hues.max() > 0 else before.hues
    like, motion = _mean(_weights(hsv, useful, hues), box), (0.0, 0.0)
    if before is not None and seen.frame_no > before.frame_no:
        frames = seen.frame_no - before.frame_no
        step_x, step_y = ((b - a) / frames for a, b in zip(_middle(before.box), _middle(box), strict=True))
        motion = (STEADY * before.motion[0] + (1 - STEADY) * step_x, STEADY * before.motion[1] + (1 - STEADY) * step_y)
    return Followed(hues, like, box, motion, seen.frame_no)


def _histogram(hsv: Rgb, useful: Weights, box: Box) -> npt.NDArray[np.float32]:
    """Hues of the middle of a box, 0 to 255, less what its surroundings have of them."""
    width, height = box[2] - box[0], box[3] - box[1]
    inner = _window((box[0] + CORE * width, box[1] + CORE * height, box[2] - CORE * width, box[3] - CORE * height), hsv)
    outer = _window((box[0] - AROUND * width, box[1] - AROUND * height, box[2] + AROUND * width,
                     box[3] + AROUND * height), hsv)
    if inner is None or outer is None:
        return np.zeros(BINS, np.float32)
    own, all_ = (_counts(hsv, useful, window) for window in (inner, outer))
    scaled = own * (width * height / max(1.0, (inner[2] * inner[3])))
    ratio = np.where(own > 0, np.minimum(1.0, scaled / np.maximum(all_, 1.0)), 0.0) * own
    return np.asarray(ratio * (255.0 / max(float(ratio.max()), 1e-9)), np.float32)


def _counts(hsv: Rgb, useful: Weights, window: tuple[int, int, int, int]) -> npt.NDArray[np.float64]:
    x, y, w, h = window
    hues, counted = hsv[y : y + h, x : x + w, 0], useful[y : y + h, x : x + w] > 0
    return np.bincount(hues[counted].astype(np.intp) * BINS // 180, minlength=BINS)[:BINS].astype(np.float64)


def _weights(hsv: Rgb, useful: Weights, hues: npt.NDArray[np.float32]) -> Weights:
    """Back-projection: how much each sample's hue is the subject's."""
    table = np.rint(hues).astype(np.uint8)[np.minimum(np.arange(256) * BINS // 180, BINS - 1)]
    return np.asarray(cv2.bitwise_and(cv2.LUT(np.ascontiguousarray(hsv[..., 0]), table), useful), np.uint8)


def _search(one: Followed, hsv: Rgb, useful: Weights, seen: Seen) -> Box | None:
    """The region picture on which CamShift ends; None where it isn't sure."""
    ahead = max(1, abs(seen.frame_no - one.frame_no))
    box = _shifted(one.box, one.motion[0] * ahead, one.motion[1] * ahead)
    window = _window(box, hsv)
    if window is None or one.like <= 0 or not seen.regions:
        return None
    weights = _weights(hsv, useful, one.hues)
    for other in seen.detected.values():
        there = _window(other, hsv)
        if there is not None:
            weights[there[1] : there[1] + there[3], there[0] : there[0] + there[2]] = 0
    turned, (_, _, w, h) = cv2.CamShift(weights, window, _CRITERIA)
    if w < 2 or h < 2 or not math.isfinite(turned[0][0] + turned[0][1]):
        return None
    half = (box[2] - box[0]) / 2, (box[3] - box[1]) / 2
    (cx, cy), away = turned[0], math.dist(turned[0], _middle(box))
    found = (cx - half[0], cy - half[1], cx + half[0], cy + half[1])
    if away > MAX_STEP * 2 * half[0] or _mean(weights, found) < LIKE * one.like:
        return None
    best, *others = sorted(seen.regions, key=lambda region: -iou(region, found))
    unsure = others and iou(others[0], found) > RIVAL * iou(best, found)
    return None if unsure or iou(best, found) < MATCH else best


def _contested(subject: int, box: Box, seen: Seen, places: Mapping[int, Box]) -> bool:
    """Another subject is there, or may be: more so where nobody says who it is."""
    unknown = [*(place for name, place in places.items() if name != subject),
               *(region for region in seen.regions if region is not box)]
    return any(covered(box, other) > FREE_OF_KNOWN for other in seen.detected.values()) or any(
        covered(box, other) > FREE for other in unknown
    )


def _moved(one: Followed, box: Box, frame_no: int) -> Followed:
    frames = max(1, abs(frame_no - one.frame_no))
    step_x, step_y = ((b - a) / frames for a, b in zip(_middle(one.box), _middle(box), strict=True))
    motion = (0.8 * one.motion[0] + 0.2 * step_x, 0.8 * one.motion[1] + 0.2 * step_y)
    return replace(one, box=box, motion=motion, frame_no=frame_no, lost=one.lost + 1)


def _mean(values: npt.NDArray[np.generic], box: Box) -> float:
    window = _window(box, values)
    if window is None:
        return 0.0
    x, y, w, h = window
    area = max(1.0, (box[2] - box[0]) * (box[3] - box[1]))
    return float(values[y : y + h, x : x + w].sum()) / area


def _window(box: Box, picture: npt.NDArray[np.generic]) -> tuple[int, int, int, int] | None:
    """A box as OpenCV has it, x, y, width, height, inside the picture; None where less than 2x2 of it is."""
    height, width = picture.shape[:2]
    x1, y1 = max(0, round(box[0])), max(0, round(box[1]))
    x2, y2 = min(width, round(box[2])), min(height, round(box[3]))
    return (x1, y1, x2 - x1, y2 - y1) if x2 - x1 >= 2 and y2 - y1 >= 2 else None


def _shifted(box: Box, dx: float, dy: float) -> Box:
    return box[0] + dx, box[1] + dy, box[2] + dx, box[3] + dy


def _middle(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
