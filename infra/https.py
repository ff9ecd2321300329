"""HTTPS: between platforms by mutual TLS, to browsers by the server's alone; the only place that makes either side.

A server demands a client certificate of the CA (`OU=client`) and answers only the principals it names; the app reads
who calls from `caller(scope)`. Nothing resumes a session, so that every connection shows its certificate.

A connection that is silent, or slow to send its request, is cut, and one address can't take all places:
`infra/places.py` says after how long, how many there are, and what that means behind a proxy.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from infra.places import HEAD_SECONDS, PLACES, Listener, Place, network
from infra.tls import Identity, expires
from schemas.errors import AccessDenied, ConfigError, MalformedRecord, ServiceUnavailable, UsageError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

PRINCIPAL, PEER = "principal", "peer"
START_SECONDS = 15.0
PIECE_BYTES = 2**18
RENEWAL_CHECK_SECONDS = 30
MAX_REASON = 300
MAX_BODY_BYTES = 2**20
MAX_ANSWER_BYTES = 2**28
"""What a client takes of an answer at most, unless told otherwise; nobody's word is taken for how large it is."""
log = logging.getLogger(__name__)


def caller(scope: Mapping[str, Any]) -> str:
    """Principal of the client certificate of a request; empty when it has none that counts."""
    return str(scope.get("state", {}).get(PRINCIPAL, ""))


def address_of(scope: Mapping[str, Any]) -> str:
    """Under what the address of a request is counted, see `infra.places.network`; empty when it has none."""
    client = scope.get("client")
    return network(client[0]) if client else ""


def matches(principal: str, patterns: Sequence[str]) -> bool:
    """The principal is named, or begins as a pattern that ends in `*` does."""
    return bool(principal) and any(
        principal.startswith(p[:-1]) if p.endswith("*") else principal == p for p in patterns
    )


class HttpsServer:
    """An ASGI app behind mutual TLS, served from a thread of its own."""

    def __init__(
        self, app: App, identity: Identity, allowed: Sequence[str], *, host: str = "127.0.0.1", port: int = 0,
        browsers: bool = False, body_bytes: Callable[[str], int] = lambda path: MAX_BODY_BYTES,
        head_seconds: float = HEAD_SECONDS,
    ) -> None:
        """Bind the port (0: any free one) and prepare to answer `allowed` principals.

        `browsers`: no caller shows a certificate, so the app itself has to know whom it answers; `allowed` is empty.
        `body_bytes`: how much a request to a path may bring; more is refused before any of it is read.
        `head_seconds`: how long a connection may wait without a whole head.

        Raises:
            ConfigError: the address can't be bound, or certificate files are unusable.

        """
        self._identity = identity
        try:
            self._context = identity.server_context(browsers=browsers)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"certificate files of {identity.principal} are unusable") from error
        self._context.num_tickets = 0
        self._context.options |= ssl.OP_NO_TICKET
        self._loaded = self._stamp()
        try:
            self._socket = Listener(host, port, head_seconds)
        except OSError as error:
            raise ConfigError(f"{host}:{port} can't be bound: {error.strerror}") from error
        self.host, self.port = host, int(self._socket.getsockname()[1])
        self._server = uvicorn.Server(uvicorn.Config(
            _Bounded(_Placed(app if browsers else _OnlyFor(app, tuple(allowed)), self._socket.places), body_bytes),
            http=_Protocol,
            ws="none",
            ssl_context_factory=lambda config, default: self._context,
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=PLACES + 1,
            timeout_graceful_shutdown=5,
            callback_notify=self._renew,
            timeout_notify=RENEWAL_CHECK_SECONDS,
        ))
        self._thread = threading.Thread(target=self._run, name=f"https-{self.port}", daemon=True)

    @property
    def url(self) -> str:
        """Base address."""
        return f"https://{'localhost' if self.host in ('127.0.0.1', '0.0.0.0') else self.host}:{self.port}"  # noqa: S104

    def start(self) -> Self:
        """Serve; return when requests are answered.

        Raises:
            ServiceUnavailable: it didn't come up.

        """
        self._thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise ServiceUnavailable(f"the server on port {self.port} didn't start")
            time.sleep(0.01)
        return self

    def check(self) -> None:
        """Look whether it still serves.

        Raises:
            ServiceUnavailable: it ended by itself.

        """
        if self._thread.ident is not None and not self._thread.is_alive() and not self._server.should_exit:
            raise ServiceUnavailable(f"the server on port {self.port} ended by itself")

    def stop(self) -> None:
        """Finish open requests (5 s at most) and stop."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))

    def _stamp(self) -> tuple[int, int]:
        return self._identity.cert.stat().st_mtime_ns, self._identity.key.stat().st_mtime_ns

    async def _renew(self) -> None:
        """Take renewed certificate files for the connections to come."""
        try:
            stamp = self._stamp()
            if stamp != self._loaded:
                self._context.load_cert_chain(self._identity.cert, self._identity.key)
                self._loaded = stamp
        except (OSError, ssl.SSLError):
            log.warning("certificate files of %s are being replaced; trying again", self._identity.principal)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class HttpsClient:
    """Calls one server as one principal, or as nobody; errors leave as those of `schemas.errors`. Safe for threads."""

    def __init__(
        self, base_url: str, identity: Identity | None, *, seconds: float = 30.0, ca: Path | None = None
    ) -> None:
        """`seconds`: how long connecting, sending and each piece of an answer may take.

        Without an identity it calls as nobody, a server of the CA in this file (None: of one that the system trusts).
        """
        if not base_url.startswith("https://"):
            raise UsageError("platforms are called over https only")
        self._identity = identity
        context = identity.client_context() if identity else ssl.create_default_context(cafile=ca)
        self._client = httpx.Client(
            base_url=base_url, verify=context, timeout=seconds, trust_env=False, headers={"Accept-Encoding": "identity"}
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        json: Any = None,
        most: int = MAX_ANSWER_BYTES,
    ) -> httpx.Response:
        """One request; any answer below 500 but 401 and 403 is returned, of at most so many bytes.

        Raises:
            AccessDenied: the server refuses this certificate or principal, or isn't who it should be.
            ServiceUnavailable: out of reach, too slow, or failing.
            MalformedRecord: a longer answer, or one that would have to be unpacked.

        """
        with self._errors(f"{method} {path}"), self._client.stream(
            method, path, params=params, headers=headers, content=content, json=json
        ) as response:
            return _answered(_whole(response, f"{method} {path}", most), f"{method} {path}")

    def download(self, path: str, write: Callable[[bytes], object]) -> httpx.Response:
        """GET whose body is handed on piece by piece where the answer is 200, whatever its size; else as `request`."""
        with self._errors(f"GET {path}"), self._client.stream("GET", path) as response:
            if response.status_code != 200:
                return _answered(_whole(response, f"GET {path}", MAX_BODY_BYTES), f"GET {path}")
            for piece in _pieces(response, f"GET {path}"):
                write(piece)
            return response

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except httpx.HTTPError as error:
            # a server's TLS alert is lost with the connection, so our own certificate is looked at too
            if _refused(error) or (self._identity and expires(self._identity.cert) < datetime.now(UTC)):
                raise AccessDenied(f"{what}: TLS refused") from error
            raise ServiceUnavailable(f"{what}: {type(error).__name__}") from error

    def get(
        self, path: str, *, params: Mapping[str, str | int] | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """GET; see `request`."""
        return self.request("GET", path, params=params, headers=headers)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _pieces(response: httpx.Response, what: str) -> Iterator[bytes]:
    """A body as it comes; one that is packed could be a thousand times as large."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise MalformedRecord(f"{what}: the answer is packed, which nobody asked for")
    yield from response.iter_raw(PIECE_BYTES)


