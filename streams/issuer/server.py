"""The issuer as one process: its page and tokens over HTTPS, for browsers and services that show no certificate."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.https import HttpsServer
from infra.tls import Identity
from schemas.errors import ConfigError
from streams.issuer.accounts import Accounts
from streams.issuer.app import create_app
from streams.issuer.provider import Client, Provider


@dataclass(frozen=True, slots=True)
class IssuerSetup:
    """The issuer's certificate, its file of accounts, its client: name, file with the secret, addresses that lead back.

    `url`: how browsers reach it, where that isn't host and port.
    """

    identity: Identity
    accounts: Path
    secret: Path
    redirects: Sequence[str]
    client: str = "sealframe"
    host: str = "127.0.0.1"
    port: int = 0
    url: str = ""


def issuer_server(setup: IssuerSetup) -> HttpsServer:
    """The server, to be used by `with`.

    Raises:
        ConfigError: no secret, or a port that can't be had.

    """
    try:
        secret = setup.secret.read_text().strip()
    except OSError as error:
        raise ConfigError(f"the client's secret {setup.secret} can't be read") from error
    if not secret:
        raise ConfigError(f"the client's secret {setup.secret} is empty")
    provider = Provider(setup.url, Client(setup.client, secret, frozenset(setup.redirects)), time.time)
    app = create_app(provider, Accounts(setup.accounts, time.monotonic))
    server = HttpsServer(app, setup.identity, (), host=setup.host, port=setup.port, browsers=True)
    provider.issuer = setup.url or server.url
    return server
