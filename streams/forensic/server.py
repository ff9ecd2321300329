"""The forensic service as one process: search and restoration over HTTPS for investigators."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Self

from prometheus_client import CollectorRegistry, ProcessCollector

from infra.https import HttpsServer
from infra.keys import KeyStore, load_signing_seed
from infra.postgres import Database, DatabaseAccess
from infra.settings import CaseSetting, SignInSetting
from infra.tls import Identity, load_signer, signer_at
from operators.sign import SigningKey
from schemas.topics import MINUTE_MS
from streams.authority.faces import Faces
from streams.authority.portrait import portrait
from streams.authority.reading import EvidenceReader
from streams.authority.store import check_folder
from streams.authority.templates import Templates
from streams.clock import now_ms
from streams.desk.app import DeskSetup, PagesOrApi, create_desk
from streams.forensic.api import create_app
from streams.forensic.door import Door, OwnSite
from streams.forensic.hold_desk import HoldDesk
from streams.forensic.jobs import Restorations, open_keys
from streams.forensic.log import AccessLog, LogSigner
from streams.forensic.oidc import ClientSetup, OpenIdClient
from streams.forensic.proofs import origin_of
from streams.forensic.restore import Restorer
from streams.forensic.search_api import body_bytes
from streams.forensic.service import Forensics
from streams.forensic.sessions import CALLBACK, Sessions
from streams.forensic.sign_in import ByBrowser, SignInDesk
from streams.forensic.subjects import SubjectDesk
from streams.forensic.terms import Rules
from streams.health import run_out
from streams.operating.client import OperatorClient
from streams.retention import Rule

ANYBODY = ("*",)
"""Every certificate of the CA may knock; whom it lets in says the table of people."""
CONNECTIONS = 8


@dataclass(frozen=True, slots=True)
class SignInSetup:
    """A second port, for browsers; `url`: how they reach it, where that isn't host and port."""

    client: ClientSetup
    port: int = 0
    url: str = ""
    idle_ms: int = 15 * MINUTE_MS
    longest_ms: int = 8 * 60 * MINUTE_MS


@dataclass(frozen=True, slots=True)
class ForensicSetup:
    """What the service needs of its authority `name`: certificate, database, evidence folder, key store; and the
    operating platform's address. `work`: where restorations lie, sealed, until they are fetched; beside `folder` else.
    `retention`: the rules that the authority platform runs by, to be shown.
    """

    name: str
    identity: Identity
    database: DatabaseAccess
    folder: Path
    keys: Path
    secret: Path
    operator_url: str
    host: str = "127.0.0.1"
    port: int = 0
    rules: Rules = field(default_factory=Rules)
    retention: Sequence[Rule] = ()
    work: Path | None = None
    sign_in: SignInSetup | None = None


