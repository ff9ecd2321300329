"""How a database is named: what is no libpq string is refused, and no half of a password is quoted."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra.postgres import DatabaseAccess, connect
from schemas.errors import ConfigError, ServiceUnavailable
from streams.cli.database import app


@pytest.mark.parametrize("name", [
    "gfdgfd", "passwrd=hunter2 host=h", "password=the hunter2 host=h", "postgresql://me:the hunter2@h/db",
    "postgresql://me:%hunter2@h/db", "postgresql://me:the@hunter2@127.0.0.1/db",
    "postgresql://me:hunter2/the@127.0.0.1/db", "host=127.0.0.1 port=hunter2", "host=127.0.0.1,a@hunter2",
])  # fmt: skip
def test_database_that_is_no_libpq_string_is_refused_without_quoting_it(name: str) -> None:
    with pytest.raises(ConfigError, match="isn't named by a libpq string: write host=") as refused:
        CliRunner().invoke(app, ["migrate", "operator", "--database", name], catch_exceptions=False)
    assert "hunter2" not in str(refused.value) and refused.value.__cause__ is None


@pytest.mark.parametrize("host", ["/nowhere/a@b", "@nowhere/a@b", "127.0.0.1,/nowhere/a@b"])
def test_database_behind_a_socket_with_an_at_sign_in_its_name_is_looked_for(host: str) -> None:
    with pytest.raises(ServiceUnavailable):
        connect(DatabaseAccess(f"host={host} port=1 dbname=sealframe"))


def test_database_whose_password_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="can't be read"):
        connect(DatabaseAccess("host=127.0.0.1 port=1", tmp_path / "password"))
