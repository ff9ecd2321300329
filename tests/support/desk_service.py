"""A forensic service with a browser's port, an issuer beside it, and a browser without scripts."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from infra import process, tls
from infra.https import HttpsServer
from infra.keys import KeyStore, create_secret
from infra.postgres import Database, DatabaseAccess
from streams.clock import now_ms
from streams.forensic.client import ForensicClient
from streams.forensic.oidc import ClientSetup
from streams.forensic.people import oidc_principal, set_up
from streams.forensic.server import ForensicServer, ForensicSetup, SignInSetup
from streams.forensic.terms import Rules
from streams.issuer.accounts import Accounts
from streams.issuer.server import IssuerSetup, issuer_server
from tests.support.cases import PEOPLE

NAME = "city-faces"
PASSWORD = "correct horse battery"
SECRET = "a secret of the client"


def _no_models() -> Any:
    raise AssertionError("this test has no models")


@dataclass
class DeskService:
    """What runs: people of `PEOPLE` come by certificates, and all but the admin by accounts of their names too."""

    ca: Path
    database: DatabaseAccess
    server: ForensicServer
    issuer: HttpsServer
    accounts: Accounts

    @property
    def url(self) -> str:
        """Address for browsers."""
        assert self.server.browsers
        return self.server.browsers.url

    def client(self, principal: str) -> ForensicClient:
        """The API as this principal."""
        return ForensicClient(self.server.server.url, identity(self.ca, principal))

    def raw(self, principal: str) -> httpx.Client:
        """The API's port by its certificate, without our client's manners."""
        context = identity(self.ca, principal).client_context()
        return httpx.Client(base_url=self.server.server.url, verify=context, timeout=30, trust_env=False)

    def log(self, count: int = 1) -> list[dict[str, Any]]:
        """The newest entries of the access log, newest first."""
        return [dict(entry.content) for entry in self.server.forensics.log.last(count)]

    def browser(self) -> Browser:
        """A fresh browser."""
        return Browser(self)


class Browser:
    """Follows links and fills in the issuer's form as a person does; cookies as the servers set them."""

    def __init__(self, desk: DeskService) -> None:
        self.desk = desk
        context = ssl.create_default_context(cafile=desk.ca / "ca.pem")
        self.http = httpx.Client(verify=context, timeout=30, trust_env=False)

    def get(self, path: str, **headers: str) -> httpx.Response:
        """A page of the forensic service."""
        return self.http.get(f"{self.desk.url}{path}", headers=headers)

    def to_issuer(self, to: str = "/") -> httpx.Response:
        """Begin a sign-in: the issuer's page."""
        begun = self.get(f"/sign-in?to={to}")
        assert begun.status_code == 303, begun.text
        return self.http.get(begun.headers["location"])

    def answer(self, page: httpx.Response, name: str, password: str = PASSWORD) -> httpx.Response:
        """Fill in its form."""
        found = re.search(r'name="request" value="([^"]+)"', page.text)
        assert found, page.text
        fields = {"request": found[1], "name": name, "password": password}
        own = {"origin": self.desk.issuer.url}
        return self.http.post(f"{self.desk.issuer.url}/authorize", data=fields, headers=own)

    def sign_in(self, name: str) -> httpx.Response:
        """All the way back."""
        return self.http.get(self.answer(self.to_issuer(), name).headers["location"])

    def code(self, name: str) -> dict[str, str]:
        """What the issuer sends back, not taken there yet."""
        sent = urlsplit(self.answer(self.to_issuer(), name).headers["location"])
        return {key: value[0] for key, value in parse_qs(sent.query).items()}

    def csrf(self) -> str:
        """What the forms of this session carry."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.get("/cases", accept="text/html").text)
        assert found
        return found[1]

    def close(self) -> None:
        """Close connections."""
        self.http.close()


def identity(ca: Path, principal: str) -> tls.Identity:
    """TLS files of a principal, issued when first asked for."""
    return tls.load(ca, principal) if (ca / principal / "cert.pem").exists() else tls.issue(ca, principal)


@contextmanager
def desk_service(
    ca: Path, home: Path, database: DatabaseAccess, rules: Rules | None = None, sign_in: SignInSetup | None = None
) -> Iterator[DeskService]:
    """Start both; nothing is searched, so there are no models, no evidence and no operating platform."""
    principal = f"authority-{NAME}"
    me = identity(ca, principal)
    tls.issue_signer(ca, principal)
    (home / "evidence").mkdir()
    (home / "client-secret").write_text(SECRET)
    secret = create_secret(home / "secret")
    KeyStore(home / "keys", secret, create=True).close()
    redirects: list[str] = []
    setup = IssuerSetup(identity(ca, "issuer"), home / "accounts.json", home / "client-secret", redirects)
    with _issuer(setup, redirects) as (issuer, start):
        accounts = Accounts(home / "accounts.json", lambda: 0.0)
        client = ClientSetup(issuer.url, "sealframe", home / "client-secret", ca / "ca.pem")
        forensic = ForensicSetup(
            NAME, me, database, home / "evidence", home / "keys", secret, "https://localhost:1",
            rules=rules or Rules(refusals=10**6), sign_in=sign_in or SignInSetup(client),
        )
        with Database(database) as opened:
            also = {
                name: [oidc_principal(issuer.url, accounts.put(name, PASSWORD))]
                for name in PEOPLE if not name.startswith("admin")
            }
            set_up(opened, now_ms, {name: (name, role) for name, role in PEOPLE.items()}, also)
        with ForensicServer(forensic, _no_models) as server:
            assert server.browsers
            start(f"{server.browsers.url}/sign-in/callback")
            yield DeskService(ca, database, server, issuer, accounts)


@contextmanager
def _issuer(setup: IssuerSetup, redirects: list[str]) -> Iterator[Any]:
    """The issuer's address is known before it starts; the address that leads back to its client only afterwards."""
    [port] = process.free_ports(1)
    running: list[HttpsServer] = []

    class Late:
        url = f"https://localhost:{port}"

    def start(redirect: str) -> None:
        running.append(issuer_server(IssuerSetup(
            setup.identity, setup.accounts, setup.secret, [redirect], port=port
        )).start())

    try:
        yield Late, start
    finally:
        for server in running:
            server.stop()
