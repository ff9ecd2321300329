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
