"""The plate leak suite: its figures, and one short road whose plates are found or not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from operators.desensitise.policy import Policy
from operators.detect import Finder
from schemas.errors import ConfigError
from schemas.frames import Planes, VideoFormat
from schemas.regions import Detections
from streams.evaluate import plate_leak
from streams.evaluate.leak import Leaks
from tests.support.plates import drawn


class Everything:
    """Finds one plate as large as the picture."""

    def detect_planes(self, planes: Planes, video: VideoFormat, size: int = 640) -> Detections:
        box = np.array([[0, 0, video.width, video.height]], np.float32)
        return Detections("plate", box, np.ones(1, np.float32), np.empty((1, 0, 2), np.float32))


class Nothing:
    """Finds no plate."""

    def detect_planes(self, planes: Planes, video: VideoFormat, size: int = 640) -> Detections:
        return Detections.none("plate")


@pytest.mark.parametrize(("finder", "rate"), [(Everything(), 0.0), (Nothing(), 1.0)])
def test_leak_rate_of_a_road(finder: Finder, rate: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plate_leak, "load", lambda: None)
    monkeypatch.setattr(plate_leak, "_draw", lambda glyphs, rng: (drawn("AB12CDE"), "AB12CDE"))
    monkeypatch.setattr(plate_leak, "SECONDS", 4.0)
    found = {one.id: one for one in plate_leak.evaluate(tmp_path, 1, finder, Policy({}))}
    assert found["plate_leak_rate"].n > 50 and found["plate_leak_rate"].value == rate
    assert found["plate_leak_rate"].holds is (rate == 0) and found["masked_share"].value == 1 - rate
    assert not list(tmp_path.iterdir())


def test_figures_of_plates_without_fonts_say_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ConfigError("fonts are missing")

    monkeypatch.setattr(plate_leak, "load", missing)
    with pytest.raises(ConfigError, match="fonts"):
        plate_leak.evaluate(tmp_path, 1, Nothing(), Policy({}))


def test_figures_count_plate_frames_and_passages() -> None:
    total = Leaks(faces=1000, leaking=3, bare=1, runs=10, leaking_runs=2)
    found = {one.id: one for one in plate_leak.figures(total, 0.25)}
    assert found["plate_leak_rate"].value == 0.003 and found["plate_leak_rate"].holds is False
    assert found["plate_bare_rate"].value == 0.001 and found["leaking_passages"].value == 0.2
