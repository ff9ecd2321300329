"""The embedded stack: what the services that it starts know."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import typer

from infra import tls
from infra.recipients import recipient_text
from infra.settings import load
from schemas.errors import ConfigError, ServiceUnavailable
from streams.cli.stack import doctor
from streams.services import Service
from streams.stack import Stack


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


def test_doctor_fails_where_a_disk_is_full(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """That of `home`, wherever one stands: no file system under `/proc` has room."""
    with pytest.raises(typer.Exit):
        doctor(Path("/proc/sys/sealframe/home"), as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert said["disk"] == "missing: under 2 GiB free" and said["ok"] is False


def test_broker_that_the_settings_name_is_the_one_that_is_used(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    tls.create_ca(folder)
    tls.issue(folder, "admin")
    stack = Stack(load(home=tmp_path, bootstrap="kafka-1:9093,kafka-2:9093"))
    assert stack.access("admin").bootstrap == "kafka-1:9093,kafka-2:9093"
    with pytest.raises(ServiceUnavailable, match="never started"):
        Stack(load(home=tmp_path)).access("admin")


def test_up_beside_another_broker_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="kafka-1:9093"):
        Stack(load(home=tmp_path / "home", bootstrap="kafka-1:9093")).up()
    assert not (tmp_path / "home").exists()


def test_recipient_of_the_pipeline_needs_no_private_key(tmp_path: Path) -> None:
    stack = Stack(load(home=tmp_path))
    with pytest.raises(ConfigError, match="recipient"):
        stack.pipeline_recipient()
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "recipient").write_text(recipient_text(b"p" * 32) + "\n")
    assert stack.pipeline_recipient() == b"p" * 32
