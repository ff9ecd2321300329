from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from infra.postgres import Database, DatabaseAccess, connect, migrate
from infra.postgres_server import EmbeddedPostgres
from schemas.errors import AccessDenied, ConfigError, ServiceUnavailable
from tests.support.services import Postgres


@pytest.fixture(scope="module")
def authority_database(postgres_authority: Postgres) -> Iterator[Database]:
    with postgres_authority.database() as database:
        yield database


def test_connect_without_password_is_refused(postgres_operator: Postgres) -> None:
    for role in ("postgres", "sealframe_owner", "sealframe_app"):
        server = postgres_operator.server
        access = DatabaseAccess(f"host={server.socket_folder()} user={role} dbname=sealframe")
        with pytest.raises(AccessDenied):
            connect(access)


def test_connect_with_another_platforms_password_is_refused(
    postgres_operator: Postgres, postgres_authority: Postgres
) -> None:
    mine, foreign = postgres_operator.server.app(), postgres_authority.server.app()
    with pytest.raises(AccessDenied):
        connect(replace(foreign, password_file=mine.password_file))
    with pytest.raises(AccessDenied):
        Database(replace(mine, password_file=foreign.password_file))


def test_connect_as_unknown_role_is_refused(postgres_operator: Postgres) -> None:
    app = postgres_operator.server.app()
    with pytest.raises(AccessDenied):
        connect(replace(app, conninfo=app.conninfo.replace("sealframe_app", "root")))


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (x int)",
        "DROP TABLE videos",
        "ALTER TABLE videos DISABLE TRIGGER ALL",
        "SELECT * FROM schema_migrations",
        "CREATE SCHEMA mine",
        "COPY videos TO PROGRAM 'true'",
        "CREATE ROLE other",
        "SELECT pg_read_file('postgresql.conf')",
    ],
)
def test_app_role_beyond_its_tables_is_refused(authority_database: Database, statement: str) -> None:
    with pytest.raises(AccessDenied), authority_database.connection() as db:
        db.execute(statement)


def test_roles_enter_their_own_database_only(postgres_operator: Postgres) -> None:
    for access in (postgres_operator.server.app("postgres"), postgres_operator.server.owner("template1")):
        with pytest.raises(AccessDenied):
            connect(access)


def test_rules_and_files_are_closed(postgres_operator: Postgres) -> None:
    server = postgres_operator.server
    lines = [line.split() for line in server.hba().splitlines() if line and not line.startswith("#")]
    assert lines == [["local", "all", "all", "scram-sha-256"]]
    assert stat.S_IMODE(server.socket_folder().stat().st_mode) == 0o700
    secrets = server.home / "secrets"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets.iterdir()} == {0o600}
    password = server.app().password()
    assert password and password not in server.log.read_text()


def test_server_listens_on_no_network_address(postgres_operator: Postgres) -> None:
    with connect(postgres_operator.server.owner()) as db:
        assert db.execute("SHOW listen_addresses").fetchone() == ("",)
        assert db.execute("SHOW password_encryption").fetchone() == ("scram-sha-256",)


def test_migrate_twice_applies_once_and_refuses_an_edited_file(postgres_operator: Postgres, tmp_path: Path) -> None:
    folder = tmp_path / "operator"
    folder.mkdir()
    (folder / "0001_first.sql").write_text("CREATE TABLE a (x int);")
    server = postgres_operator.server
    server.create_database("migrations")
    owner = server.owner("migrations")
    assert migrate(owner, "operator", folder=tmp_path) == ("0001_first",)
    (folder / "0002_bad.sql").write_text("CREATE TABLE b (x int); SELECT 1 / 0;")
    with pytest.raises(Exception, match="division by zero"):
        migrate(owner, "operator", folder=tmp_path)
    (folder / "0002_bad.sql").write_text("CREATE TABLE b (x int);")
    assert migrate(owner, "operator", folder=tmp_path) == ("0002_bad",)
    assert migrate(owner, "operator", folder=tmp_path) == ()
    (folder / "0001_first.sql").write_text("CREATE TABLE a (x bigint);")
    with pytest.raises(ConfigError, match="changed after"):
        migrate(owner, "operator", folder=tmp_path)
    (folder / "0001_first.sql").write_text("CREATE TABLE a (x int);")
    (folder / "0002_bad.sql").unlink()
    with pytest.raises(ConfigError, match="doesn't know"):
        migrate(owner, "operator", folder=tmp_path)


@pytest.mark.parametrize(
    "names", [["0002_a.sql"], ["0001_a.sql", "0001_b.sql"], ["1_a.sql"], ["0001_a.sql", "0003_b.sql"]]
)
def test_migrations_misnumbered_are_refused(postgres_operator: Postgres, tmp_path: Path, names: list[str]) -> None:
    (tmp_path / "operator").mkdir()
    for name in names:
        (tmp_path / "operator" / name).write_text("SELECT 1;")
    with pytest.raises(ConfigError):
        migrate(postgres_operator.server.owner(), "operator", folder=tmp_path)


def test_pool_speaks_vectors_and_rolls_back(postgres_authority: Postgres) -> None:
    with postgres_authority.database() as database:
        with database.connection() as db:
            row = db.execute("SELECT %s::vector <=> '[1,0]'", (np.array([1, 0], np.float32),)).fetchone()
        assert row == (0.0,)
        with pytest.raises(ZeroDivisionError), database.connection() as db:
            db.execute("INSERT INTO videos VALUES ('v', 'c', 0, 0)")
            raise ZeroDivisionError
        with database.connection() as db:
            assert db.execute("SELECT count(*) FROM videos").fetchone() == (0,)


def test_server_is_found_and_restarted_by_another_handle(services_home: Path) -> None:
    first = EmbeddedPostgres(services_home / "postgres", "operator-restart")
    with pytest.raises(ServiceUnavailable):
        first.app()
    first.start()
    second = EmbeddedPostgres(services_home / "postgres", "operator-restart")
    try:
        assert second.pid == first.pid
        migrate(first.owner(), "operator")
        with Database(first.app(), size=1) as database:
            second.stop()
            assert first.pid is None
            with pytest.raises(ServiceUnavailable):
                connect(first.app())
            second.start()
            with database.connection() as db:
                assert db.execute("SELECT count(*) FROM videos").fetchone() == (0,)
    finally:
        second.stop()
