"""`sealframe camera`: verbs that need no running broker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra import tls
from streams.cli.camera import app


def test_rotate_gives_new_keys_under_the_same_names(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    tls.create_ca(folder)
    old, signer = tls.issue(folder, "camera-gate"), tls.issue_signer(folder, "camera-gate")
    before = [path.read_bytes() for path in (old.cert, old.key, signer.cert, signer.key)]
    result = CliRunner().invoke(app, ["rotate", "gate", "--home", str(tmp_path)])
    assert result.exit_code == 0, result.output
    after = [path.read_bytes() for path in (old.cert, old.key, signer.cert, signer.key)]
    assert all(a != b for a, b in zip(before, after, strict=True))
    assert tls.signer_identity(tls.load_signer(folder, "camera-gate").certificate_der(), folder / "ca.pem")[0] == (
        "camera-gate"
    )


def test_home_is_the_setting_where_no_option_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls.create_ca(tmp_path / "set" / "tls")
    tls.issue(tmp_path / "set" / "tls", "camera-gate")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEALFRAME_HOME", "set")
    result = CliRunner().invoke(app, ["list", "--json"])
    assert json.loads(result.stdout) == ["gate"]
    assert json.loads(CliRunner().invoke(app, ["list", "--json", "--home", "other"]).stdout) == []


def test_rotate_of_an_unknown_camera_is_refused(tmp_path: Path) -> None:
    tls.create_ca(tmp_path / "tls")
    assert CliRunner().invoke(app, ["rotate", "nobody", "--home", str(tmp_path)]).exit_code != 0
