"""The clips of `bench faces`: panels side by side, people in as many of them as asked for."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from schemas.regions import Detections, boxes
from streams.demo.pictures import Person, Photograph
from streams.evaluate import bench_faces
from tests.support.pictures import ASTRONAUT_FACE, astronaut


def at_the_face(_: np.ndarray) -> Detections:
    return Detections("face", boxes([ASTRONAUT_FACE]), np.ones(1, np.float32), np.zeros((1, 5, 2), np.float32))


def test_film_has_people_in_so_many_panels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = tmp_path / "face.png"
    cv2.imwrite(str(picture), astronaut()[:, :, ::-1])
    monkeypatch.setattr(bench_faces, "SECONDS", 4.0)
    monkeypatch.setattr(bench_faces, "COLUMNS", 2)
    monkeypatch.setattr(bench_faces, "ROWS", 1)
    monkeypatch.setattr(bench_faces, "detector", lambda: type("Detector", (), {"detect": staticmethod(at_the_face)}))
    people = [Person("one", (Photograph(picture),))]
    one, nobody = (pictures(bench_faces.film(people, tmp_path, panels, 1)) for panels in (1, 0))
    assert one.shape == nobody.shape == (100, 240, 640)
    apart = abs(one - nobody).max(0)
    assert apart[:, :320].mean() > 20 and apart[:, 336:].mean() < 5


def pictures(path: Path) -> np.ndarray:
    with av.open(str(path)) as clip:
        return np.stack([frame.to_ndarray(format="gray").astype(np.int16) for frame in clip.decode(video=0)])
