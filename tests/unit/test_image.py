"""The container files: what the image is built from, and the file that brings broker and databases."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from infra.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "infra" / "compose.yaml"


def test_image_is_built_from_named_things_alone() -> None:
    """A home in the working folder holds the CA's key: nothing gets into a layer because nobody thought of it."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert lines[0] == "*"
    let_in = {line[1:] for line in lines if line[0] == "!"}
    assert let_in == {"schemas", "operators", "infra", "streams", "pyproject.toml", "requirements.lock", "README.md",
                      "LICENSE"}
    assert all((ROOT / name).exists() for name in let_in)


def test_compose_file_brings_a_broker_and_a_database_a_platform() -> None:
    yaml = pytest.importorskip("yaml")
    found = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    assert set(found["services"]) == {"kafka", "operator-db", "authority-db"}
    named = {one if isinstance(one, str) else one["source"]
             for service in found["services"].values() for one in service["secrets"]}
    assert named == set(found["secrets"])


def test_compose_file_names_settings_that_exist() -> None:
    text = COMPOSE.read_text(encoding="utf-8")
    header = " ".join(line.lstrip("# ") for line in text.splitlines() if line.startswith("#"))
    listed = re.search("settings (.*?): `sealframe topics", header)
    assert listed is not None
    names = set(re.findall(r"`(\w+)`", listed[1])) | {name.lower() for name in re.findall(PREFIX + r"(\w+)", text)}
    assert names == {"bootstrap", "tls"} <= set(Settings.model_fields)
