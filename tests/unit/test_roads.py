"""Generated road clips: the truth of a plate is where its pixels are."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from streams.demo.compose import Truth
from streams.demo.roads import CAR, compose_road, draw_car

PINK = (250, 20, 250)


def draw(rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """A plate of one colour that nothing else has."""
    return np.full((64, 256, 3), PINK, np.uint8), f"P{rng.integers(10_000)}"


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    path = tmp_path_factory.mktemp("road") / "road.mp4"
    return path, compose_road(draw, path, seed=4, seconds=2.0, width=320, height=180, cars=3, plate_width=(20, 60))


def pink(picture: np.ndarray) -> np.ndarray:
    red, green, blue = (picture[..., i].astype(int) for i in range(3))
    return (red - green > 60) & (blue - green > 60)


def test_truth_lies_where_the_plates_are(road: tuple[Path, Truth]) -> None:
    path, truth = road
    seen = claimed = right = 0
    with av.open(str(path)) as container:
        for faces, frame in zip(truth.frames, container.decode(video=0), strict=True):
            found, said = pink(frame.to_ndarray(format="rgb24")), np.zeros((180, 320), bool)
            for plate in faces:
                top, left, shown = plate.pixels
                said[top : top + shown.shape[0], left : left + shown.shape[1]] |= shown[: 180 - top, : 320 - left]
            seen, claimed, right = seen + int(found.sum()), claimed + int(said.sum()), right + int((found & said).sum())
    assert seen > 5_000
    assert right / seen > 0.85 and right / claimed > 0.85


def test_same_seed_gives_the_same_file(road: tuple[Path, Truth], tmp_path: Path) -> None:
    again = tmp_path / "again.mp4"
    truth = compose_road(draw, again, seed=4, seconds=2.0, width=320, height=180, cars=3, plate_width=(20, 60))
    assert truth == road[1] and again.read_bytes() == road[0].read_bytes()


def test_a_car_carries_its_plate_within_its_corners() -> None:
    car = draw_car(draw, np.random.default_rng(2))
    (left, top), (right, bottom) = car.corners.min(0).astype(int), car.corners.max(0).astype(int)
    assert car.pixels.shape == (CAR[1], CAR[0], 4)
    assert pink(car.pixels[top:bottom, left:right, :3]).all() and not pink(car.pixels[: top - 2, :, :3]).any()
