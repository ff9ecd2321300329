"""Health and Prometheus figures: how long certificates last; a server for services that have none, loopback only."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from infra import tls
from schemas.errors import ConfigError


def run_out(identity: tls.Identity, registry: CollectorRegistry | None = None) -> Callable[[], str]:
    """Why whoever reads these certificates now has to be started anew, once it has; the registry says until when."""
    ends = tls.ends(identity)
    if registry is not None:
        Gauge(
            "sealframe_certificates_end_seconds", "When the certificates that this service runs with run out",
            registry=registry,
        ).set(ends.timestamp())

    def why() -> str:
        if datetime.now(UTC) < ends:
            return ""
        return f"certificates of {identity.principal} ran out at {ends:%Y-%m-%dT%H:%M:%SZ}: renew them, start it again"

    return why


class HealthServer:
    """Serves until stopped. `failing`: why the service doesn't work, or nothing; port 0 takes any free one."""

    def __init__(self, registry: CollectorRegistry, failing: Callable[[], str], port: int = 0) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # noqa: N802
                """Answer a probe."""
                if self.path == "/health":
                    why = failing()
                    self._give(503 if why else 200, "application/json", json.dumps({"failing": why}).encode())
                elif self.path == "/metrics":
                    self._give(200, CONTENT_TYPE_LATEST, generate_latest(registry))
                else:
                    self._give(404, "text/plain", b"/health or /metrics\n")

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
                """Say nothing of each probe."""

            def _give(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        except OSError as error:
            raise ConfigError(f"health port {port}: {error.strerror}") from error
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
