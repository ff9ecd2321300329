from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from operators.fragment import fragment, init_segment
from schemas.errors import UsageError
from schemas.frames import Planes, VideoFormat
from schemas.regions import Detections, boxes
from streams.evaluate import methods
from tests.support.scenes import FORMAT, chunk, crossing


class Patch:
    """Finds one face in the same place in every frame, or none."""

    def __init__(self, faces: int) -> None:
        self._faces = faces

    def detect_planes(self, planes: Planes, video: VideoFormat, size: int = 640) -> Detections:
        found = boxes([(400, 250, 640, 500)] * self._faces)
        marks = np.full((self._faces, 5, 2), np.nan, np.float32)
        return Detections("face", found, np.full(self._faces, 0.9, np.float32), marks)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("methods") / "clip.mp4"
    one = chunk(crossing(), 0)
    path.write_bytes(init_segment(FORMAT) + fragment(one.units, one.end_pts, 1, one.format, one.pts[0]))
    return path


def test_ssim_is_one_for_the_same_picture_and_falls_with_noise() -> None:
    noise = np.random.default_rng(1)
    picture = noise.integers(60, 200, (64, 96)).astype(np.uint8)
    rough = np.clip(picture + noise.normal(0, 40, picture.shape), 0, 255).astype(np.uint8)
    assert methods.ssim(picture, picture) == pytest.approx(1, abs=1e-4)
    assert methods.ssim(picture, rough) < 0.9


def test_ssim_of_two_flat_pictures_is_the_luminance_term() -> None:
    a, b = np.full((32, 32), 100, np.uint8), np.full((32, 32), 50, np.uint8)
    c1 = (0.01 * 255) ** 2
    assert methods.ssim(a, b) == pytest.approx((2 * 5000 + c1) / (12500 + c1), abs=1e-3)


def test_eval_methods_measures_each_and_shows_each_on_its_page(clip: Path, tmp_path: Path) -> None:
    figures, measured = methods.evaluate(clip, tmp_path, 25, Patch(1), ("veil", "scale8"))
    found = {figure.id: figure for figure in figures}
    assert found["ssim_scale8"].value > found["ssim_veil"].value > 0.5
    assert found["fps_veil"].n == 25 and found["fps_veil"].value > 25
    methods.page(tmp_path / "page.html", measured, "Methods <1>")
    text = (tmp_path / "page.html").read_text()
    assert text.count("data:image/png;base64,iVBOR") == 3 and "Methods &lt;1&gt;" in text


def test_eval_methods_without_a_face_says_so(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no face"):
        methods.evaluate(clip, tmp_path, 25, Patch(0), ("veil",))
