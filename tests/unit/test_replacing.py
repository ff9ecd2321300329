"""Faces in place of faces: the steps of a replacement, and that the method shows nothing of who is hidden."""

from __future__ import annotations

import struct
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from operators import pixels
from operators.colour import rgb_of
from operators.desensitise.base import Spot
from operators.desensitise.policy import Policy
from operators.desensitise.replace import REPLACE, Replacement
from operators.replacing.degrade import KERNELS, Degradation, drawn_degradation
from operators.replacing.drawn import HEIGHT, WIDTH, drawn
from operators.replacing.fuse import FUSIONS
from operators.replacing.outline import deformed, fitted, mask_of
from operators.replacing.recipe import MOVED, Recipe
from operators.replacing.recolour import TRANSFERS
from schemas.errors import MalformedRecord, UsageError
from schemas.frames import Planes, VideoFormat
from schemas.regions import Region
from streams.donors import read_donors
from streams.setup import FINDS_FACES, detector
from tests.support import textured
from tests.support.pictures import astronaut
from tests.support.planes import equal

FORMAT = VideoFormat(320, 240, textured.TIME_BASE, matrix=1)
PICTURE = np.rint(drawn(1).rgb * 255).astype(np.uint8)
TARGET = np.rint(drawn(2).rgb * 255).astype(np.uint8)
RNG = np.random.default_rng(0)


def _spot(track: int, luma: int | np.ndarray = 130) -> Spot:
    planes = pixels.blank(96, 128, 0)
    planes.y[:] = luma
    return Spot(planes, found=Region(track, "face", (0, 0, 96, 128), 0.9, "detected"))


def test_drawn_faces_are_their_seed_s_and_differ() -> None:
    assert (drawn(3).rgb == drawn(3).rgb).all()
    faces = [drawn(seed).rgb for seed in range(6)]
    assert min(np.abs(a - b).mean() for i, a in enumerate(faces) for b in faces[:i]) > 0.01


@pytest.mark.parametrize("height", [28, 80, 200])
def test_drawn_faces_are_found_where_their_landmarks_say(height: int) -> None:
    finder, scale = detector(FINDS_FACES), height / 110
    for seed in range(4):
        face = drawn(seed)
        ground = np.full((480, 480, 3), 110, np.uint8)
        size = round(WIDTH * scale), round(HEIGHT * scale)
        ground[60 : 60 + size[1], 60 : 60 + size[0]] = cv2.resize((face.rgb * 255).astype(np.uint8), size)
        found = finder.detect(ground)
        assert len(found.boxes) == 1
        middle = (found.boxes[0, :2] + found.boxes[0, 2:]) / 2
        assert np.linalg.norm(middle - 60 - face.landmarks.mean(0) * scale) < 0.15 * height + 3


def test_degradation_does_what_it_says_in_order() -> None:
    sharp = float(cv2.Laplacian(PICTURE, cv2.CV_64F).var())
    assert (Degradation()(PICTURE) == PICTURE).all()
    blurred = [float(cv2.Laplacian(Degradation(kernel)(PICTURE), cv2.CV_64F).var()) for kernel in KERNELS]
    assert sharp > blurred[0] > blurred[1] > blurred[4]
    coded = np.abs(Degradation(quality=35)(PICTURE).astype(int) - PICTURE).mean()
    assert coded > np.abs(Degradation(quality=95)(PICTURE).astype(int) - PICTURE).mean() > 0
    grey = np.full((200, 200, 3), 128, np.uint8)
    noisy = Degradation(noise=(4.0, 25.0), seed=1)(grey)
    assert (noisy == Degradation(noise=(4.0, 25.0), seed=1)(grey)).all()
    assert noisy.mean() == pytest.approx(132, abs=0.2)
    assert noisy.std() == pytest.approx(5, abs=0.2)


def test_choices_are_even_and_the_seed_s() -> None:
    rng = np.random.default_rng(0)
    parts = [drawn_degradation(rng) for _ in range(2000)]
    assert np.mean([bool(one.kernel) for one in parts]) == pytest.approx(0.5, abs=0.04)
    assert np.mean([one.noise is not None for one in parts]) == pytest.approx(0.5, abs=0.04)
    recipes = [Recipe.drawn(seed) for seed in range(1200)]
    for counts, values in ((Counter(one.transfer for one in recipes), TRANSFERS), (
            Counter(one.fusion for one in recipes), FUSIONS), (Counter(one.moved for one in recipes), MOVED)):
        assert set(counts) == set(values)
        assert min(counts.values()) > 0.75 * 1200 / len(values)
    assert Recipe.drawn(5) == Recipe.drawn(5)


@pytest.mark.parametrize("transfer", TRANSFERS)
def test_transfer_brings_colours_to_the_target(transfer: str) -> None:
    one = np.clip(RNG.normal((0.6, 0.4, 0.3), (0.1, 0.06, 0.05), (4000, 3)), 0, 1).astype(np.float32)
    mixed = RNG.normal(0, 1, (4000, 3)) @ np.array([[0.05, 0.03, 0.0], [0, 0.05, 0.02], [0, 0, 0.04]])
    two = np.clip(mixed + (0.4, 0.5, 0.6), 0, 1).astype(np.float32)
    matched = TRANSFERS[transfer](one, two)
    if transfer == "lab":
        matched, two = (cv2.cvtColor(part[None], cv2.COLOR_RGB2Lab)[0] / 100 for part in (matched, two))
    assert matched.mean(0) == pytest.approx(two.mean(0), abs=0.02)
    assert matched.std(0) == pytest.approx(two.std(0), abs=0.02)
    if transfer == "density":
        assert np.corrcoef(matched.T) == pytest.approx(np.corrcoef(two.T), abs=0.15)


