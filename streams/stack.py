"""The embedded stack: broker, databases and all services on this machine, with everything that keeps them apart on.

Every service is a process of its own under its own principal. They outlive the command that started them; `down` ends
them by the pids written here. Layout of the home folder:

    tls/            the CA and certificates            broker/         Kafka's node
    postgres/NAME/  one cluster per platform           pipeline/       X25519 identity of the pipeline
    operator/       desensitised video                 custodian/      identity to be taken to a safe
    authority/NAME/ sealed evidence                    keystore/NAME/  key store and (secrets/NAME) its secret
    keeper/         checkpoints of the authorities' logs, kept by the operating platform
    run/            pids and logs                      models/         converted models
    issuer/         accounts and first passwords of the own OpenID Connect issuer
"""

from __future__ import annotations

import json
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from infra import process, tls
from infra.atomic import write_whole
from infra.broker import EmbeddedBroker
from infra.https import HttpsClient
from infra.kafka import KafkaAccess
from infra.kafka_admin import Change, KafkaAdmin, plan
from infra.keys import load_signing_seed
from infra.postgres import Database, DatabaseAccess, migrate
from infra.postgres_server import EmbeddedPostgres
from infra.recipients import read_identity, read_recipient, recipient_text, write_identity
from infra.settings import Settings, SignInSetting
from operators.seal import Identity
from operators.sign import SigningKey
from schemas.errors import ConfigError, SealframeError, ServiceUnavailable
from schemas.topics import EDGE, TopicSpec, topics
from streams.clock import now_ms
from streams.forensic.people import oidc_principal, set_up
from streams.forensic.sessions import CALLBACK
from streams.issuer.accounts import Accounts
from streams.services import Service

READY_SECONDS = 60.0
KEEPER_SECONDS = 10
PEOPLE = {f"{role}-demo": role for role in ("admin", "investigator", "approver", "auditor")} | {"operator": "keeper"}
"""Certificates that `up` makes, each a person of this role at every forensic service. The operating platform keeps the
logs' checkpoints, and sees nothing else."""
VIEWER = "viewer-demo"
"""Certificate that `up` makes for whoever watches the operating platform's pages."""
_TOLD = {"cases", "face_embedder", "index_faces", "retention", "sign_in"}
"""Settings that services are told by their arguments, and that a worker doesn't read."""
Tell = Callable[[str], None]


