"""Models of the user's own: put in, listed, used by name, refused when they changed, removed."""

from __future__ import annotations

import hashlib
import json

import av
import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from infra.added import add as put
from infra.added import added, load, remove
from infra.models import MTCNN_PARTS
from infra.settings import load as settings
from operators.detect import picture_of
from schemas.errors import ConfigError, UsageError
from streams.cli.anonymize import anonymize
from streams.cli.models import app
from streams.cli.stack import up
from streams.setup import finder, named_detector
from tests.support.networks import RED, red_cell, scrfd, yolov5_face, yunet
from tests.support.pictures import planes_of

FILES = {"yunet": yunet(), "scrfd": scrfd(), "yolov5-face": yolov5_face()}


def run(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "My_Net.onnx"
    path.write_bytes(FILES["yunet"])
    return path


@pytest.fixture
def folder(tmp_path, file):
    place = tmp_path / "state"
    done = run("add", file, "--kind", "face-detector", "--reads", "yunet", "--name", "mine", "--score", 0.8,
               "--folder", place)  # fmt: skip
    assert done.exit_code == 0, done.output
    return place


@pytest.mark.parametrize(("reads", "size"), [("yunet", None), ("scrfd", None), ("yolov5-face", (320, 320))])
def test_add_copies_checks_and_records(tmp_path, reads, size):
    path, place = tmp_path / "Net.v1.onnx", tmp_path / "state"
    path.write_bytes(FILES[reads])
    done = run("add", path, "--kind", "face-detector", "--reads", reads, "--folder", place, "--json")
    assert done.exit_code == 0, done.output
    entry = added(place)["net.v1"]
    assert (entry.reads, entry.size, entry.score, entry.kind) == (reads, size, 0.5, "face-detector")
    assert entry.sha256 == hashlib.sha256(FILES[reads]).hexdigest() == json.loads(done.stdout)["sha256"]
    path.unlink()
    assert load(place, entry) == FILES[reads]
    found = named_detector("net.v1", 0.3, place).detect(red_cell(180, 250, 2, 3))
    np.testing.assert_allclose(found.boxes, [[96, 56, 128, 104]], atol=1e-3)


def test_list_shows_added_models_beside_those_of_the_release(folder):
    listed = {one["name"]: one for one in json.loads(run("list", "--folder", folder, "--json").stdout)["models"]}
    assert listed["mine"]["state"] == "ready" and "yunet" in listed["mine"]["purpose"]
    assert "centerface" in listed
    assert run("list", "--folder", folder).exit_code == 0


def test_finder_takes_an_added_detector_by_name_and_its_score_starts_tracks(folder):
    planes, video = planes_of(red_cell(192, 256, 2, 3))
    (found,) = finder(["face"], "mine", folder).detect_planes(planes, video)
    np.testing.assert_allclose(found.boxes, [[96, 56, 128, 104]], atol=1e-3)
    raw = named_detector("mine", 0.1, folder).detect(picture_of(planes, video)[0]).scores[0]
    assert raw == pytest.approx(0.9, abs=0.05)
    assert found.scores[0] == pytest.approx(0.5 + (raw - 0.8) / 0.4, abs=1e-4)


def test_file_that_changed_later_is_refused_and_named(folder):
    path = folder / "added" / "mine.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(ConfigError, match="SHA-256"):
        finder(["face"], "mine", folder)
    listed = {one["name"]: one for one in json.loads(run("list", "--folder", folder, "--json").stdout)["models"]}
    assert "changed" in listed["mine"]["state"]
    path.unlink()
    with pytest.raises(ConfigError, match="missing"):
        finder(["face"], "mine", folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": "mine"}', '{"size": 3}', "{"])
def test_record_that_is_none_raises(folder, text):
    (folder / "added" / "mine.json").write_text(text)
    with pytest.raises(ConfigError, match="record"):
        added(folder)
    assert named_detector("centerface", 0.5, folder)


def test_record_of_another_name_or_score_raises(folder):
    path = folder / "added" / "mine.json"
    values = json.loads(path.read_text())
    for change in ({"name": "other"}, {"score": 0}, {"score": 2}, {"size": [1]}):
        path.write_text(json.dumps(values | change))
        with pytest.raises(ConfigError, match="record"):
            added(folder)


def test_remove_then_add_again(folder, file):
    assert run("remove", "mine", "--folder", folder).exit_code == 0
    assert added(folder) == {} and list((folder / "added").iterdir()) == []
    with pytest.raises(UsageError, match="no face detector 'mine'.*pyramid-face"):
        finder(["face"], "mine", folder)
    put(folder, file, name="mine", kind="face-detector", reads="yunet", score=0.5, check=lambda data: None)
    for name in ("other", "../mine", "centerface"):
        with pytest.raises(UsageError, match="mine"):
            remove(folder, name)


@pytest.mark.parametrize(("words", "error", "says"), [
    (("--kind", "face-embedder", "--reads", "yunet"), UsageError, "only kind"),
    (("--kind", "face-detector", "--reads", "retinaface"), UsageError, "scrfd"),
    (("--kind", "face-detector", "--reads", "scrfd"), ConfigError,
     "12 outputs, an export of scrfd has 9; --reads yunet fits"),
    (("--kind", "face-detector", "--reads", "yunet", "--name", "mine"), UsageError, "already"),
    (("--kind", "face-detector", "--reads", "yunet", "--name", "centerface"), UsageError, "already"),
    (("--kind", "face-detector", "--reads", "yunet", "--name", "mtcnn"), UsageError, "already"),
    (("--kind", "face-detector", "--reads", "yunet", "--name", "../up"), UsageError, "--name"),
    (("--kind", "face-detector", "--reads", "yunet", "--name", "a", "--score", "1"), UsageError, "between"),
])
def test_add_what_does_not_fit_says_why_and_leaves_nothing(folder, file, words, error, says):
    before = sorted((folder / "added").iterdir())
    done = run("add", file, *words, "--folder", folder)
    assert isinstance(done.exception, error) and says in str(done.exception)
    assert sorted((folder / "added").iterdir()) == before


def test_detector_named_by_its_file_says_how_it_is_put_in(folder, file):
    with pytest.raises(UsageError, match="mine; a file is put in by `sealframe models add` first"):
        named_detector(str(file), folder=folder)


def test_add_missing_file_or_folder_that_cannot_be_says_so(tmp_path, file):
    words = ("--kind", "face-detector", "--reads", "yunet", "--folder")
    assert isinstance(run("add", tmp_path / "none.onnx", *words, tmp_path).exception, UsageError)
    (tmp_path / "taken").write_text("")
    assert isinstance(run("add", file, *words, tmp_path / "taken").exception, ConfigError)


def test_mtcnn_before_set_up_says_what_to_do(tmp_path):
    with pytest.raises(ConfigError, match=r"models setup|sealframe\[mtcnn\]"):
        named_detector("mtcnn", folder=tmp_path)


def test_mtcnn_is_left_out_or_ready(tmp_path):
    said = json.loads(run("setup", "--folder", tmp_path, "--json").stdout)
    assert set(said["left_out"]) in (set(), set(MTCNN_PARTS))
    assert all(extra == "mtcnn" for extra in said["left_out"].values())


def test_settings_name_any_detector(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert settings().face_detector == "pyramid-face"
    (tmp_path / "sealframe.toml").write_text('face_detector = "mine"\n')
    assert settings().face_detector == "mine"


def test_up_with_a_detector_that_is_not_there_stops_before_anything_starts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEALFRAME_FACE_DETECTOR", "nobody")
    with pytest.raises(UsageError, match="nobody"):
        up(tmp_path / "home")
    assert not (tmp_path / "home").exists()


def test_anonymize_with_an_added_detector_hides_what_it_finds(tmp_path, file, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("add", file, "--kind", "face-detector", "--reads", "yunet", "--name", "mine").exit_code == 0
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    rough = np.random.default_rng(2).integers(40, 140, (12, 16, 1), np.uint8)
    scene = np.repeat(cv2.resize(rough, (256, 192))[..., None], 3, 2)
    for number in range(10):
        picture = scene.copy()
        picture[64:96, 96:128] = RED
        cv2.imwrite(str(pictures / f"{number:03}.png"), picture[:, :, ::-1])
    anonymize(str(pictures), tmp_path / "out.mp4", method="solid", faces="mine", recipient="", evidence=None)
    with av.open(str(tmp_path / "out.mp4")) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert len(frames) == 10
    for frame in frames:
        inside = frame[66:94, 98:126].reshape(-1, 3).astype(int)
        assert (inside[:, 0] - inside[:, 1]).max() < 60
        assert np.abs(frame[150:, :60].astype(int) - scene[150:, :60]).mean() < 8
