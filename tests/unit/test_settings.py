from __future__ import annotations

from pathlib import Path

import pytest

from infra.settings import load
from operators.routes import Grading, Route, When
from schemas.errors import ConfigError
from streams.setup import stream_policy


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_load_without_a_file_gives_the_defaults() -> None:
    settings = load()
    assert settings.authorities == {"city-faces": ("face",)} and settings.tls_folder == Path(".sealframe/tls")


def test_load_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sealframe.toml").write_text('crf = 30\nstride = 3\nauthorities = { a = ["face"], b = ["plate"] }\n')
    monkeypatch.setenv("SEALFRAME_CRF", "18")
    settings = load()
    assert (settings.crf, settings.stride, set(settings.authorities)) == (18, 3, {"a", "b"})


def test_load_override_of_none_leaves_what_the_file_says(tmp_path: Path) -> None:
    (tmp_path / "sealframe.toml").write_text('home = "elsewhere"\n')
    assert load(home=None).home == Path("elsewhere") and load(home=tmp_path).home == tmp_path


@pytest.mark.parametrize("line", [
    "colour = 1", 'crf = "much"', "crf = 99", 'quality = "best"', 'preset = "warp"', "chunk_ms = 99", "partitions = 0",
    "replicas = 0", "operator_port = 8443",
])
def test_load_unknown_or_wrong_stops_with_its_name(tmp_path: Path, line: str) -> None:
    (tmp_path / "sealframe.toml").write_text(line + "\n")
    with pytest.raises(ConfigError, match=line.split()[0]):
        load()


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().crf = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value"),
    [("SEALFRAME_COLOUR", "1"), ("SEALFRAME_METHODS", "{face: blur}"), ("SEALFRAME_CRF", "x")],
)
def test_load_unknown_or_wrong_variable_stops_with_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=name.removeprefix("SEALFRAME_").lower() + "|" + name):
        load()


def test_load_broken_file_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "sealframe.toml").write_text("crf = = 1")
    with pytest.raises(ConfigError, match="TOML"):
        load()


def test_routes_and_gradings_become_policy(tmp_path: Path) -> None:
    (tmp_path / "sealframe.toml").write_text(
        'authorities = { a = ["face"], b = ["face", "plate"] }\n'
        '[[routes]]\nauthority = "a"\nkinds = ["face"]\nlevel = "high"\n'
        '[[routes]]\nauthority = "b"\nkinds = ["plate"]\nat_least = 2\ncameras = ["road-*"]\n'
        '[[gradings]]\nlevel = "high"\nkinds = ["face"]\ncameras = ["school-*"]\n'
    )
    policy = stream_policy(load())
    assert policy.routes == (
        Route("a", When(("face",)), "high"), Route("b", When(("plate",), ("road-*",), at_least=2)),
    )
    assert policy.gradings == (Grading("high", When(("face",), ("school-*",))),)


@pytest.mark.parametrize(
    "text",
    ['[[routes]]\nauthority = "nobody"\nkinds = ["face"]\n',
     '[[routes]]\nauthority = "city-faces"\nkinds = ["face"]\nat_least = 3\nat_most = 2\n',
     '[[routes]]\nauthority = "city-faces"\nkinds = []\n',
     '[[routes]]\nauthority = "city-faces"\nkinds = ["face"]\ncolour = "red"\n'],
)
def test_routes_that_cant_be_stop_the_start(tmp_path: Path, text: str) -> None:
    (tmp_path / "sealframe.toml").write_text(text)
    with pytest.raises(ConfigError):
        stream_policy(load())


@pytest.mark.parametrize("text", [
    'authorities = { a = ["faces"] }\n', '[[gradings]]\nlevel = "high"\nkinds = ["faces"]\n',
    '[[routes]]\nauthority = "city-faces"\nkinds = ["faces"]\n',
])
def test_kind_that_nobody_knows_stops_the_start(tmp_path: Path, text: str) -> None:
    """Misspelt in a grading, it would send evidence to an authority that isn't to have it."""
    (tmp_path / "sealframe.toml").write_text(text)
    with pytest.raises(ConfigError, match="'face' or 'plate'"):
        load()


@pytest.mark.parametrize(("content", "words"), [
    (b'home = "\xe9"\n', "UTF-8"), (b'\xef\xbb\xbfhome = "x"\n', "byte order mark"), (None, "isn't a file"),
])
def test_settings_that_cant_be_read_say_why(tmp_path: Path, content: bytes | None, words: str) -> None:
    if content is None:
        (tmp_path / "sealframe.toml").mkdir()
    else:
        (tmp_path / "sealframe.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        load()


def test_sites_become_policy_with_what_they_say_alone(tmp_path: Path) -> None:
    (tmp_path / "sealframe.toml").write_text(
        '[[sites]]\ncameras = ["gate-*"]\nzones = [[0, 0, 0.25, 0.5]]\nwhole_heads = true\nsmallest = 12\n'
    )
    policy = stream_policy(load()).at("gate-3")
    assert policy.zones == ((0, 0, 0.25, 0.5),) and policy.whole_heads and policy.smallest == 12
    assert policy.padding == load().padding and not stream_policy(load()).at("hall-1").zones


@pytest.mark.parametrize("line", [
    "zones = [[0, 0, 2, 1]]", "padding = 9", 'colour = "x"', "kinds = []", 'kinds = ["plate"]', "smallest = inf",
    "smallest = nan", "smallest = 1e9", "stride = 1000000", "stride = 0", "padding = -1", "padding = nan",
])
def test_sites_that_cant_be_stop_the_start(tmp_path: Path, line: str) -> None:
    (tmp_path / "sealframe.toml").write_text(f'[[sites]]\ncameras = ["*"]\n{line}\n')
    with pytest.raises(ConfigError):
        stream_policy(load())