class Stack:
    """The services of one home folder."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.home = settings, settings.home.resolve()
        self.tls = settings.tls_folder.resolve()
        self.broker = EmbeddedBroker(self.home / "broker", self.tls)
        names = ("operator", *(f"authority-{name}" for name in settings.authorities))
        self.databases = {name: EmbeddedPostgres(self.home / "postgres", name) for name in names}

    @property
    def specs(self) -> tuple[TopicSpec, ...]:
        """The topics of this deployment."""
        return topics(tuple(self.settings.authorities))

    def up(self, tell: Tell = lambda _: None) -> None:
        """Start whatever isn't running and wait until all of it answers. Fine to call again.

        What runs by other settings, or with certificates that were renewed since, is started anew; what the settings no
        longer name is ended.

        Raises:
            ConfigError: something has to be installed or set, or the settings name another broker; says what.
            ServiceUnavailable: a service doesn't come up; the message holds the end of its log.

        """
        if self.settings.bootstrap:
            raise ConfigError(
                f"`up` runs a broker of its own, and `bootstrap` names {self.settings.bootstrap}: take one of them away"
            )
        self.home.mkdir(mode=0o711, parents=True, exist_ok=True)
        for folder in (
            "run", "pipeline", "custodian", "secrets", "keystore", "operator", "keeper", "authority", "issuer",
        ):
            (self.home / folder).mkdir(mode=0o700, exist_ok=True)
        self._certificates(tell)
        self._identities(tell)
        accounts = self._accounts(tell)
        tell("broker")
        self._start_broker()
        self.apply_topics()
        for name, database in self.databases.items():
            tell(f"database of {name}")
            database.start()
            migrate(database.owner(), name)
            if name != "operator":
                self._add_people(database.app(), accounts)
        wanted = self.services()
        for name in sorted({*self._known_services()} - {service.name for service in wanted}):
            tell(f"{name} ends: the settings don't name it any more")
            process.stop(self._pid(name))
        for database in self._unnamed_databases():
            database.stop()
        for service in wanted:
            if self._outlived(service):
                process.stop(self._pid(service.name))
            if not process.running(self._pid(service.name)):
                tell(service.name)
                self.start(service)
            self._wait(service)

    def start(self, service: Service) -> None:
        """Start one process, in the folder of this one: it reads the same `sealframe.toml`."""
        command = [sys.executable, "-m", "streams.cli", *service.arguments]
        process.spawn(command, self.log(service.name), self._pid(service.name), asked=service.asked)

    def change(self, settings: Settings) -> None:
        """Run by other settings: services that they change are started anew and waited for; errors as `up`."""
        before = self.services()
        self.settings = settings
        for service in self.services():
            if service not in before:
                process.stop(self._pid(service.name))
                self.start(service)
                self._wait(service)

    def down(self) -> None:
        """End all services, the broker last."""
        for service in reversed(self._known_services()):
            process.stop(self._pid(service))
        for database in (*self.databases.values(), *self._unnamed_databases()):
            database.stop()
        self.broker.stop()

    def status(self) -> dict[str, int | None]:
        """Pid of every service, None where it is down."""
        running = {name: process.running(self._pid(name)) for name in self._known_services()}
        databases = {f"database {name}": database.pid for name, database in self.databases.items()}
        return {"broker": self.broker.pid, **databases, **running}

    def services(self) -> tuple[Service, ...]:
        """What runs beside broker and databases."""
        ports = self.ports()
        common = ("--bootstrap", self.bootstrap, "--tls", str(self.tls))
        kept = ("--retention", json.dumps([rule.model_dump() for rule in self.settings.retention]))
        operator = self._database("operator")
        found = [Service("operator", (
            "operator", *common, *operator, *kept, "--folder", str(self.home / "operator"), "--port",
            str(ports["operator"]),
        ), ports["operator"], "operator", "operator")]
        if self._own_issuer:
            back = (part for name in self.settings.authorities
                    for part in ("--redirect", f"https://localhost:{ports[f'browsers-{name}']}{CALLBACK}"))
            found.append(Service("issuer", (
                "issuer", "serve", "--tls", str(self.tls), "--secret", str(self.home / "issuer" / "client-secret"),
                "--accounts", str(self.home / "issuer" / "accounts.json"), "--port", str(ports["issuer"]), *back,
            ), ports["issuer"], "issuer", "issuer"))
        for name, kinds in self.settings.authorities.items():
            mine = (*self._database(f"authority-{name}"), *self._stores(name))
            wanted = tuple(part for kind in kinds for part in ("--kind", kind))
            port, forensic = ports[f"authority-{name}"], ports[f"forensic-{name}"]
            found.append(Service(f"authority-{name}", (
                "authority", "--name", name, *common, *mine, *wanted, "--index-faces", self.settings.index_faces,
                "--cases", self.settings.cases.model_dump_json(),
                "--port", str(port), *kept,
            ), port, f"authority-{name}", f"authority-{name}"))
            found.append(Service(f"forensic-{name}", (
                "forensic", "--name", name, "--tls", str(self.tls), *mine,
                "--operator-url", f"https://localhost:{ports['operator']}", "--port", str(forensic),
                "--rules", self.settings.cases.model_dump_json(), *kept,
                "--sign-in", self._sign_in().model_dump_json(), "--browser-port", str(ports[f"browsers-{name}"]),
            ), forensic, "investigator-demo", f"authority-{name}"))
            # at the operating platform: a second party that sees when the authority's log is rewritten
            found.append(Service(f"keeper-{name}", (
                "log", "watch", "--as", "operator", "--tls", str(self.tls), "--url",
                f"https://localhost:{forensic}", "--keep", str(self.home / "keeper" / f"{name}.jsonl"),
                "--seconds", str(KEEPER_SECONDS),
            )))
        read = self.settings.model_dump_json(exclude=_TOLD)
        found.append(Service("worker", ("worker", "--home", str(self.home)), principal="pipeline", reads=read))
        return tuple(found)

    def ports(self) -> dict[str, int]:
        """HTTPS port of each service; free ones are chosen once and kept."""
        path = self.home / "ports.json"
        wanted = ["operator", *(["issuer"] if self._own_issuer else [])]
        for name in self.settings.authorities:
            wanted += [f"authority-{name}", f"forensic-{name}", f"browsers-{name}"]
        ports: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
        missing = [name for name in wanted if name not in ports]
        if missing:
            ports |= dict(zip(missing, process.free_ports(len(missing)), strict=True))
            path.write_text(json.dumps(ports))
        return ports

    def url(self, service: str) -> str:
        """Address of a service."""
        return f"https://localhost:{self.ports()[service]}"

    @property
    def bootstrap(self) -> str:
        """Address of the broker: what the settings name, else the embedded one; raises as that one's does."""
        return self.settings.bootstrap or self.broker.bootstrap

    def access(self, principal: str) -> KafkaAccess:
        """The broker as this principal."""
        return KafkaAccess(self.bootstrap, tls.load(self.tls, principal))

    def admin(self) -> KafkaAdmin:
        """The broker's administration."""
        return KafkaAdmin(self.access("admin"))

    def plan_topics(self) -> tuple[Change, ...]:
        """What `apply_topics` would do, in the order of `specs`."""
        there = self.admin().existing()
        return plan(self.specs, there, frame_partitions=self.settings.partitions, replicas=self.settings.replicas)

    def apply_topics(self) -> tuple[Change, ...]:
        """Make and configure the topics and grant the rights of the table; raises as `KafkaAdmin.apply`."""
        return self.admin().apply(
            self.specs, frame_partitions=self.settings.partitions, replicas=self.settings.replicas
        )

    def enrol(self, principal: str) -> None:
        """Give a camera or gateway its certificates and the right to write chunks."""
        self._issue(principal, signer=True)
        self.admin().enroll(principal, self.specs)

    def rotate(self, principal: str) -> None:
        """New keys and certificates for a camera or gateway; raises ConfigError for one that has none."""
        tls.load(self.tls, principal)
        tls.renew(self.tls, principal, force=True)

    def pipeline_recipient(self) -> bytes:
        """The public key that raw chunks are sealed to; all that a camera's machine needs of the pipeline."""
        return read_recipient(str(self.home / "pipeline" / "recipient"))

    def pipeline_identity(self) -> Identity:
        """The key that opens raw chunks; for the worker alone."""
        return Identity(read_identity(self.home / "pipeline" / "identity"))

    def custodian(self) -> str:
        """Public key of the custodian, as text."""
        return recipient_text(read_recipient(str(self.home / "custodian" / "recipient")))

    def log(self, service: str) -> Path:
        """Where a service writes."""
        return self.home / "run" / f"{service}.log"

    def _certificates(self, tell: Tell) -> None:
        """Whatever is missing, and anew what has less than ten days to live: cameras' too."""
        tls.create_ca(self.tls)
        for path in sorted(self.tls.glob("*-*/signer.pem") if self._renews else ()):
            if path.parent.name.startswith(EDGE) and tls.renew(self.tls, path.parent.name):
                tell(f"{path.parent.name} has new certificates: start its `push` again")
        for principal in ("admin", "pipeline", "issuer", VIEWER, *PEOPLE):
            self._issue(principal, signer=principal in ("pipeline", "operator"))
        for name in self.settings.authorities:
            self._issue(f"authority-{name}", signer=True)

    def _start_broker(self) -> None:
        """Start it unless it runs; a running one takes a certificate that had to be renewed."""
        if self.broker.pid and self._renews and tls.renew(self.tls, "broker"):
            try:
                self.admin().reload_certificate(tls.load(self.tls, "broker").keystore)
            except SealframeError:  # the one that it runs with has run out, and nobody talks to it any more
                self.broker.stop()
        self.broker.start()

    @property
    def _renews(self) -> bool:
        """The CA's key is here; else it renews elsewhere."""
        return (self.tls / "ca" / "key.pem").exists()

    def _outlived(self, service: Service) -> bool:
        """It runs otherwise than it would be started now: by other settings or certificates."""
        pid = self._pid(service.name)
        if not process.running(pid):
            return False
        if process.asked(pid) != service.asked:
            return True
        renewed = (path.stat().st_mtime for path in (self.tls / service.principal).glob("*.pem"))
        return bool(service.principal) and any(at > pid.stat().st_mtime for at in renewed)

    def _add_people(self, access: DatabaseAccess, accounts: Mapping[str, str]) -> None:
        """Who may use a fresh forensic service; whoever is known already stays as they are."""
        also = {name: [oidc_principal(self.url("issuer"), subject)] for name, subject in accounts.items()}
        with Database(access) as database:
            set_up(database, now_ms, {name: (f"{role} of the demo", role) for name, role in PEOPLE.items()}, also)

    def _accounts(self, tell: Tell) -> dict[str, str]:
        """Subjects of the own issuer's accounts, made with passwords and the client's secret where there are none."""
        if not self._own_issuer:
            return {}
        folder, accounts = self.home / "issuer", Accounts(self.home / "issuer" / "accounts.json", time.monotonic)
        if not (folder / "client-secret").exists():
            write_whole(folder / "client-secret", secrets.token_urlsafe(32).encode(), secret=True)
        if not accounts.names():
            passwords = {name: secrets.token_urlsafe(12) for name, role in PEOPLE.items() if role != "keeper"}
            for name, password in passwords.items():
                accounts.put(name, password)
            text = "".join(f"{name}  {password}\n" for name, password in passwords.items())
            write_whole(self.first_passwords, text.encode(), secret=True)
            tell(f"accounts were made; their first passwords are in {self.first_passwords}")
        return {name: subject for name, subject in accounts.names().items() if name in PEOPLE}

    @property
    def first_passwords(self) -> Path:
        """Names and first passwords of the own issuer's accounts, a line each; for their owner's eyes."""
        return self.home / "issuer" / "first-passwords"

    @property
    def _own_issuer(self) -> bool:
        return not self.settings.sign_in.issuer

    def _sign_in(self) -> SignInSetting:
        """How browsers sign in: as the settings say, else at the own issuer."""
        if not self._own_issuer:
            return self.settings.sign_in
        return self.settings.sign_in.model_copy(update={
            "issuer": self.url("issuer"), "client_secret": self.home / "issuer" / "client-secret",
            "ca": self.tls / "ca.pem",
        })

    def _issue(self, principal: str, *, signer: bool = False) -> None:
        if not (self.tls / principal / "cert.pem").exists():
            tls.issue(self.tls, principal)
        elif self._renews:
            tls.renew(self.tls, principal)
        try:
            tls.load_signer(self.tls, principal)
        except SealframeError:
            if signer:
                tls.issue_signer(self.tls, principal)

    def _identities(self, tell: Tell) -> None:
        for name in ("pipeline", "custodian"):
            path = self.home / name / "identity"
            if not (self.home / name / "recipient").exists():
                identity = Identity.create()
                write_identity(path, identity.private)
                (path.parent / "recipient").write_text(recipient_text(identity.public) + "\n")
                if name == "custodian":
                    tell(f"a custodian's key was made: take {path} to a safe, no service needs it")

    def _database(self, name: str) -> tuple[str, ...]:
        access = self.databases[name].app()
        return ("--database", access.conninfo, "--password-file", str(access.password_file))

    def _stores(self, name: str) -> tuple[str, ...]:
        folder = self.home / "authority" / name
        folder.mkdir(mode=0o700, exist_ok=True)
        return ("--folder", str(folder), "--keys", str(self.home / "keystore" / name),
                "--secret", str(self.home / "secrets" / name), "--models", str(self.home / "models"),
                "--embedder", self.settings.face_embedder)

    def _unnamed_databases(self) -> list[EmbeddedPostgres]:
        """Those that the settings don't name any more; what is in them stays."""
        place = self.home / "postgres"
        return [EmbeddedPostgres(place, one.name) for one in sorted(place.glob("*/")) if one.name not in self.databases]

    def _known_services(self) -> list[str]:
        return sorted(path.stem for path in (self.home / "run").glob("*.pid"))

    def _pid(self, service: str) -> Path:
        return self.home / "run" / f"{service}.pid"

    def _wait(self, service: Service) -> None:
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end:
            if not process.running(self._pid(service.name)):
                break
            if self._answers(service):
                return
            time.sleep(0.2)
        raise ServiceUnavailable(
            f"{service.name} doesn't come up; the end of its log:\n{process.tail(self.log(service.name))}"
        )

    def _answers(self, service: Service) -> bool:
        if not service.port:
            return True
        try:
            with HttpsClient(f"https://localhost:{service.port}", tls.load(self.tls, service.viewer)) as client:
                client.get("/health")
        except SealframeError as error:
            return not isinstance(error, ServiceUnavailable | ConfigError)
        return True


def signing_key(folder: Path, principal: str) -> SigningKey:
    """The signing key of a principal, with its certificate."""
    signer = tls.load_signer(folder, principal)
    return SigningKey(load_signing_seed(signer.key).seed, signer.certificate_der())
