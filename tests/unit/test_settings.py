from __future__ import annotations

from pathlib import Path

import pytest

from infra.settings import load
from schemas.errors import ConfigError


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


@pytest.mark.parametrize("line", ["colour = 1", 'crf = "much"', "crf = 99", 'quality = "best"', 'preset = "warp"'])
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
