from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from operators.desensitise.base import Spot
from operators.desensitise.policy import METHODS, Policy
from operators.fragment import fragment, init_segment
from operators.pixels import copy
from schemas.errors import UsageError
from schemas.frames import Planes, VideoFormat
from schemas.regions import Detections, boxes
from streams.evaluate import bits, naive, utility
from streams.evaluate.rates import bd_rate, flicker, identity_invariance
from tests.support.planes import equal
from tests.support.scenes import FORMAT, chunk, crossing

PLACES = crossing()


class Patch:
    """Finds one face in the same place in every frame."""

    def detect_planes(self, planes: Planes, video: VideoFormat, size: int = 640) -> Detections:
        marks = np.full((1, 5, 2), np.nan, np.float32)
        return Detections("face", boxes([(90, 70, 190, 190)]), np.array([0.9], np.float32), marks)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one clip of two chunks."""
    made = tmp_path_factory.mktemp("clips")
    parts = [chunk(PLACES, 0), chunk(PLACES[::-1], 1)]
    media = b"".join(fragment(p.units, p.end_pts, p.chunk_seq + 1, p.format, parts[0].pts[0]) for p in parts)
    (made / "clip.mp4").write_bytes(init_segment(FORMAT) + media)
    return made


def test_eval_bits_measures_every_method_against_the_original_and_the_naive_way(folder: Path) -> None:
    settings = bits.Settings(Patch(), Policy({}), ("veil", "scramble"))
    figures, (clip,) = bits.evaluate(folder, settings)
    found = {figure.id: figure.value for figure in figures}
    assert clip.frames == 2 * len(PLACES) and 0.1 < found["masked_area"] < 0.6
    assert found["bits_veil"] == clip.ours["veil"].bytes / clip.original.bytes
    assert found["of_naive_scramble"] < 0.9  # a new grid in every frame costs more than one a chunk
    assert found["of_naive_scramble_samples"] < 0.7 * found["of_naive_scramble"]  # and noise far more still
    assert max(found["flicker_veil"], found["flicker_scramble"]) < 1
    assert {"bits_worst", "bits_long_gop", "bits_camera", "bd_rate"} <= set(found)


def test_eval_bits_of_clips_without_masks_has_nothing_to_say(tmp_path: Path) -> None:
    figures, found = bits.evaluate(tmp_path, bits.Settings(Patch(), Policy({}), ("veil",)))
    assert found == [] and figures[0].holds is False


def test_naive_scramble_of_samples_keeps_them_all_and_leaves_none_in_its_place() -> None:
    random = np.random.default_rng(1)
    before = Planes(*(random.integers(0, 256, shape, np.uint8) for shape in ((64, 48), (32, 24), (32, 24))))
    shown = []
    for key in (b"a" * 32, b"a" * 32, b"b" * 32):
        planes, method = copy(before), naive.SampleScramble()
        method.paint(Spot(planes), method.prepare(Spot(before), key))
        shown.append(planes)
        for old, new in zip(before.all(), planes.all(), strict=True):
            assert np.array_equal(np.sort(old, axis=None), np.sort(new, axis=None)) and np.mean(old == new) < 0.02
    assert equal(shown[0], shown[1]) and not equal(shown[0], shown[2])


def test_naive_boxes_cover_the_asked_area_on_even_samples() -> None:
    frames = [np.array([(40, 30, 60, 60)], np.float32), np.array([(100, 80, 140, 120)], np.float32)]
    for samples in (2_000, 8_000):
        factor = naive.factor_of(frames, FORMAT, samples)
        area = sum(int(naive.masked(naive.rects(one, factor, FORMAT), FORMAT).sum()) for one in frames)
        assert abs(area - samples) < 0.2 * samples
    assert naive.rects(np.array([(-50, -50, -40, -40)], np.float32), 1, FORMAT) == []
    assert METHODS["veil"].name == "veil"


@pytest.mark.parametrize(("factor", "expected"), [(1.0, 0.0), (0.8, -0.2), (1.25, 0.25)])
def test_bd_rate_of_curves_that_differ_by_a_factor_is_that_factor(factor: float, expected: float) -> None:
    curve = [(100.0, 30.0), (200.0, 34.0), (400.0, 37.5), (800.0, 40.0)]
    assert bd_rate(curve, [(rate * factor, db) for rate, db in curve]) == pytest.approx(expected, abs=1e-9)


def test_bd_rate_needs_four_points_and_a_common_quality() -> None:
    curve = [(100.0, 30.0), (200.0, 34.0), (400.0, 37.5), (800.0, 40.0)]
    with pytest.raises(UsageError):
        bd_rate(curve[:3], curve)
    with pytest.raises(UsageError):
        bd_rate(curve, [(rate, db + 20) for rate, db in curve])


def test_identity_invariance_is_zero_for_a_constant_picture_and_grows_when_frames_are_shuffled() -> None:
    """A slow turn changes little from frame to frame; the same frames in another order change much."""
    angles = np.linspace(0, 1.5, 30)
    turning = np.stack([np.cos(angles), np.sin(angles)], 1)
    shuffled = turning[np.random.default_rng(0).permutation(30)]
    assert identity_invariance(np.repeat(turning[:1], 5, 0)) == 0
    assert identity_invariance(turning) == pytest.approx(2 * np.sin(1.5 / 29 / 2))
    assert identity_invariance(shuffled) > 5 * identity_invariance(turning)
    with pytest.raises(UsageError):
        identity_invariance(turning[:1])


def test_flicker_counts_the_chosen_samples_alone() -> None:
    before, after = np.zeros((4, 4), np.uint8), np.full((4, 4), 3, np.uint8)
    where = np.zeros((4, 4), bool)
    where[0] = True
    assert flicker(before, after, where) == (12.0, 4)
    assert flicker(before, after, ~where & where) == (0.0, 0)


def _moving(number: int, shift: int = 0) -> np.ndarray:
    picture = np.full((270, 480), 90, np.uint8)
    cv2.rectangle(picture, (5 * number + shift, 100), (5 * number + shift + 60, 200), 200, -1)
    return picture


def test_utility_of_the_same_video_is_whole_and_of_a_still_one_nothing() -> None:
    plain = utility.Movers()
    original = [plain.boxes(_moving(number)) for number in range(60)]
    known = utility.tracks(original)
    assert [len(track) for track in known] == [35] and sum(map(len, original)) == 35
    for still, found in ((False, True), (True, False)):
        shown = utility.Movers()
        other = [shown.boxes(_moving(0) if still else _moving(number)) for number in range(60)]
        seen = utility.compared(original, known, other)
        assert (seen.found, seen.followed, seen.tracks) == ((35, 1, 1) if found else (0, 0, 0))
    agreement = utility.flow_agreement((_moving(1), _moving(1)), (_moving(2), _moving(2)))
    assert agreement == pytest.approx(1)


def test_utility_follows_each_object_over_time() -> None:
    one, two = np.float32([0, 0, 10, 10]), np.float32([40, 0, 50, 10])
    original = [np.stack([one + k, two - k]) for k in range(12)]
    assert [len(track) for track in utility.tracks(original)] == [12, 12]
    half = [boxes[:1] if k % 2 else boxes for k, boxes in enumerate(original)]
    fewer = [boxes[:1] if k % 3 else boxes for k, boxes in enumerate(original)]
    known = utility.tracks(original)
    for other, followed, found in ((original, 2, 24), (half, 2, 18), (fewer, 1, 16)):
        seen = utility.compared(original, known, other)
        assert (seen.followed, seen.found, seen.extra) == (followed, found, 0)