class ForensicServer:
    """Serves from `with` on, programs and browsers alike; `forensics` is the library behind API and pages."""

    def __init__(self, setup: ForensicSetup, faces: Callable[[], Faces]) -> None:
        """Open everything; `faces` loads the models when first asked for.

        Raises:
            ConfigError: key store or port can't be used, or certificate or signing files are missing.
            AccessDenied, ServiceUnavailable: the database refuses or is out of reach.

        """
        self._keys = KeyStore(setup.keys, setup.secret)
        self._job_keys = open_keys(setup.keys, setup.secret)
        self._database = Database(setup.database, vectors=True, size=CONNECTIONS)
        self._operator = OperatorClient(setup.operator_url, setup.identity)
        ca = setup.identity.ca
        with self._database.connection() as db:
            check_folder(db, setup.folder)
        reader = EvidenceReader(setup.name, self._keys, setup.folder)
        restorer = Restorer(
            setup.name, self._database, reader, self._operator, signer_at(ca), now_ms
        )
        signer = log_signer(setup.name, setup.identity)
        log = AccessLog(self._database, now_ms, signer)
        self.forensics = Forensics(
            self._database, log, faces, rules=setup.rules, templates=Templates(self._keys, now_ms)
        )
        work = setup.work or setup.folder.with_name(f"{setup.folder.name}.restorations")
        self._jobs = self.forensics.jobs = Restorations(
            setup.name, self._database, log, restorer, self._job_keys, work, signer.key, now_ms,
            self.forensics.may_restore,
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._jobs.run, args=(self._stop,), name="restorations", daemon=True)
        registry = CollectorRegistry()
        ProcessCollector(namespace="sealframe", registry=registry)
        self._over = run_out(setup.identity, registry)
        subjects = SubjectDesk(self._database, self.forensics.gate, self._keys, reader, signer.key)
        sign_in, door = self._sign_in(setup), Door(self.forensics.gate)
        holds = HoldDesk(self._database, log, setup.retention, now_ms)
        app = create_app(self.forensics, registry, door, self._failing, subjects, holds)
        drawn = partial(draw, self._database, reader)
        desk = DeskSetup(
            setup.name, self.forensics, self._database, drawn, self._operator, subjects, holds, ca, sign_in
        )
        both = PagesOrApi(create_desk(desk, door), app)
        self.server = HttpsServer(
            OwnSite(both), setup.identity, ANYBODY, host=setup.host, port=setup.port, body_bytes=body_bytes
        )
        self.browsers: HttpsServer | None = None
        if sign_in and setup.sign_in:
            way = OwnSite(ByBrowser(both, door, sign_in))
            self.browsers = HttpsServer(
                way, setup.identity, (), host=setup.host, port=setup.sign_in.port, browsers=True, body_bytes=body_bytes
            )
            sign_in.client.redirect = f"{setup.sign_in.url or self.browsers.url}{CALLBACK}"

    def _sign_in(self, setup: ForensicSetup) -> SignInDesk | None:
        if setup.sign_in is None:
            return None
        sessions = Sessions(self._database, now_ms, setup.sign_in.idle_ms, setup.sign_in.longest_ms)
        return SignInDesk(setup.name, OpenIdClient(setup.sign_in.client), sessions)

    def close(self) -> None:
        """Stop serving and restoring, close files and connections."""
        if self.browsers:
            self.browsers.stop()
        self.server.stop()
        self._stop.set()
        self._jobs.wake()
        if self._thread.is_alive():
            self._thread.join()
        self._job_keys.close()
        self._operator.close()
        self._database.close()
        self._keys.close()

    def _failing(self) -> str:
        stopped = self._thread.ident is not None and not self._thread.is_alive()
        return self._over() or ("restorations ended by themselves: see the log, start again" if stopped else "")

    def __enter__(self) -> Self:
        self._thread.start()
        self.server.start()
        if self.browsers:
            self.browsers.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def draw(database: Database, reader: EvidenceReader, subject_id: str, blurred: bool) -> bytes:
    """A subject's best region as JPEG; see `portrait`."""
    return portrait(database, reader, subject_id, blurred=blurred)


def log_signer(name: str, identity: Identity) -> LogSigner:
    """Signs the checkpoints of an authority's log with its signing key, which lies beside its TLS certificate.

    Raises:
        ConfigError: there is none.

    """
    signer = load_signer(identity.ca.parent, identity.principal)
    made: dict[int, SigningKey] = {}

    def key() -> SigningKey:
        stamp = signer.cert.stat().st_mtime_ns
        if stamp not in made:
            made.clear()
            made[stamp] = SigningKey(load_signing_seed(signer.key).seed, signer.certificate_der())
        return made[stamp]

    key()
    return LogSigner(origin_of(name), key)


def sign_in_of(settings: SignInSetting, port: int) -> SignInSetup | None:
    """How browsers sign in, None where the settings name no issuer."""
    if not settings.issuer:
        return None
    client = ClientSetup(settings.issuer, settings.client_id, settings.client_secret, settings.ca)
    return SignInSetup(client, port, settings.url, settings.idle_minutes * MINUTE_MS, settings.hours * 60 * MINUTE_MS)


def rules_of(settings: CaseSetting) -> Rules:
    """The policy that settings say."""
    limits = {"searches": settings.searches_per_hour, "restorations": settings.restorations_per_hour,
              "pictures": settings.pictures_per_hour}
    return Rules(
        settings.second_person, settings.approval_days, settings.longest_days, MappingProxyType(limits),
        settings.refusals_per_minute,
    )
