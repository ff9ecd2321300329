"""A browser for the session, and what it looks at: folders over plain HTTP, apps over plain HTTP on loopback."""

from __future__ import annotations

import http.server
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, Page

from infra import tls
from tests.support.browser import chromium, opened
from tests.support.city import City, city
from tests.support.services import Postgres


class _Files(http.server.SimpleHTTPRequestHandler):
    """Files of a folder; one byte range a request, without which no browser seeks over HTTP."""

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        if asked is None or not path.is_file():
            return super().do_GET()
        data, first = path.read_bytes(), int(asked[1])
        last = min(int(asked[2] or len(data) - 1), len(data) - 1)
        self.send_response(206)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.send_header("Content-Length", str(last + 1 - first))
        self.end_headers()
        self.wfile.write(data[first : last + 1])


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser hangs up in the middle of an answer when it seeks."""


@contextmanager
def _folder(folder: Path) -> Iterator[str]:
    server = _Server(("127.0.0.1", 0), partial(_Files, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def _app(app: FastAPI) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none", timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    deadline = time.monotonic() + 15
    while not server.started:
        assert thread.is_alive() and time.monotonic() < deadline, "the app's server didn't start"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """A headless Chromium for this folder: Playwright keeps an event loop in the main thread while it runs."""
    with chromium() as started:
        yield started


@pytest.fixture
def window(browser: Browser) -> Iterator[Page]:
    """A window of its own."""
    with opened(browser, quiet=("favicon.ico",)) as page:
        yield page


@pytest.fixture
def serve() -> Iterator[Callable[[Path | FastAPI], str]]:
    """Serve a folder or an app until the test's end; gives its address."""
    with ExitStack() as running:
        yield lambda what: running.enter_context(_app(what) if isinstance(what, FastAPI) else _folder(what))


@pytest.fixture(scope="package")
def town(
    ca: Path, postgres_authority: Postgres, postgres_operator: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[City]:
    """The platforms, started once; whatever takes something away comes in the last tests."""
    with city(tmp_path_factory.mktemp("city"), ca, postgres_authority, postgres_operator) as running:
        yield running


@pytest.fixture
def people(town: City, browser: Browser) -> Iterator[Callable[[str], Page]]:
    """A window for each person, by their certificate; whatever the console says but a refusal fails the test."""
    with ExitStack() as windows:
        pages: dict[str, Page] = {}

        def window(principal: str) -> Page:
            if principal not in pages:
                held = tls.issue(town.ca, principal)
                files: dict[str, Any] = {"origin": town.desk, "certPath": str(held.cert), "keyPath": str(held.key)}
                pages[principal] = windows.enter_context(opened(
                    browser, quiet=("status of 40", "status of 42"), client_certificates=[files],
                    ignore_https_errors=True,
                ))
            return pages[principal]

        yield window
