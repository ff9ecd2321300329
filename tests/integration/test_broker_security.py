from __future__ import annotations

import socket
import ssl
import stat
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra import tls
from infra.broker import CONTROLLER_STORE, EmbeddedBroker
from infra.kafka import KafkaAccess
from infra.kafka_admin import KafkaAdmin
from schemas.errors import AccessDenied, ServiceUnavailable
from schemas.topics import ALARMS, OPERATOR_VIDEO, RAW, topics
from tests.support.kafka_calls import join, write
from tests.support.services import Broker, unique

SPECS = topics(["city-faces"])


def call(access: KafkaAccess) -> int:
    return KafkaAdmin(access).brokers(seconds=8)


# certificates and transport


def test_foreign_certificate_is_refused(broker: Broker, tmp_path: Path) -> None:
    tls.create_ca(tmp_path / "tls")
    foreign = tls.issue(tmp_path / "tls", "admin")
    with pytest.raises(AccessDenied):
        call(KafkaAccess(broker.bootstrap, replace(foreign, ca=broker.tls_folder / "ca.pem")))


def test_foreign_broker_is_refused_by_the_client(broker: Broker, tmp_path: Path) -> None:
    tls.create_ca(tmp_path / "tls")
    with pytest.raises(AccessDenied):
        call(KafkaAccess(broker.bootstrap, tls.issue(tmp_path / "tls", "admin")))


@pytest.mark.parametrize("days", [-40, 5])
def test_certificate_outside_its_life_is_refused(broker: Broker, days: int) -> None:
    issued = datetime.now(UTC) + timedelta(days=days)
    identity = tls.issue(broker.tls_folder, "admin", now=issued, store=unique("admin"))
    with pytest.raises(AccessDenied):
        call(KafkaAccess(broker.bootstrap, identity))


def test_expired_certificate_writing_and_reading_is_refused(broker: Broker) -> None:
    issued = datetime.now(UTC) - timedelta(days=40)
    access = KafkaAccess(broker.bootstrap, tls.issue(broker.tls_folder, "operator", now=issued, store=unique("old")))
    with pytest.raises(AccessDenied):
        write(access, ALARMS)
    with pytest.raises(AccessDenied):
        join(access, OPERATOR_VIDEO, "operator")


def test_signer_certificate_is_refused(broker: Broker) -> None:
    signer = tls.issue_signer(broker.tls_folder, "admin")
    identity = replace(broker.identity("admin"), cert=signer.cert, key=signer.key)
    with pytest.raises((AccessDenied, ServiceUnavailable)):
        call(KafkaAccess(broker.bootstrap, identity))


def _ports(broker: Broker) -> list[int]:
    config = (broker.server.home / "server.properties").read_text()
    listeners = next(line for line in config.splitlines() if line.startswith("listeners="))
    return [int(part.rsplit(":", 1)[1]) for part in listeners.split(",")]


def _answer(connection: socket.socket) -> bytes:
    """What comes back for an ApiVersions request, the first that every client sends."""
    request = bytes.fromhex("0012 0000 00000001 0004 74657374".replace(" ", ""))
    connection.sendall(len(request).to_bytes(4, "big") + request)
    return connection.recv(64)


@pytest.mark.parametrize("listener", ["clients", "controller"])
def test_plain_tcp_gets_no_answer(broker: Broker, listener: str) -> None:
    port = _ports(broker)[listener == "controller"]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        try:
            answer = _answer(connection)
        except ConnectionResetError:
            answer = b""
    # nothing, or a TLS alert record (type 21)
    assert answer == b"" or answer[0] == 21


@pytest.mark.parametrize("listener", ["clients", "controller"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_no_certificate_gets_no_answer(broker: Broker, listener: str, version: ssl.TLSVersion) -> None:
    context = ssl.create_default_context(cafile=str(broker.tls_folder / "ca.pem"))
    context.minimum_version = context.maximum_version = version
    port = _ports(broker)[listener == "controller"]
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        pytest.raises((ssl.SSLError, ConnectionResetError)),
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        if not _answer(connection):
            raise ConnectionResetError


def test_client_with_certificate_gets_an_answer(broker: Broker) -> None:
    context = broker.identity("operator").client_context()
    with (
        socket.create_connection(("127.0.0.1", _ports(broker)[0]), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        assert _answer(connection)


def test_controller_listener_refuses_an_ordinary_client(broker: Broker) -> None:
    context = broker.identity("operator").client_context()
    with (
        socket.create_connection(("127.0.0.1", _ports(broker)[1]), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        # Fetch of the metadata log, version 4, without rights: the answer holds no record batch
        body = bytes.fromhex("0001 0004 00000001 0004 74657374 ffffffff 000001f4 00000001 00100000 00"
                             "00000001 0012 5f5f636c75737465725f6d65746164617461 00000001 00000000"
                             "0000000000000000 00100000".replace(" ", ""))
        connection.sendall(len(body).to_bytes(4, "big") + body)
        try:
            answer = connection.recv(4096)
        except (ConnectionResetError, ssl.SSLError):
            answer = b""
    assert len(answer) < 100


# the server


def _serial(broker: Broker) -> object:
    context = broker.identity("operator").client_context()
    with (
        socket.create_connection(("127.0.0.1", _ports(broker)[0]), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        return (connection.getpeercert() or {})["serialNumber"]


def _eventually(condition: Callable[[], bool]) -> bool:
    for _ in range(50):
        if condition():
            return True
        time.sleep(0.1)
    return False


def test_broker_certificate_is_renewed_while_it_runs(broker: Broker) -> None:
    before, pid = _serial(broker), broker.server.pid
    with broker.camera("7").producer() as producer:
        producer.send(RAW, b"7", b"before")
        assert tls.renew(broker.tls_folder, "broker", force=True)
        broker.admin().reload_certificate(tls.load(broker.tls_folder, "broker").keystore)
        assert _eventually(lambda: _serial(broker) != before)
        producer.send(RAW, b"7", b"after")
    assert broker.server.pid == pid


def test_files_of_the_broker_are_closed_to_others(broker: Broker) -> None:
    assert stat.S_IMODE(broker.server.home.stat().st_mode) == 0o700
    for store in ("broker", CONTROLLER_STORE):
        assert stat.S_IMODE((broker.tls_folder / store / "keystore.pem").stat().st_mode) == 0o600


def test_denials_are_logged(broker: Broker) -> None:
    with pytest.raises(AccessDenied):
        write(broker.access("operator"), RAW)
    assert _eventually(lambda: "User:operator is Denied" in broker.server.log.read_text())


def test_broker_restarts_with_records_and_address(services_home: Path, ca: Path) -> None:
    first = EmbeddedBroker(services_home / "broker-restart", ca)
    with pytest.raises(ServiceUnavailable):
        _ = first.bootstrap
    address = first.start()
    second = EmbeddedBroker(services_home / "broker-restart", ca)
    try:
        access = KafkaAccess(address, tls.issue(ca, "admin", store=unique("admin")))
        KafkaAdmin(access).apply(SPECS)
        with access.producer() as producer:
            producer.send(ALARMS, b"k", b"first")
            producer.flush()
            assert second.pid == first.pid is not None
            second.stop()
            assert first.pid is None
            producer.send(ALARMS, b"k", b"second")
            assert second.start() == address
        with access.consumer("admin") as consumer:
            assert [message.value for message in consumer.read_all(ALARMS)] == [b"first", b"second"]
    finally:
        second.stop()