def _whole(response: httpx.Response, what: str, most: int) -> httpx.Response:
    """The answer with its body in memory."""
    body = bytearray()
    for piece in _pieces(response, what):
        body += piece
        if len(body) > most:
            raise MalformedRecord(f"{what}: the answer is longer than {most:,} bytes")
    headers = [(name, value) for name, value in response.headers.multi_items() if name != "transfer-encoding"]
    return httpx.Response(response.status_code, headers=headers, content=bytes(body), request=response.request)


def _answered(response: httpx.Response, what: str) -> httpx.Response:
    """An answer below 500 but 401 and 403; the others are errors."""
    if response.status_code in (401, 403):
        raise AccessDenied(f"{what}: refused{_reason(response)}")
    if response.status_code >= 500:
        raise ServiceUnavailable(f"{what}: status {response.status_code}")
    return response


class _Placed:
    """Tells a connection's place when a request is under way, and when its body has come."""

    def __init__(self, app: App, places: Mapping[Any, Place]) -> None:
        self._app, self._places = app, places

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        place = self._places.get(scope.get("state", {}).get(PEER))
        if place is None:
            await self._app(scope, receive, send)
            return
        place.begin(int(dict(scope["headers"]).get(b"content-length", b"0")))
        try:
            await self._app(scope, place.listening(receive), send)
        finally:
            place.end()


class _Protocol(H11Protocol):
    """HTTP/1.1 that puts the principal of the client certificate and the other side's port into a request's state."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        certificate, peer = (transport.get_extra_info(name) for name in ("peercert", "peername"))
        self.app_state = {**self.app_state, PRINCIPAL: _principal(certificate), PEER: peer}


class _OnlyFor:
    """Lets named principals through to an app, refuses all others."""

    def __init__(self, app: App, allowed: tuple[str, ...]) -> None:
        self._app, self._allowed = app, allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or matches(caller(scope), self._allowed):
            await self._app(scope, receive, send)
            return
        await _refuse(send, 403, b'{"error":"AccessDenied"}')


class _Bounded:
    """Refuses bodies that are too large or don't say their size: an app may hold a body before it asks who calls."""

    def __init__(self, app: App, most: Callable[[str], int]) -> None:
        self._app, self._most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"]) if scope["type"] == "http" else {}
        size = headers.get(b"content-length", b"0")
        if b"transfer-encoding" in headers:
            await _refuse(send, 411, b'{"error":"UsageError","text":"say how large the body is"}')
        elif headers and (not size.isdigit() or len(size) > 18 or int(size) > self._most(scope["path"])):
            await _refuse(send, 413, b'{"error":"UsageError","text":"the body is too large"}')
        else:
            await self._app(scope, receive, send)


async def _refuse(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()),
               (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _principal(certificate: Mapping[str, Any] | None) -> str:
    """Common name of a verified certificate with `OU=client`, else nothing."""
    names = [pair for part in (certificate or {}).get("subject", ()) for pair in part]
    common = [value for name, value in names if name == "commonName"]
    units = [value for name, value in names if name == "organizationalUnitName"]
    return str(common[0]) if len(common) == 1 and units == ["client"] else ""


def _reason(response: httpx.Response) -> str:
    """What a refusing server says in JSON, `text`; nothing where it says nothing that can be shown."""
    try:
        said = response.json()
    except ValueError:
        return ""
    text = said.get("text") if isinstance(said, dict) else None
    return f": {text[:MAX_REASON]}" if isinstance(text, str) and text.isprintable() else ""


def _refused(error: BaseException) -> bool:
    """A TLS alert or a failed verification is among the causes."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
