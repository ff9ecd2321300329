"""Silent, slow and crowding connections to a running server, by real sockets: nobody keeps others out."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from infra.https import HttpsServer, Receive, Scope, Send
from infra.places import PLACES, PLACES_EACH, network
from infra.tls import create_ca, issue

HEAD = b"%s HTTP/1.1\r\nHost: localhost\r\n\r\n"
LARGE = bytes(2**25)
SECONDS = 0.6


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the body, then answers; `/large` at once with more than the system's buffers hold."""
    if scope["type"] == "lifespan":
        return
    while (await receive()).get("more_body"):
        pass
    body = LARGE if scope["path"] == "/large" else b"ok"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    create_ca(folder)
    issue(folder, "issuer")
    return folder


@pytest.fixture
def server(pki: Path, request: pytest.FixtureRequest) -> Iterator[HttpsServer]:
    seconds = getattr(request, "param", SECONDS)
    with HttpsServer(app, issue(pki, "issuer"), (), browsers=True, head_seconds=seconds) as running:
        yield running


class Caller:
    """Opens connections to the server from any address of this machine; closes them at the end."""

    def __init__(self, server: HttpsServer, pki: Path) -> None:
        self._port, self._context = server.port, ssl.create_default_context(cafile=pki / "ca.pem")
        self._open = ExitStack()

    def plain(self, address: str = "127.0.0.1") -> socket.socket:
        """A connection without TLS."""
        made = socket.create_connection(("127.0.0.1", self._port), timeout=20, source_address=(address, 0))
        return self._open.enter_context(made)

    def tls(self, address: str = "127.0.0.1") -> ssl.SSLSocket:
        """A connection with TLS."""
        return self._open.enter_context(self._context.wrap_socket(self.plain(address), server_hostname="localhost"))

    def get(self, address: str = "127.0.0.1") -> bytes:
        """The status that somebody at this address gets."""
        return asked(self.tls(address))

    def close(self) -> None:
        """Close all."""
        self._open.close()


@pytest.fixture
def caller(server: HttpsServer, pki: Path) -> Iterator[Caller]:
    made = Caller(server, pki)
    yield made
    made.close()


def asked(connection: ssl.SSLSocket, path: bytes = b"GET /") -> bytes:
    """The status of an answer; empty for none."""
    connection.sendall(HEAD % path)
    got = b""
    while not got.endswith(b"ok") and (piece := connection.recv(1000)):
        got += piece
    return got[9:12]


def seconds_open(connection: socket.socket) -> float:
    """How long until the other side ends it."""
    begun = time.monotonic()
    with suppress(OSError):
        while connection.recv(2**16):
            pass
    return time.monotonic() - begun


@pytest.mark.parametrize("kind", ["no TLS", "half a handshake", "no request", "after an answer"])
def test_silent_connection_is_cut(caller: Caller, kind: str) -> None:
    connection = caller.tls() if kind in ("no request", "after an answer") else caller.plain()
    if kind == "half a handshake":
        connection.sendall(b"\x16\x03\x01\x02\x00\x01")
    if isinstance(connection, ssl.SSLSocket) and kind == "after an answer":
        assert asked(connection) == b"200"
    assert SECONDS / 2 < seconds_open(connection) < SECONDS + 2


@pytest.mark.parametrize("begin", [b"", HEAD % b"GET /", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n"],
                         ids=["head", "head after an answer", "body"])
def test_request_sent_byte_by_byte_is_cut(caller: Caller, begin: bytes) -> None:
    connection, begun = caller.tls(), time.monotonic()
    connection.sendall(begin)
    with pytest.raises(OSError):
        while time.monotonic() < begun + 10:
            connection.sendall(b"G")
            time.sleep(0.05)
    assert SECONDS / 2 < time.monotonic() - begun < SECONDS + 2


def test_answer_that_is_read_slowly_arrives_whole(caller: Caller) -> None:
    connection, got = caller.tls(), 0
    connection.sendall(HEAD % b"GET /large")
    while got < len(LARGE):
        piece = connection.recv(2**14)
        assert piece, f"cut after {got} bytes"
        got += len(piece)
        time.sleep(0.0015)


def test_connection_in_use_is_kept(caller: Caller) -> None:
    connection = caller.tls()
    for _ in range(6):
        assert asked(connection) == b"200"
        time.sleep(SECONDS / 3)


@pytest.mark.parametrize("server", [60.0], indirect=True)
def test_silent_connections_of_one_address_keep_nobody_out(caller: Caller) -> None:
    kept = caller.tls("127.0.0.2")
    for _ in range(PLACES // 4):
        caller.plain(), caller.tls()
    first = [caller.tls() for _ in range(PLACES)]
    assert caller.get() == caller.get("127.0.0.3") == asked(kept) == b"200"
    assert seconds_open(first[0]) < 2


@pytest.mark.parametrize("server", [60.0], indirect=True)
def test_silent_connections_of_many_addresses_keep_nobody_out(caller: Caller) -> None:
    kept = caller.tls("127.0.0.2")
    for number in range(2 * PLACES):
        caller.tls(f"127.0.1.{number % 8}")
    assert caller.get("127.0.0.3") == asked(kept) == b"200"


@pytest.mark.parametrize("server", [60.0], indirect=True)
def test_address_with_requests_in_all_its_places_is_reset_and_others_are_not(caller: Caller) -> None:
    for _ in range(PLACES_EACH):
        caller.tls().sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n")
    time.sleep(0.3)
    with pytest.raises(ConnectionResetError):
        caller.get()
    assert caller.get("127.0.0.2") == b"200"


@pytest.mark.parametrize(("address", "counted"), [
    ("192.0.2.7", "192.0.2.7"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"), ("::ffff:192.0.2.7", "192.0.2.7"),
    ("fe80::1%eth0", "fe80::/64"), ("", ""), ("unknown", "unknown"),
])
def test_address_is_counted_by_what_one_host_has(address: str, counted: str) -> None:
    assert network(address) == counted
