"""The embedded stack: what the services that it starts know."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from infra.settings import load
from streams.stack import Service, Stack


def test_service_reads_the_settings_of_the_folder_that_it_was_started_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is masked stands there: a worker that doesn't see it would mask less than was said."""
    (tmp_path / "sealframe.toml").write_text('face_detector = "centerface"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    stack = Stack(load(home=tmp_path / "home"))
    stack.log("probe").parent.mkdir(parents=True)
    stack.start(Service("probe", ("doctor", "--json", "--home", str(tmp_path / "home"))))
    deadline = time.monotonic() + 60
    while not (said := stack.log("probe").read_text()).endswith("\n") and time.monotonic() < deadline:
        time.sleep(0.1)
    assert json.loads(said)["face_detector"] == "centerface"
