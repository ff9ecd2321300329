"""Postgres for the platforms: access, pool, migrations; with `infra/postgres_server.py` the only user of psycopg.

Passwords are files. The owner role migrates, the application role serves and can't change the schema. Errors leave as
`AccessDenied` (credentials, rights) and `ServiceUnavailable` (no connection); others are bugs and pass through.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import psycopg
from pgvector.psycopg import register_vector
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool, PoolTimeout

import schemas
from schemas.errors import AccessDenied, ConfigError, ServiceUnavailable

SQL = Path(schemas.__file__).parent / "sql"
APP_ROLE = "sealframe_app"
CONNECT_SECONDS = 10
MIGRATION = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
MIGRATION_LOCK = 0x5EA1F4A3
REFUSED = re.compile(r"authentication failed|no password supplied|no pg_hba.conf entry|permission denied for database")

UNREADABLE = ("the database isn't named by a libpq string: write host=... port=... user=... dbname=..., and put the "
              "password into a file")

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class DatabaseAccess:
    """Where a database is and as whom to come: a libpq string without password, and the file with the password.

    A server elsewhere should be named with `sslmode=verify-full`.
    """

    conninfo: str
    password_file: Path | None = None

    def password(self) -> str | None:
        """The password, None when access works by other means.

        Raises:
            ConfigError: the file can't be read.

        """
        if self.password_file is None:
            return None
        try:
            return self.password_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"password file {self.password_file} can't be read") from error


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn psycopg's errors of connection and rights into ours."""
    try:
        yield
    except errors.InsufficientPrivilege as error:
        raise AccessDenied(f"database: {error.diag.message_primary}") from error
    except PoolTimeout as error:
        raise ServiceUnavailable("database: no connection in time") from error
    except psycopg.OperationalError as error:
        text = str(error)
        if isinstance(error, errors.InvalidAuthorizationSpecification) or REFUSED.search(text):
            raise AccessDenied("database: credentials refused") from error
        raise ServiceUnavailable(f"database: {(text.splitlines() or ['connection lost'])[0]}") from error


def _check_named(conninfo: str) -> None:
    """Refuse what is no libpq string; nothing of it is said, as libpq would quote half a password."""
    try:
        parts = conninfo_to_dict(conninfo)
    except psycopg.ProgrammingError:
        raise ConfigError(UNREADABLE) from None
    # a password with a bare @ or / tears: half of it becomes host or port (folders and abstract sockets may have an @)
    torn = re.search(r"(^|,)[^/@,][^,]*@", str(parts.get("host", "")))
    if torn or not re.fullmatch(r"[\d, ]*", str(parts.get("port", ""))):
        raise ConfigError(UNREADABLE)


def connect(access: DatabaseAccess, *, autocommit: bool = False) -> Connection:
    """One connection.

    Raises:
        AccessDenied: wrong role or password.
        ConfigError: the database isn't named by a libpq string, or the password's file can't be read.
        ServiceUnavailable: nobody answers.

    """
    _check_named(access.conninfo)
    with database_errors():
        return psycopg.connect(
            access.conninfo, password=access.password(), autocommit=autocommit, connect_timeout=CONNECT_SECONDS,
            application_name="sealframe",
        )


class Database:
    """A pool of connections; safe to share between threads. `vectors`: speak pgvector's types on each."""

    def __init__(self, access: DatabaseAccess, *, vectors: bool = False, size: int = 4) -> None:
        connect(access).close()  # a pool only reports a refusal as a time-out
        self._pool = ConnectionPool(
            access.conninfo, min_size=1, max_size=size, timeout=CONNECT_SECONDS, open=False,
            kwargs={"password": access.password(), "connect_timeout": CONNECT_SECONDS, "application_name": "sealframe"},
            configure=_with_vectors if vectors else None, check=ConnectionPool.check_connection,
        )
        with database_errors():
            self._pool.open(wait=True, timeout=CONNECT_SECONDS)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """One connection in a transaction: leaving the block commits, an error rolls back.

        Raises:
            AccessDenied, ServiceUnavailable: see the module.

        """
        with database_errors(), self._pool.connection() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file of SQL."""

    number: int
    name: str
    text: str

    @property
    def digest(self) -> bytes:
        """SHA-256 of the file's text; a migration that was applied is never edited."""
        return hashlib.sha256(self.text.encode()).digest()


def migrations(folder: Path) -> tuple[Migration, ...]:
    """The migrations of a folder, `NNNN_name.sql`, numbered from 1 without holes.

    Raises:
        ConfigError: a file is named otherwise, or a number is missing or double.

    """
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = MIGRATION.fullmatch(path.name)
        if not match:
            raise ConfigError(f"migration {path.name}: not NNNN_name.sql")
        found.append(Migration(int(match[1]), path.stem, path.read_text(encoding="utf-8")))
    if [m.number for m in found] != list(range(1, len(found) + 1)):
        raise ConfigError(f"migrations of {folder.name} aren't numbered from 1 without holes")
    return tuple(found)


def migrate(owner: DatabaseAccess, platform: str, *, folder: Path = SQL, app_role: str = APP_ROLE) -> tuple[str, ...]:
    """Bring a database up to date as its owner; return the names of what was applied.

    `platform` is `operator`, `authority` or `authority-<name>`. Each migration is a transaction of its own; afterwards
    the application role may read and write every table but the list of migrations.

    Raises:
        ConfigError: an applied migration was edited, or the database is newer than this release.

    """
    wanted = migrations(folder / ("authority" if platform.startswith("authority-") else platform))
    applied = []
    with connect(owner, autocommit=True) as db, database_errors():
        db.execute("SELECT pg_advisory_lock(%s)", (MIGRATION_LOCK,))
        db.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations (number integer PRIMARY KEY, name text NOT NULL,"
            " sha256 bytea NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        rows = db.execute("SELECT number, name, sha256 FROM schema_migrations")
        done = {number: (name, bytes(digest)) for number, name, digest in rows}
        _check_done(done, wanted)
        for migration in wanted:
            if migration.number in done:
                continue
            with db.transaction():
                db.execute(cast(Any, migration.text))
                db.execute(
                    "INSERT INTO schema_migrations (number, name, sha256) VALUES (%s, %s, %s)",
                    (migration.number, migration.name, migration.digest),
                )
            applied.append(migration.name)
        _grant(db, app_role)
    return tuple(applied)


def _check_done(done: dict[int, tuple[str, bytes]], wanted: tuple[Migration, ...]) -> None:
    for migration in wanted:
        if migration.number in done and done[migration.number][1] != migration.digest:
            raise ConfigError(f"migration {migration.name} was changed after it was applied")
    newer = sorted(set(done) - {m.number for m in wanted})
    if newer:
        raise ConfigError(f"the database has migration {done[newer[-1]][0]}, which this release doesn't know")


def _grant(db: Connection, app_role: str) -> None:
    """Rights on the tables of `public` and, where migrations made one, of the schema `next`."""
    role = sql.Identifier(app_role)
    found = db.execute("SELECT nspname FROM pg_namespace WHERE nspname IN ('public', 'next')").fetchall()
    for (schema,) in found:
        for statement in (
            "GRANT USAGE ON SCHEMA {schema} TO {role}",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}",
            "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
        ):
            db.execute(sql.SQL(cast(Any, statement)).format(role=role, schema=sql.Identifier(schema)))
    db.execute(sql.SQL(cast(Any, "REVOKE ALL ON schema_migrations FROM {role}")).format(role=role))


def _with_vectors(connection: psycopg.Connection[Any]) -> None:
    register_vector(connection)
    connection.commit()