def test_outline_holds_the_landmarks_and_moves_as_told() -> None:
    marks = drawn(4).landmarks
    outline = fitted(marks)
    mask = mask_of(outline, (HEIGHT, WIDTH))
    assert all(mask[round(y), round(x)] == 255 for x, y in marks)
    assert 0.15 < (mask > 0).mean() < 0.5
    still, border, every = (deformed(outline, moved, 0.03, np.random.default_rng(1)) for moved in MOVED)
    assert (still == outline).all()
    assert (border[17:] == outline[17:]).all()
    assert (border[:17] != outline[:17]).any(1).all()
    assert (every != outline).any(1).all()
    assert np.abs(every - outline).max() <= 0.03 * np.ptp(outline[:, 0])
    hand = np.zeros_like(mask)
    hand[:80] = 1
    assert not mask_of(outline, (HEIGHT, WIDTH), hand)[:80].any()
    with pytest.raises(MalformedRecord, match="landmarks"):
        fitted(np.zeros((5, 2)))


@pytest.mark.parametrize("fusion", FUSIONS)
def test_fusion_keeps_the_target_outside_and_takes_the_donor_inside(fusion: str) -> None:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.ellipse(mask, (64, 84), (36, 48), 0, 0, 360, 255, -1)
    fused = FUSIONS[fusion](PICTURE, TARGET, mask)
    far = cv2.dilate(mask, np.ones((49, 49))) == 0
    assert np.abs(fused[far].astype(int) - TARGET[far]).max() <= 3
    inner = np.s_[70:100, 50:78]
    detail = [cv2.Laplacian(part[inner], cv2.CV_64F).ravel() for part in (fused, PICTURE, TARGET)]
    assert np.corrcoef(detail[0], detail[1])[0, 1] > 0.9 > np.corrcoef(detail[0], detail[2])[0, 1]
    assert np.abs(FUSIONS[fusion](TARGET, TARGET, mask).astype(int) - TARGET).max() <= 2


def test_occluder_of_the_target_stays_in_the_picture() -> None:
    hand = np.zeros((HEIGHT, WIDTH), np.uint8)
    hand[100:] = 255
    recipe = Recipe(Degradation(), "linear", "none", 0, "alpha")
    replaced, mask = recipe.replaced(drawn(1), TARGET, hand)
    assert not mask[100:].any()
    assert (replaced[112:] == TARGET[112:]).all()
    assert np.abs(replaced[70:90, 50:78].astype(int) - TARGET[70:90, 50:78]).mean() > 2


def test_appearance_is_a_track_and_a_bit_of_light_whoever_is_hidden() -> None:
    rng = np.random.default_rng(0)
    shown = {REPLACE.prepare(_spot(7, rng.integers(0, 256, (128, 96))), b"") for _ in range(40)}
    assert len(shown) <= 2
    assert len(next(iter(shown))) == 5
    assert REPLACE.prepare(_spot(7, 60), b"") != REPLACE.prepare(_spot(7, 180), b"")
    assert REPLACE.prepare(_spot(7), b"") != REPLACE.prepare(_spot(8), b"")


@pytest.mark.parametrize("shape", [(96, 128), (16, 16), (176, 48), (33, 250)])
def test_painted_region_owes_nothing_to_what_it_covers(shape: tuple[int, int]) -> None:
    width, height = shape
    out = []
    for luma in (0, 255):
        region = Planes(np.full((height, width), luma, np.uint8), *(
            np.full((-(-height // 2), -(-width // 2)), luma, np.uint8) for _ in range(2)))
        REPLACE.paint(Spot(region), struct.pack("<IB", 5, 1))
        out.append(region)
    assert equal(out[0], out[1])


def test_painted_faces_of_tracks_are_found_and_differ() -> None:
    finder, shown = detector(FINDS_FACES), []
    for track in range(6):
        picture = pixels.blank(320, 240, 100)
        part = Planes(picture.y[48:176, 96:192], picture.u[24:88, 48:96], picture.v[24:88, 48:96])
        REPLACE.paint(Spot(part), REPLACE.prepare(_spot(track), b""))
        rgb = np.rint(rgb_of(*picture.all(), FORMAT) * 255).astype(np.uint8)
        assert len(finder.detect(rgb).boxes) == 1
        shown.append(part.y.copy())
    assert len({one.tobytes() for one in shown}) == len(shown)


def test_appearance_of_another_method_is_refused() -> None:
    with pytest.raises(MalformedRecord, match="replace"):
        REPLACE.paint(_spot(1), b"\x80\x80\x80")


def test_donors_of_the_user_are_shown_one_a_track(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "donor.png"), astronaut()[:, :, ::-1])
    donors = read_donors(tmp_path, detector())
    method = Policy({}, {"face": "replace"}, donors=donors).method("face")
    assert isinstance(method, Replacement)
    assert np.abs(donors[0].landmarks - drawn(0).landmarks).max() < 12
    ours, drawn_one = _spot(3), _spot(3)
    appearance = method.prepare(ours, b"")
    method.paint(ours, appearance)
    REPLACE.paint(drawn_one, appearance)
    assert not equal(ours.planes, drawn_one.planes)


def test_donors_without_a_face_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no photograph"):
        read_donors(tmp_path, detector())
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((200, 200, 3), 120, np.uint8))
    with pytest.raises(UsageError, match="wall.png: no face"):
        read_donors(tmp_path, detector())
