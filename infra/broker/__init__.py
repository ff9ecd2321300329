"""The embedded broker: one KRaft node (controller and broker) as a JVM child, closed to everyone without a certificate.

Both listeners speak mutual TLS only. `StandardAuthorizer` denies what no ACL allows; the super users are `broker` and
`admin`. The node outlives the process that started it and is found again under its home folder. Its jars come from
`pom.xml` by `make setup`. A production cluster takes its place by settings alone.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from infra import process, tls
from schemas.errors import ConfigError, ServiceUnavailable
from schemas.topics import MAX_RECORD_BYTES

HERE = Path(__file__).parent
JARS = HERE / "jars"
START_SECONDS = 120.0
PRINCIPAL_RULES = "RULE:^CN=([^,]+),OU=(broker|client),O=sealframe$/$1/,DEFAULT"
CONTROLLER_STORE = "broker-controller"
CONTROLLER_LIFE = timedelta(days=365)
READY_LINE = "Kafka Server started"
HEAP = "-Xmx512m"


@dataclass(frozen=True, slots=True)
class Java:
    """The Java program and the major version it reports."""

    program: str
    version: int


def find_java() -> Java:
    """The Java on the path.

    Raises:
        ConfigError: there is none, or it is older than 17.

    """
    program = shutil.which("java")
    if not program:
        raise ConfigError("Java 17 is not installed: apt-get install openjdk-17-jre-headless (or temurin-17)")
    text = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=30).stderr
    digits = text.partition('version "')[2].split(".")[0].split('"')[0]
    version = int(digits) if digits.isdigit() else 0
    if version < 17:
        raise ConfigError(f"Java {version or '?'} is too old for Kafka 4.1, which needs 17")
    return Java(program, version)


def kafka_version() -> str:
    """Version of the jars.

    Raises:
        ConfigError: they are missing.

    """
    found = sorted(JARS.glob("kafka-clients-*.jar"))
    if not found:
        raise ConfigError("the broker's jars are missing: run `make setup`")
    return found[-1].stem.removeprefix("kafka-clients-")


class EmbeddedBroker:
    """One broker under `home`, with the certificates of `tls_folder` (whose CA must exist)."""

    def __init__(self, home: Path, tls_folder: Path) -> None:
        self.home = home.resolve()
        self.tls_folder = tls_folder.resolve()
        self.log = self.home / "broker.log"
        self._pid_file = self.home / "pid"
        self._ports_file = self.home / "ports"

    @property
    def pid(self) -> int | None:
        """Pid of the running node, None when it is down."""
        return process.running(self._pid_file)

    @property
    def bootstrap(self) -> str:
        """Address for clients; it stays the same over restarts.

        Raises:
            ServiceUnavailable: the node was never started.

        """
        if not self._ports_file.exists():
            raise ServiceUnavailable("the embedded broker was never started")
        return f"localhost:{self._ports()[0]}"

    def start(self, *, seconds: float = START_SECONDS) -> str:
        """Start the node unless it runs, wait until it answers, return the bootstrap address.

        Raises:
            ConfigError: Java or the jars are missing.
            ServiceUnavailable: not ready in time, or ended; the message holds the last lines of its log.

        """
        if self.pid:
            return self.bootstrap
        java = find_java()
        kafka_version()
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.home.chmod(0o700)
        self._prepare_certificates()
        self._choose_ports()
        config = self._write_config()
        if not (self.home / "data" / "meta.properties").exists():
            self._format(java, config)
        begin = self.log.stat().st_size if self.log.exists() else 0
        process.spawn([*self._command(java), "kafka.Kafka", str(config)], self.log, self._pid_file, cwd=self.home)
        self._wait(begin, seconds)
        return self.bootstrap

    def stop(self) -> None:
        """End the node; it writes its logs out first."""
        process.stop(self._pid_file)

    def _prepare_certificates(self) -> None:
        """Issue the two certificates of the node where they are missing or about to end.

        The controller's listener is used by this process alone, inside the host; its certificate can't be exchanged
        while the node runs, so it lives longer and is renewed at a start.
        """
        for store, life in (("broker", tls.LEAF_LIFE), (CONTROLLER_STORE, CONTROLLER_LIFE)):
            certificate = self.tls_folder / store / "cert.pem"
            if not certificate.exists():
                tls.issue(self.tls_folder, "broker", unit="broker", life=life, store=store)
        tls.renew(self.tls_folder, "broker")
        if tls.due(self.tls_folder / CONTROLLER_STORE / "cert.pem"):
            tls.issue(self.tls_folder, "broker", unit="broker", life=CONTROLLER_LIFE, store=CONTROLLER_STORE)

    def _ports(self) -> list[int]:
        return [int(port) for port in self._ports_file.read_text().split()]

    def _choose_ports(self) -> None:
        if not self._ports_file.exists() or not all(process.port_free(port) for port in self._ports()):
            self._ports_file.write_text(" ".join(str(port) for port in process.free_ports(2)) + "\n")

    def _write_config(self) -> Path:
        client_port, controller_port = self._ports()
        node = tls.load(self.tls_folder, "broker")
        controller = tls.load(self.tls_folder, "broker", store=CONTROLLER_STORE)
        values = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@localhost:{controller_port}",
            "listeners": f"SSL://127.0.0.1:{client_port},CONTROLLER://127.0.0.1:{controller_port}",
            "advertised.listeners": f"SSL://localhost:{client_port}",
            "listener.security.protocol.map": "SSL:SSL,CONTROLLER:SSL",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "SSL",
            "log.dirs": self.home / "data",
            "ssl.client.auth": "required",
            "ssl.enabled.protocols": "TLSv1.3,TLSv1.2",
            "ssl.keystore.type": "PEM",
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": node.ca,
            "ssl.keystore.location": node.keystore,
            "listener.name.ssl.ssl.keystore.type": "PEM",
            "listener.name.ssl.ssl.keystore.location": node.keystore,
            "listener.name.controller.ssl.keystore.type": "PEM",
            "listener.name.controller.ssl.keystore.location": controller.keystore,
            "ssl.principal.mapping.rules": PRINCIPAL_RULES,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "false",
            "super.users": "User:broker;User:admin",
            "auto.create.topics.enable": "false",
            "message.max.bytes": MAX_RECORD_BYTES,
            "replica.fetch.max.bytes": MAX_RECORD_BYTES,
            "num.partitions": 1,
            "default.replication.factor": 1,
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 8,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 2000,
            "log.retention.check.interval.ms": 30000,
            "log.cleaner.backoff.ms": 5000,
            "num.network.threads": 2,
            "num.io.threads": 4,
            "log.cleaner.dedupe.buffer.size": 16 * 2**20,
        }
        config = self.home / "server.properties"
        config.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
        return config

    def _command(self, java: Java) -> list[str]:
        return [
            java.program, HEAP, "-XX:+UseG1GC", "-XX:+ExitOnOutOfMemoryError", "-Djava.awt.headless=true",
            f"-Dlog4j2.configurationFile={HERE / 'log4j2.yaml'}", "-cp", f"{JARS}/*",
        ]

    def _format(self, java: Java, config: Path) -> None:
        # Kafka refuses cluster ids that begin with '-'
        cluster = "x" + urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()[1:]
        command = [*self._command(java), "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(config)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=START_SECONDS, cwd=self.home)
        if done.returncode:
            raise ServiceUnavailable(f"the broker's storage can't be made:\n{(done.stdout + done.stderr)[-2000:]}")

    def _wait(self, begin: int, seconds: float) -> None:
        """Wait until the log since `begin` says ready and the listener takes connections."""
        deadline, port = time.monotonic() + seconds, self._ports()[0]
        while time.monotonic() < deadline:
            if not self.pid:
                raise ServiceUnavailable(f"the embedded broker ended at its start:\n{process.tail(self.log)}")
            with self.log.open("rb") as log:
                log.seek(begin)
                ready = READY_LINE.encode() in log.read()
            if ready and _listens(port):
                return
            time.sleep(0.1)
        self.stop()
        raise ServiceUnavailable(f"the embedded broker wasn't ready after {seconds:.0f} s:\n{process.tail(self.log)}")


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
