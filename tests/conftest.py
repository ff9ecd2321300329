"""Fixtures of all tests: a certificate authority, a broker and databases, real and once a session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import tls
from tests.support import services


def pytest_report_header() -> list[str]:
    return services.versions()


@pytest.fixture(scope="session")
def services_home() -> Iterator[Path]:
    """Where the session's services keep their files."""
    home = services.make_home()
    yield home
    services.remove_home(home)


@pytest.fixture(scope="session")
def ca(services_home: Path) -> Path:
    """Folder of the session's certificate authority; `ca / "ca.pem"` is its certificate."""
    folder = services_home / "tls"
    tls.create_ca(folder)
    return folder


@pytest.fixture(scope="session")
def broker(services_home: Path, ca: Path) -> Iterator[services.Broker]:
    """The session's broker: mutual TLS, deny by default, all topics, authorities `city-faces` and `city-plates`."""
    started = services.start_broker(services_home, ca)
    yield started
    started.server.stop()


def _postgres(home: Path, platform: str) -> Iterator[services.Postgres]:
    started = services.start_postgres(home, platform)
    yield started
    started.server.abandon()


@pytest.fixture(scope="session")
def postgres_operator(services_home: Path) -> Iterator[services.Postgres]:
    """The operating platform's cluster; `fresh()` and `database()` give a test its own database."""
    yield from _postgres(services_home, "operator")


@pytest.fixture(scope="session")
def postgres_authority(services_home: Path) -> Iterator[services.Postgres]:
    """The cluster of authority `city-faces`, with pgvector."""
    yield from _postgres(services_home, "authority-city-faces")
