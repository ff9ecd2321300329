"""Alignment, face vectors and region quality, on real faces."""

from __future__ import annotations

import csv

import cv2
import numpy as np
import pytest

from infra.models import centerface, model, source
from operators.detect import FaceDetector
from operators.embed import CHIP, SAME, FaceEmbedder, align
from operators.quality import quality
from operators.training.dlib_to_onnx import convert
from schemas.errors import ConfigError, MalformedRecord
from tests.support.pictures import astronaut, read_rgb
from tests.support.shared import shared_data

POINTS = np.array([[47.8, 47.5], [102.1, 46.0], [74.2, 78.6], [51.4, 104.0], [97.3, 102.9]])
# First values of the network's output for a ramp (red = x, green = y, blue = 128), before normalising. The network was
# proven right by its accuracy on Labeled Faces in the Wild when these were written down.
RAMP_FEATURES = [-0.05202, 0.12469, 0.05696, 0.00027, -0.04717, -0.05265, -0.07756, -0.00073]
RAMP_NORM = 1.30596
TOLERANCE = 2e-4


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector(centerface())


@pytest.fixture(scope="module")
def network() -> bytes:
    return convert(source(model("face-embedder")).read_bytes())


@pytest.fixture(scope="module")
def embedder(network) -> FaceEmbedder:
    return FaceEmbedder(network)


def ramp() -> np.ndarray:
    x, y = np.meshgrid(np.arange(CHIP), np.arange(CHIP))
    return np.stack([x, y, np.full_like(x, 128)], -1).astype(np.uint8)


def test_network_gives_the_golden_vector(embedder):
    (features,) = embedder._session.run(None, {"chips": ramp()[None]})
    np.testing.assert_allclose(features[0, :8], RAMP_FEATURES, atol=TOLERANCE)
    assert np.linalg.norm(features) == pytest.approx(RAMP_NORM, abs=1e-3)


def test_network_on_swapped_colours_gives_another_vector(embedder):
    swapped = np.ascontiguousarray(ramp()[:, :, ::-1])
    (features,) = embedder._session.run(None, {"chips": swapped[None]})
    assert np.abs(features[0, :8] - RAMP_FEATURES).max() > 20 * TOLERANCE


def test_embed_gives_unit_vectors_that_a_mirror_does_not_change(embedder, detector):
    picture = astronaut()
    chip = align(picture, detector.detect(picture).landmarks[0])
    vectors = embedder.embed(np.stack([chip, chip[:, ::-1], ramp()]))
    assert vectors.shape == (3, 128)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] == pytest.approx(1, abs=1e-5)
    assert vectors[0] @ vectors[2] < SAME


def test_embed_many_chips_equals_one_by_one(embedder):
    chips = np.random.default_rng(3).integers(0, 256, (18, CHIP, CHIP, 3), np.uint8)
    vectors = embedder.embed(chips)
    np.testing.assert_allclose(vectors[17], embedder.embed(chips[17:])[0], atol=1e-5)


def test_embed_no_chips_gives_no_vectors(embedder):
    assert embedder.embed(np.empty((0, CHIP, CHIP, 3), np.uint8)).shape == (0, 128)


@pytest.mark.parametrize("chips", [np.zeros((CHIP, CHIP, 3), np.uint8), np.zeros((1, CHIP, CHIP, 3), np.float32)])
def test_embed_something_else_than_chips_raises(embedder, chips):
    with pytest.raises(ConfigError, match="chips"):
        embedder.embed(chips)


def test_embedder_of_another_network_raises():
    with pytest.raises(ConfigError):
        FaceEmbedder(centerface())


def test_embed_smaller_face_stays_the_same_person(embedder, detector):
    picture = astronaut()
    small = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    chips = np.stack([align(p, detector.detect(p).landmarks[0]) for p in (picture, small)])
    first, second = embedder.embed(chips)
    assert first @ second >= SAME


@pytest.mark.parametrize("scale", [0.5, 1, 1.9, 5])
@pytest.mark.parametrize("degrees", [0, 30, -75])
def test_align_puts_each_point_on_its_place(scale, degrees):
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (POINTS - 75) @ turn.T * scale + 500
    picture = np.zeros((1000, 1000, 3), np.uint8)
    for channel, (x, y) in zip([0, 1, 2], points[[0, 1, 3]], strict=True):
        layer = np.zeros((1000, 1000), np.uint8)
        cv2.circle(layer, (round(x), round(y)), round(6 * scale), 255, -1)
        picture[..., channel] = layer
    chip = align(picture, points).astype(float)
    grid = np.stack(np.meshgrid(np.arange(CHIP), np.arange(CHIP)), -1)
    for channel, wanted in zip([0, 1, 2], POINTS[[0, 1, 3]], strict=True):
        weights = chip[..., channel]
        centre = (grid * weights[..., None]).sum((0, 1)) / weights.sum()
        assert np.abs(centre - wanted).max() < 1.2


@pytest.mark.parametrize("points", [np.full((5, 2), np.nan), np.ones((5, 2)), np.ones((4, 2)), []])
def test_align_without_five_points_raises(points):
    with pytest.raises(MalformedRecord):
        align(np.zeros((50, 50, 3), np.uint8), points)


def test_embed_real_pairs_are_told_apart(embedder, detector):
    folder = shared_data() / "identities"
    with (folder / "pairs.tsv").open(encoding="utf-8") as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    pairs = [r for r in rows if r["same"] == "1"][::31] + [r for r in rows if r["same"] == "0"][::31]
    vectors = {}
    for file in sorted({r[side] for r in pairs for side in ("file_a", "file_b")}):
        picture = read_rgb(folder / file)
        found = detector.detect(picture)
        middle = np.abs((found.boxes[:, :2] + found.boxes[:, 2:]) / 2 - np.array(picture.shape[1::-1]) / 2).sum(1)
        vectors[file] = embedder.embed(align(picture, found.landmarks[middle.argmin()])[None])[0]
    right = [(vectors[r["file_a"]] @ vectors[r["file_b"]] >= SAME) == (r["same"] == "1") for r in pairs]
    assert len(right) >= 58
    assert np.mean(right) >= 0.94


def face_quality(detector: FaceDetector, picture: np.ndarray) -> float:
    found = detector.detect(picture)
    x1, y1, x2, y2 = found.boxes[0].astype(int)
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[y1:y2, x1:x2]
    return quality(found.boxes[0], found.landmarks[0], float(found.scores[0]), luma)


def test_quality_falls_with_blur_size_and_darkness(detector):
    picture = astronaut()
    best = face_quality(detector, picture)
    assert 0.8 < best <= 1
    for worse in (cv2.GaussianBlur(picture, (0, 0), 4), cv2.resize(picture, None, fx=0.4, fy=0.4), picture // 5):
        assert 0 < face_quality(detector, worse) < best - 0.05


def test_quality_of_a_turned_face_is_lower_than_frontal():
    luma = np.random.default_rng(0).integers(60, 190, (96, 96), np.uint8)
    frontal, turned = POINTS.copy(), POINTS.copy()
    turned[2, 0] = 98
    box = (0, 0, 96, 96)
    assert quality(box, turned, 0.9, luma) < quality(box, frontal, 0.9, luma) - 0.1


@pytest.mark.parametrize("landmarks", [(), np.full((5, 2), np.nan), np.zeros((5, 2))])
def test_quality_without_landmarks_is_zero(landmarks):
    assert quality((0, 0, 50, 50), landmarks, 0.9, np.full((50, 50), 100, np.uint8)) == 0
