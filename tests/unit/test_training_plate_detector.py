"""Training scenes and the truth that goes with them; a few steps of training. Skipped without torch, Pillow, fonts."""

from __future__ import annotations

import importlib.util

import cv2
import numpy as np
import pytest

from operators.training.plate_detector.place import hull, put, turned
from schemas.errors import ConfigError

HAS_TORCH = importlib.util.find_spec("torch") is not None
HAS_PILLOW = importlib.util.find_spec("PIL") is not None
needs_torch = pytest.mark.skipif(not HAS_TORCH or not HAS_PILLOW, reason="torch isn't installed (extra `train`)")
needs_pillow = pytest.mark.skipif(not HAS_PILLOW, reason="Pillow isn't installed (extra `train`)")


@pytest.mark.parametrize("number", range(30))
def test_turned_corners_stay_in_reading_order(number):
    corners = turned(4.5, np.random.default_rng([1, number]))
    edges = np.roll(corners, -1, 0) - corners
    after = np.roll(edges, -1, 0)
    assert (edges[:, 0] * after[:, 1] - edges[:, 1] * after[:, 0] > 0).all()  # clockwise, convex
    assert corners[0, 0] < corners[1, 0] and corners[3, 0] < corners[2, 0]


def test_put_paints_between_its_corners_and_nowhere_else():
    picture = np.zeros((100, 200, 3), np.uint8)
    corners = np.array([[40, 30], [120, 40], [120, 70], [40, 60]], np.float32)
    put(picture, np.full((64, 200, 3), 255, np.uint8), corners)
    truth = np.zeros((100, 200), np.uint8)
    cv2.fillPoly(truth, [corners.astype(np.int32)], 1)
    painted = picture[:, :, 0] > 127
    assert (painted & (truth > 0)).sum() / (painted | (truth > 0)).sum() > 0.95


def test_put_beyond_the_picture_leaves_it_as_it_was():
    picture = np.zeros((50, 50, 3), np.uint8)
    put(picture, np.full((8, 8, 3), 255, np.uint8), np.array([[80, 80], [90, 80], [90, 90], [80, 90]], np.float32))
    assert not picture.any()


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    from operators.training.plate_detector.scenes import Scenes, Street
    from operators.training.plates.glyphs import load

    try:
        glyphs = load()
    except ConfigError as error:
        pytest.skip(str(error))
    path = tmp_path_factory.mktemp("backgrounds") / "one.png"
    cv2.imwrite(str(path), np.random.default_rng(1).integers(0, 120, (300, 400, 3)).astype(np.uint8))
    road = np.full((400, 640, 3), 90, np.uint8)
    road[200:220, 300:400] = (255, 255, 255)
    street = Street(road, np.array([[300, 200, 400, 220]], np.float32), "part")
    return Scenes(glyphs, [path], [street], 3, 0.4)


@needs_pillow
@pytest.mark.parametrize("number", range(20))
def test_hidden_covers_one_end_and_keeps_the_corners_of_the_other(number):
    from operators.training.plate_detector.scenes import _hidden

    corners = np.array([[100, 80], [200, 90], [200, 115], [100, 105]], np.float32)
    picture = np.zeros((192, 384, 3), np.uint8)
    put(picture, np.full((32, 100, 3), 255, np.uint8), corners)
    kept = _hidden(picture, corners, np.random.default_rng([2, number]))
    share = np.ptp(kept[:, 0]) / np.ptp(corners[:, 0])
    assert 0.27 < share < 0.81
    assert sum((corners == corner).all(1).any() for corner in kept) == 2
    inside = np.zeros((192, 384), np.uint8)
    cv2.fillPoly(inside, [kept.astype(np.int32)], 1)
    white = (picture > 230).all(2)
    assert (white & (inside > 0)).sum() / inside.sum() > 0.85


@needs_pillow
def test_scenes_same_number_is_the_same_scene(scenes):
    for number in range(6):
        one, two = scenes[number], scenes[number]
        assert np.array_equal(one.picture, two.picture) and np.array_equal(one.boxes, two.boxes)


@needs_pillow
def test_scenes_boxes_are_the_hulls_of_known_corners_and_inside(scenes):
    known = unknown = 0
    for number in range(80):
        scene = scenes[number]
        assert scene.picture.shape == (192, 384, 3) and scene.picture.dtype == np.uint8
        assert scene.corners.shape == (len(scene.boxes), 4, 2)
        assert (scene.boxes >= 0).all() and (scene.boxes <= (384, 192, 384, 192)).all()
        assert (scene.boxes[:, 3] - scene.boxes[:, 1] >= 5).all()
        for box, corners in zip(scene.boxes, scene.corners, strict=True):
            if np.isfinite(corners).all():
                known += 1
                np.testing.assert_allclose(box, np.clip(hull(corners), 0, (384, 192, 384, 192)), atol=1e-3)
            else:
                unknown += 1
    assert known > 30 and unknown > 8


@needs_torch
def test_network_shape_and_size():
    import torch

    from operators.training.plate_detector.network import PlateDetectorNetwork

    network = PlateDetectorNetwork().eval()
    shapes = [tuple(level.shape) for level in network(torch.zeros(1, 3, 64, 96))]
    assert shapes == [(1, 13, 8, 12), (1, 13, 4, 6), (1, 13, 2, 3)]
    assert sum(one.numel() for one in network.parameters()) <= 2_000_000


@needs_torch
def test_train_stops_and_resumes(scenes, tmp_path, monkeypatch):
    import torch

    from operators.training.plate_detector import train as module

    monkeypatch.setattr(module, "BATCH", 2)
    monkeypatch.setattr(module, "MEASURED", 2)
    out, told = tmp_path / "one.pt", []
    module.train(module.Run(1, 0.02, 0), scenes, scenes, out, told.append)
    first = torch.load(out, weights_only=True)["step"]
    module.train(module.Run(1, 0.04, 0), scenes, scenes, out, told.append, resume=out)
    assert 0 < first < torch.load(out, weights_only=True)["step"]
    assert "corners" in told[-1] and out.with_suffix(".log").is_file()
