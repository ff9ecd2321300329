"""Mutual TLS over a running server: who is let in, who is refused, and how."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from infra.https import HttpsClient, HttpsServer, caller, matches
from infra.tls import create_ca, issue
from schemas.errors import AccessDenied, ConfigError, MalformedRecord, ServiceUnavailable, UsageError


async def app(scope, receive, send):
    """Says who called."""
    if scope["type"] == "lifespan":
        return
    if scope["path"] == "/fail":
        raise ServiceUnavailable("on purpose")
    body = json.dumps({"caller": caller(scope)}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pki")
    create_ca(folder)
    return folder


@pytest.fixture(scope="module")
def server(pki):
    with HttpsServer(app, issue(pki, "operator"), ("forensic", "authority-*")) as running:
        yield running


@pytest.mark.parametrize("principal", ["forensic", "authority-police"])
def test_named_principal_is_let_in_and_known(pki, server, principal):
    with HttpsClient(server.url, issue(pki, principal)) as client:
        assert client.get("/").json() == {"caller": principal}


@pytest.mark.parametrize("principal", ["camera-1", "forensic2", "pipeline"])
def test_other_principal_is_refused(pki, server, principal):
    with HttpsClient(server.url, issue(pki, principal)) as client, pytest.raises(AccessDenied):
        client.get("/")


async def hostile(scope, receive, send):
    """Answers with more than was asked for: a gigabyte packed into one megabyte, or bytes without an end."""
    if scope["type"] == "lifespan":
        return
    packed, status = scope["path"] == "/packed", 404 if scope["path"] == "/gone" else 200
    headers = [(b"content-encoding", b"gzip")] if packed else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    body = gzip.compress(bytes(2**20)) if packed else bytes(2**20)
    with suppress(OSError):
        for _ in range(64):
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def test_answer_that_is_packed_or_too_long_is_refused(pki):
    with HttpsServer(hostile, issue(pki, "operator"), ("forensic",)) as running:
        with HttpsClient(running.url, issue(pki, "forensic")) as client:
            for call in (client.get, lambda path: client.download(path, lambda piece: None)):
                with pytest.raises(MalformedRecord, match="packed"):
                    call("/packed")
            with pytest.raises(MalformedRecord, match="longer than 2,097,152"):
                client.request("GET", "/long", most=2**21)
            assert len(client.request("GET", "/long").content) == 2**26
            taken = []
            assert client.download("/long", lambda piece: taken.append(len(piece))).status_code == 200
            assert sum(taken) == 2**26
            with pytest.raises(MalformedRecord, match="longer"):
                client.download("/gone", taken.append)


@pytest.mark.parametrize(("header", "status"), [
    (b"Content-Length: 1048576", b"200"), (b"Content-Length: 1048577", b"413"),
    (b"Transfer-Encoding: chunked", b"411"), (b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"411"),
])  # fmt: skip
def test_body_that_is_too_large_or_endless_is_refused_before_it_is_read(pki, server, header, status):
    context = issue(pki, "forensic").client_context()
    with socket.create_connection(("localhost", server.port)) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as tls:
            tls.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\n" + header + b"\r\n\r\n")
            assert tls.recv(100).split()[1] == status


def test_broker_certificate_is_refused(pki, server):
    with HttpsClient(server.url, issue(pki, "forensic", unit="broker", store="b")) as client:
        with pytest.raises(AccessDenied):
            client.get("/")


def test_expired_certificate_is_refused(pki, server):
    old = issue(pki, "forensic", life=timedelta(days=1), now=datetime.now(UTC) - timedelta(days=3), store="old")
    with HttpsClient(server.url, old) as client, pytest.raises(AccessDenied):
        client.get("/")


def test_certificate_of_another_ca_is_refused_by_both_sides(pki, server, tmp_path):
    create_ca(tmp_path)
    with HttpsClient(server.url, issue(tmp_path, "forensic")) as client, pytest.raises(AccessDenied):
        client.get("/")


def test_caller_without_certificate_is_refused(pki, server):
    context = ssl.create_default_context(cafile=str(pki / "ca.pem"))
    with socket.create_connection(("localhost", server.port)) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as tls:
            answer = b""
            with suppress(OSError):
                tls.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                answer = tls.recv(100)
    assert answer == b""


def test_plain_http_gets_nothing(server):
    with socket.create_connection(("localhost", server.port)) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert plain.recv(100) == b""


def test_renewed_certificate_is_taken_without_a_restart(pki, server):
    renewed = issue(pki, "operator")
    asyncio.run(server._renew())
    with HttpsClient(server.url, issue(pki, "forensic")) as client:
        assert client.get("/").status_code == 200
    context = renewed.client_context()
    with socket.create_connection(("localhost", server.port)) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as tls:
            served = ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True) or b"")
    assert served.split() == renewed.cert.read_text().split()


def test_failing_and_unreachable_servers_are_unavailable(pki, server):
    forensic = issue(pki, "forensic")
    with HttpsClient(server.url, forensic) as client, pytest.raises(ServiceUnavailable):
        client.get("/fail")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError):
            HttpsServer(app, forensic, (), port=port)
    with HttpsClient(f"https://localhost:{port}", forensic, seconds=2) as client, pytest.raises(ServiceUnavailable):
        client.get("/")


def test_plain_address_is_wrong_use(pki):
    with pytest.raises(UsageError):
        HttpsClient("http://localhost:1", issue(pki, "forensic"))


@pytest.mark.parametrize(
    ("principal", "patterns", "held"),
    [("a", ("a",), True), ("ab", ("a",), False), ("a-b", ("a-*",), True), ("", ("*",), False), ("a", (), False)],
)
def test_patterns_name_principals_or_prefixes(principal, patterns, held):
    assert matches(principal, patterns) is held
