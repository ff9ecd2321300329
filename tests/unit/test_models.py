"""Where models come from: checked sums, conversion once, repair, and the verbs."""

from __future__ import annotations

import json
import shutil
import struct

import pytest
from typer.testing import CliRunner

from infra import models
from infra.models import Model, catalogue, centerface, install, model, resolve, source
from operators.training.dlib_to_onnx import convert, read_net
from schemas.errors import ConfigError, UsageError
from streams.cli.models import app

CONVERTERS = {"dlib": convert}


@pytest.fixture(scope="module")
def dlib_bytes() -> bytes:
    return source(model("face-embedder")).read_bytes()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("models")
    install("face-embedder", place, CONVERTERS)
    return place


def test_catalogue_names_terms_and_sums_of_every_model():
    assert set(catalogue()) >= {"centerface", "face-embedder"}
    for entry in catalogue().values():
        assert len(entry.sha256) == 64
        assert entry.licence and entry.training_data and entry.purpose


@pytest.mark.parametrize("text", ["[a]\npurpose = 1", "[a", "[a]\nunknown = 'x'", "a = 1"])
def test_catalogue_with_a_wrong_entry_raises(tmp_path, text):
    table = tmp_path / "models.toml"
    table.write_text(text)
    with pytest.raises(ConfigError, match="models.toml"):
        catalogue(table)


def test_catalogue_with_a_conversion_but_no_sum_raises(tmp_path):
    text = models.CATALOGUE.read_text().replace("converted = ", "# ")
    (tmp_path / "models.toml").write_text(text)
    with pytest.raises(ConfigError, match="conversion and converted"):
        catalogue(tmp_path / "models.toml")


def test_centerface_needs_no_set_up():
    assert centerface().name == "centerface.onnx"


def test_model_of_unknown_name_raises():
    with pytest.raises(UsageError, match="centerface"):
        model("no-such-model")


def test_source_of_another_sum_raises():
    entry = model("centerface")
    changed = Model(**{f: getattr(entry, f) for f in ("name", "purpose", "package", "path", "licence",
                                                       "training_data")}, sha256="0" * 64)
    with pytest.raises(ConfigError, match="SHA-256"):
        source(changed)


def test_source_of_a_missing_package_says_how_to_install_it():
    entry = Model("m", "p", "no_such_package_here", "f", "0" * 64, "l", "t", extra="server")
    with pytest.raises(ConfigError, match=r"sealframe\[server\]"):
        source(entry)


def test_resolve_before_set_up_says_what_to_run(tmp_path):
    with pytest.raises(ConfigError, match="models setup"):
        resolve("face-embedder", tmp_path)


def test_install_twice_keeps_the_file(folder):
    path = resolve("face-embedder", folder)
    before = path.stat().st_mtime_ns
    assert install("face-embedder", folder, {}) == path
    assert path.stat().st_mtime_ns == before
    assert [p.name for p in folder.iterdir()] == ["face-embedder.onnx"]


def test_install_damaged_file_is_refused_then_made_again(folder, tmp_path):
    copy = tmp_path / "face-embedder.onnx"
    shutil.copy(folder / copy.name, copy)
    with copy.open("r+b") as file:
        file.seek(1000)
        file.write(b"\x00\x01\x02")
    with pytest.raises(ConfigError, match="SHA-256"):
        resolve("face-embedder", tmp_path)
    install("face-embedder", tmp_path, CONVERTERS)
    assert resolve("face-embedder", tmp_path) == copy


def test_install_conversion_with_another_result_writes_nothing(tmp_path):
    with pytest.raises(ConfigError, match="another file"):
        install("face-embedder", tmp_path, {"dlib": lambda data: data})
    assert list(tmp_path.iterdir()) == []


def test_install_without_converter_raises(tmp_path):
    with pytest.raises(ConfigError, match="converter"):
        install("face-embedder", tmp_path, {})


def test_read_net_finds_the_layers_and_the_end(dlib_bytes):
    net = read_net(dlib_bytes)
    names = [layer.name for layer in net.layers]
    assert len(names) == 130
    assert [names.count(n) for n in ("con_4", "affine_", "add_prev_", "tag", "fc_2")] == [29, 29, 14, 22, 1]
    assert net.mean == pytest.approx((122.782, 117.001, 104.298))
    weights = sum(layer.weights.nbytes for layer in net.layers)
    assert 0 < len(dlib_bytes) - weights < 10_000


@pytest.mark.parametrize("damage", [
    lambda data: data[:-1],
    lambda data: data[: len(data) // 2],
    lambda data: data + b"\x00",
    lambda data: b"",
    lambda data: b"no network at all",
    lambda data: data.replace(b"con_4", b"con_9", 1),
    lambda data: data.replace(b"\x01\x15input_rgb", b"\x01\x15input_bgr", 1),
    lambda data: struct.pack("<I", 77) + data,
])
def test_read_net_damaged_file_raises(dlib_bytes, damage):
    with pytest.raises(ConfigError):
        read_net(damage(dlib_bytes))


def test_models_setup_then_list_says_ready(tmp_path):
    runner = CliRunner()
    done = runner.invoke(app, ["setup", "--folder", str(tmp_path), "--json"])
    assert done.exit_code == 0
    said = json.loads(done.stdout)
    assert set(said["models"]) | set(said["left_out"]) == set(catalogue())
    assert all(model(name).optional for name in said["left_out"])
    listed = json.loads(runner.invoke(app, ["list", "--folder", str(tmp_path), "--json"]).stdout)
    states = {entry["name"]: entry["state"] for entry in listed["models"]}
    assert {states[name] for name in said["models"]} == {"ready"}
    assert all("sealframe[mtcnn]" in states[name] for name in said["left_out"])


def test_models_list_before_set_up_says_what_to_run(tmp_path):
    listed = json.loads(CliRunner().invoke(app, ["list", "--folder", str(tmp_path), "--json"]).stdout)
    states = {entry["name"]: entry["state"] for entry in listed["models"]}
    assert states["centerface"] == "ready"
    assert "models setup" in states["face-embedder"]
