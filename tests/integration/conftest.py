"""Fixtures of the operating platform: its database, empty at each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import tls
from infra.postgres import Database, connect, migrate
from infra.postgres_server import EmbeddedPostgres
from schemas.errors import ConfigError
from tests.support import services
from tests.support.authority import Desk, open_desk
from tests.support.desk_service import DeskService, desk_service


@pytest.fixture(scope="session")
def operator_postgres(services_home: Path) -> Iterator[EmbeddedPostgres]:
    """The operating platform's cluster, migrated."""
    server = EmbeddedPostgres(services_home / "postgres-operating", "operator")
    try:
        server.start()
    except ConfigError as error:
        services.unavailable(error)
    migrate(server.owner(), "operator")
    yield server
    server.abandon()


@pytest.fixture
def operator_database(operator_postgres: EmbeddedPostgres) -> Iterator[Database]:
    """Its database as the service sees it, empty."""
    with connect(operator_postgres.owner()) as owner:
        owner.execute("TRUNCATE videos, chunks, heads, conflicts, refusals, alarms")
    with Database(operator_postgres.app()) as database:
        yield database


@pytest.fixture(scope="session")
def worker_broker() -> Iterator[services.Broker]:
    """A broker for the worker alone: on the shared one, others publish upload addresses of the same authorities."""
    yield from _broker_apart()


@pytest.fixture(scope="module")
def own_broker() -> Iterator[services.Broker]:
    """A broker for one module, which may stop it: on the shared one, others read what an authority publishes."""
    yield from _broker_apart()


def _broker_apart() -> Iterator[services.Broker]:
    home = services.make_home()
    tls.create_ca(home / "tls")
    started = services.start_broker(home, home / "tls")
    yield started
    started.server.stop()
    services.remove_home(home)


@pytest.fixture
def empty_desk(tmp_path: Path, postgres_authority: services.Postgres) -> Iterator[Desk]:
    """An authority with a database of its own that has seen nothing."""
    with postgres_authority.database() as database:
        opened = open_desk(tmp_path / "desk", database)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def forensic_desk(
    ca: Path, postgres_authority: services.Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DeskService]:
    """A forensic service with people, an issuer and browsers' port, and nothing to search."""
    with desk_service(ca, tmp_path_factory.mktemp("desk"), postgres_authority.fresh()[0]) as running:
        yield running
