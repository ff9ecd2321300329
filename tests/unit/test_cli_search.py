"""Which forensic service the verbs ask: by address, by authority, by what an authority gets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from schemas.errors import UsageError
from streams.cli.search import DEFAULT_URL, _address, _named

PORTS = {"broker": 1, "forensic-city-faces": 8445, "forensic-road-plates": 8447}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "ports.json").write_text(json.dumps(PORTS))
    (tmp_path / "sealframe.toml").write_text('[authorities]\ncity-faces = ["face"]\nroad-plates = ["plate"]\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("authority", "kind", "port"), [
    (None, "face", 8445), (None, "plate", 8447), ("road-plates", "face", 8447),
    ("city-faces", "plate", 8445), (None, "head", 8445),
])
def test_search_asks_the_service_that_gets_the_kind(home: Path, authority: str | None, kind: str | None, port: int
                                                    ) -> None:
    assert _address(home, authority, kind) == f"https://localhost:{port}"


def test_log_of_one_of_several_services_wants_its_name(home: Path) -> None:
    with pytest.raises(UsageError, match=r"--authority city-faces \| road-plates"):
        _address(home, None, None)
    assert _address(home, "road-plates", None) == "https://localhost:8447"
    (home / "ports.json").write_text(json.dumps({"forensic-city-faces": 8445}))
    assert _address(home, None, None) == "https://localhost:8445"


def test_search_of_an_unknown_authority_is_wrong_use(home: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="city-faces, road-plates"):
        _address(home, "nobody", None)
    assert _address(tmp_path / "elsewhere", None, "plate") == DEFAULT_URL


@pytest.mark.parametrize(("asked", "read", "text"), [("O", "0", "3: 0 for O"), ("D", "", "3: D missing"),
                                                     ("", "E", "3: E added")])
def test_difference_is_said_in_words(asked: str, read: str, text: str) -> None:
    assert _named({"at": 3, "asked": asked, "read": read}) == text
