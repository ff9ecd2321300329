from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest

from operators import view
from operators.codec import encode
from operators.desensitise.policy import Policy, Site
from operators.pipeline import Pipeline
from operators.sign import SigningKey
from schemas.frames import FrameChunk, Planes, VideoFormat
from schemas.regions import Detections
from schemas.state import CameraState, ViewState

KEY = SigningKey(b"v" * 32)
FORMAT = VideoFormat(320, 240, Fraction(1, 25))


def _street(shift: int = 0, passing: int | None = None, gain: float = 1.0) -> Planes:
    """A drawn street, seen `shift` pixels to the side, with something large passing by, in other light."""
    noise = np.random.default_rng(7)
    wide = cv2.resize(noise.integers(20, 230, (14, 44)).astype(np.uint8), (660, 240), interpolation=cv2.INTER_NEAREST)
    y = np.clip(wide[:, 100 + shift : 420 + shift] * gain, 0, 255).astype(np.uint8)
    if passing is not None:
        y[60:200, passing : passing + 80] = 128
    half = np.full((120, 160), 128, np.uint8)
    return Planes(y, half, half.copy())


def _known(pictures: int = 8) -> ViewState:
    known = ViewState()
    for i in range(pictures):
        known = view.learned(known, view.edges(_street(passing=30 * i)))
    return known


@pytest.mark.parametrize(
    ("seen", "same"),
    [
        (_street(), True), (_street(passing=100), True), (_street(gain=0.6), True), (_street(shift=2), True),
        (_street(shift=32), False), (_street(shift=80), False), (_street(shift=-60), False),
    ],
    ids=["still", "passing", "darker", "trembles", "shifted by a tenth", "by a quarter", "the other way"],
)  # fmt: skip
def test_agreement_tells_a_moved_camera_from_what_passes_by(seen: Planes, same: bool) -> None:
    share = view.agreement(_known(), view.edges(seen))
    assert share is not None and (share >= view.SAME) == same


def test_agreement_says_nothing_before_enough_is_known_or_of_a_picture_without_edges() -> None:
    assert view.agreement(_known(2), view.edges(_street())) is None
    flat = np.full((240, 320), 9, np.uint8)
    assert view.agreement(_known(), view.edges(Planes(flat, flat, flat))) is None


def test_guard_masks_until_the_old_view_is_back() -> None:
    known = _known()
    away, moved = view.guard(known, [view.edges(_street(shift=80))], b"z", 1_000)
    assert moved and away.since_ms == 1_000 and away.edges == known.edges
    assert view.guard(away, [view.edges(_street(shift=80))], b"z", 900_000)[1]
    back, moved = view.guard(away, [view.edges(_street())], b"z", 2_000)
    assert not moved and back.since_ms == 0


def test_guard_takes_the_new_view_once_zones_are_set_anew_or_after_a_minute_without_any() -> None:
    for zones, later, at, stays in ((b"z", b"y", 2_000, False), (b"", b"", 2_000, True), (b"", b"", 70_000, False)):
        away, _ = view.guard(_known(), [view.edges(_street(shift=80))], zones, 1_000)
        after, moved = view.guard(away, [view.edges(_street(shift=80))], later, at)
        assert moved == stays
        assert stays or (after.since_ms == 0 and view.agreement(after, view.edges(_street())) is None)


def test_guard_remembers_the_view_while_the_lens_is_covered() -> None:
    """Otherwise a hand before the lens, while the camera is turned, would do away with the alarm and keep the zones."""
    flat = np.full((240, 320), 9, np.uint8)
    covered = view.edges(Planes(flat, flat, flat))
    known = _known()
    for at in range(4):
        known, moved = view.guard(known, [covered, covered], b"z", 1_000 + at)
        assert not moved
    away, moved = view.guard(known, [view.edges(_street(shift=80))], b"z", 2_000)
    assert moved
    assert view.guard(away, [covered, covered], b"z", 3_000) == (away, True)


class Nothing:
    def detect_planes(self, planes: Planes, video: VideoFormat, size: int = 640) -> Detections:
        return Detections.none("face")


def _chunk(seq: int, shift: int, camera: str = "gate") -> FrameChunk:
    first = 10 * seq
    units = encode([_street(shift, passing=20 * seq)] * 10, range(first, first + 10), FORMAT)
    return FrameChunk(camera, "video", seq, first, 400 * seq + 1, FORMAT, "h264", units, first + 10)


@pytest.mark.parametrize("camera", ["gate", "drone"])
def test_pipeline_masks_a_fixed_camera_whole_once_it_is_moved_and_alarms(camera: str) -> None:
    policy = Policy({}, sites=(Site(("gate",), {"fixed": True}),))
    pipeline, state = Pipeline(policy, Nothing(), KEY), CameraState()
    alarms: list[list[str]] = []
    for seq, shift in enumerate((0, 0, 0, 80, 80, 0)):
        state, out = pipeline.step(state, _chunk(seq, shift, camera), None)
        alarms.append([alarm.kind for alarm in out.alarms])
    fixed = camera == "gate"
    assert alarms == [[], [], [], ["moved"] * fixed, ["moved"] * fixed, []]
    assert (state.view is not None) == fixed


def test_zones_digest_changes_with_the_zones_and_is_empty_without() -> None:
    one = _chunk(0, 0)
    some = Policy({}, zones=((0.0, 0.0, 0.5, 1.0),))
    assert view.zones_of(Policy({}), one) == b""
    assert view.zones_of(some, one) != view.zones_of(replace(some, zones=((0.0, 0.0, 0.4, 1.0),)), one)
