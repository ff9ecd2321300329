"""Plates in pictures: crops read whole, found ones by their corners, what can't be read, the command line."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from operators.plates import WEIGHTS, PlateReader
from schemas.errors import SourceError
from schemas.regions import Detections, boxes
from streams import plate_pictures
from streams.cli import plates as verb
from streams.plate_pictures import load_picture, read_picture
from tests.support.plates import drawn

pytestmark = pytest.mark.skipif(not WEIGHTS.is_file(), reason="the plate reader isn't trained yet")
QUAD = np.array([[300, 200], [480, 230], [475, 280], [298, 245]], np.float32)


class Finder:
    """A detector that finds one plate where it was told, at the sides it was told; counts its calls."""

    def __init__(self, corners: np.ndarray, sides: tuple[int, ...] = (640, 1280), width: int = 800) -> None:
        self.corners, self.sides, self.width, self.asked = corners, sides, width, []

    def detect(self, picture: np.ndarray) -> Detections:
        self.asked.append(picture.shape[1])
        if picture.shape[1] not in self.sides:
            return Detections.none("plate")
        scaled = self.corners * picture.shape[1] / self.width
        around = [[*np.nanmin(scaled, 0), *np.nanmax(scaled, 0)]]
        return Detections("plate", boxes(around), np.array([0.8], np.float32), scaled[None].astype(np.float32))


def _street(text: str = "KL44MMN") -> np.ndarray:
    street = np.full((600, 800, 3), 90, np.uint8)
    flat = np.array([[0, 0], [240, 0], [240, 60], [0, 60]], np.float32)
    matrix = cv2.getPerspectiveTransform(flat, QUAD)
    return cv2.warpPerspective(drawn(text), matrix, (800, 600), street, cv2.INTER_AREA, cv2.BORDER_TRANSPARENT)


def _written(path: Path, picture: np.ndarray) -> Path:
    path.write_bytes(cv2.imencode(path.suffix, picture[:, :, ::-1])[1].tobytes())
    return path


@pytest.fixture(scope="module")
def reader() -> PlateReader:
    return PlateReader(WEIGHTS)


def test_found_plate_is_read_by_its_corners_in_the_pictures_own_pixels(reader):
    [found] = read_picture(_street(), reader, Finder(QUAD))
    assert found.reading.text == "KL44MMN" and found.score == pytest.approx(0.8)
    assert np.array(found.corners) == pytest.approx(QUAD, abs=0.1)
    assert found.box == pytest.approx((298, 200, 480, 280), abs=0.1)


def test_picture_is_searched_larger_where_nothing_is_found_small(reader):
    finder = Finder(QUAD, sides=(800,))
    [found] = read_picture(_street(), reader, finder)
    assert finder.asked == [640, 800] and found.reading.text == "KL44MMN"


@pytest.mark.parametrize("corners", [np.full((4, 2), np.nan, np.float32), QUAD[[0, 2, 1, 3]]])
def test_found_plate_without_usable_corners_is_read_by_its_box(reader, corners):
    class Boxed(Finder):
        def detect(self, picture):
            said = super().detect(picture)
            return Detections("plate", said.boxes, said.scores, corners[None] * picture.shape[1] / 800)

    [found] = read_picture(_street(), reader, Boxed(QUAD))
    assert found.box == pytest.approx((298, 200, 480, 280), abs=0.1) and found.reading.text


@pytest.mark.parametrize("detector", [None, Finder(QUAD, sides=())])
def test_crop_of_a_plate_is_read_whole_and_a_street_is_not(reader, detector):
    [found] = read_picture(drawn("KL44MMN"), reader, detector)
    assert (found.reading.text, found.box, found.corners, found.score) == ("KL44MMN", (0, 0, 240, 60), (), None)
    assert read_picture(_street(), reader, detector) == []


@pytest.mark.parametrize(
    ("data", "said"), [(b"", "not a picture"), (b"no picture", "not a picture"), (None, "can't be read")]
)
def test_file_that_is_no_picture_is_named(tmp_path, data, said):
    path = tmp_path / "a.jpg"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(SourceError, match=said):
        load_picture(path)


def test_picture_too_large_or_too_small_is_refused(tmp_path, monkeypatch):
    with pytest.raises(SourceError, match="less than"):
        load_picture(_written(tmp_path / "b.png", np.zeros((4, 40, 3), np.uint8)))
    path = _written(tmp_path / "a.png", drawn("KL44MMN"))
    monkeypatch.setattr(plate_pictures, "MAX_SIDE", 200)
    with pytest.raises(SourceError, match="200 pixels"):
        load_picture(path)
    monkeypatch.setattr(plate_pictures, "MAX_BYTES", 0)
    with pytest.raises(SourceError, match="MiB"):
        load_picture(path)


def test_verb_prints_a_line_a_plate_names_what_failed_and_reads_the_others(tmp_path, capfd):
    crop, bad = _written(tmp_path / "crop.png", drawn("HX8352")), tmp_path / "bad[red].jpg"
    other = _written(tmp_path / "other.png", drawn("KL44MMN"))
    bad.write_bytes(b"no picture")
    result = CliRunner().invoke(verb.app, ["read", str(bad), str(crop), str(other), "--json"])
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 1 and [one["text"] for one in lines] == ["HX8352", "KL44MMN"]
    assert set(lines[0]) == {"file", "text", "confidence", "characters", "box", "corners", "score"}
    assert lines[0]["file"] == str(crop) and len(lines[0]["box"]) == 4 and len(lines[0]["characters"]) == 6


def test_verb_without_pictures_is_wrong_use_and_help_teaches():
    assert CliRunner().invoke(verb.app, ["read"]).exit_code == 2
    said = " ".join(CliRunner().invoke(verb.app, ["read", "--help"]).stdout.split())
    assert all(word in said for word in ("corners", "Exit code", "--json", "read whole"))
