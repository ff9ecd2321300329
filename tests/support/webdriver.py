"""A headless Chromium over the WebDriver protocol (W3C), with nothing but the standard library."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


class Browser:
    """One window."""

    def __init__(self, base: str) -> None:
        self._base = base
        options = {"args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--mute-audio",
                            "--autoplay-policy=no-user-gesture-required"]}
        value = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}})
        self._base += f"/session/{value['sessionId']}"

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """One command; its value."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self._base + path, data, {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def open(self, url: str) -> None:
        """Load a page."""
        self.call("POST", "/url", {"url": url})

    def run(self, script: str, *args: object) -> Any:
        """Run the body of an async function in the page; its result."""
        self.call("POST", "/timeouts", {"script": 30_000})
        body = f"const [done] = [arguments[arguments.length - 1]]; const args = [...arguments].slice(0, -1);" \
               f"(async () => {{ {script} }})().then(v => done({{ok: v}}), e => done({{error: String(e)}}));"
        result = self.call("POST", "/execute/async", {"script": body, "args": list(args)})
        if "error" in result:
            raise AssertionError(result["error"])
        return result.get("ok")

    def close(self) -> None:
        """End the window."""
        self.call("DELETE", "")


@contextmanager
def browser() -> Iterator[Browser]:
    """A headless Chromium; skips where chromium or chromedriver is missing."""
    driver = shutil.which("chromedriver")
    if driver is None or shutil.which("chromium") is None:
        pytest.skip("no browser: install chromium and chromium-driver")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([driver, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield from _session(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait()


def _session(base: str) -> Iterator[Browser]:
    for _ in range(100):
        try:
            with urllib.request.urlopen(base + "/status", timeout=5):
                break
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    window = Browser(base)
    try:
        yield window
    finally:
        window.close()
