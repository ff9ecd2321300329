"""Services that end: the log says why, and who wasn't told to end fails."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn

from infra.https import HttpsServer
from infra.tls import create_ca, issue
from operators.sign import SigningKey
from schemas.errors import SealframeError, ServiceUnavailable
from streams.operating.service import OperatorService, OperatorSetup
from streams.readiness import Responder
from tests.support.operating import certified_key
from tests.support.operator_video import identify


@contextmanager
def started(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A process whose first line of output has been read."""
    child = subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        cwd=Path(__file__).parents[2],
    )
    with child:
        try:
            assert child.stdout is not None and child.stdout.readline()
            yield child
        finally:
            child.kill()


def rest(child: subprocess.Popen[str]) -> str:
    """What it says until it has ended."""
    assert child.stdout is not None
    guard = threading.Timer(60, child.send_signal, [signal.SIGABRT])
    guard.start()
    try:
        said = child.stdout.read()
        child.wait(30)
    finally:
        guard.cancel()
    return said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_service_told_to_end_says_by_which_signal(number: signal.Signals) -> None:
    with started(["-m", "tests.support.ending_child", "wait"]) as child:
        child.send_signal(number)
        said = rest(child)
    assert child.returncode == 0
    assert re.match(rf"\d{{4}}-\S+ \S+ WARNING \S+ a service ends, told to by {number.name}\n", said)


@pytest.mark.parametrize(
    ("end", "why"),
    [("pipe", "a service ended by BrokenPipeError"), ("eof", "a service ended by EOFError"),
     ("exit", "a service ended by SystemExit"), ("return", "a service ended without having been told to"),
     ("crash", "Fatal Python error: Segmentation fault")],
)
def test_service_that_ends_by_itself_says_why_and_fails(end: str, why: str) -> None:
    with started(["-m", "tests.support.ending_child", end]) as child:
        said = rest(child)
    assert child.returncode != 0
    assert why in said


# The second of two that follow each other at once joins its group in the place of the first.
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGTERM, signal.SIGHUP, signal.SIGSEGV])
def test_operating_platform_that_gets_a_signal_says_so(
    broker, ca, operator_postgres, operator_database, tmp_path, number: signal.Signals
) -> None:
    certified_key(ca, "operator")
    broker.identity("operator")
    access = operator_postgres.app()
    command = ["-m", "streams.cli", "operator", "--bootstrap", broker.bootstrap, "--tls", str(ca), "--database",
               access.conninfo, "--password-file", str(access.password_file), "--folder", str(tmp_path), "--port", "0"]
    with started(command) as child:
        os.kill(child.pid, number)
        said = rest(child)
    if number == signal.SIGSEGV:
        assert child.returncode == -number
        assert "Fatal Python error: Segmentation fault" in said
    else:
        assert child.returncode == 0, said
        assert f"operating platform ends, told to by {number.name}" in said


class Unusable:
    """Access to a broker by somebody without a name."""

    @property
    def identity(self) -> None:
        """Nobody."""
        raise ValueError("on purpose")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_readiness_thread_that_ends_by_a_fault_is_noticed() -> None:
    responder = Responder(Unusable(), SigningKey(bytes(32)), identify)  # type: ignore[arg-type]
    responder.check()
    responder.start()
    responder._thread.join()
    with pytest.raises(SealframeError, match="responder ended by a fault"):
        responder.check()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_server_that_ends_by_itself_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(server: uvicorn.Server) -> None:
        raise ValueError("on purpose")

    monkeypatch.setattr(uvicorn.Server, "main_loop", fail)
    create_ca(tmp_path)
    server = HttpsServer(lambda *_: None, issue(tmp_path, "operator"), ())  # type: ignore[arg-type,return-value]
    server.check()
    server.start()
    server._thread.join()
    with pytest.raises(ServiceUnavailable, match="ended by itself"):
        server.check()
    server.stop()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_operating_platform_whose_server_ended_doesnt_go_on(
    broker, operator_postgres, operator_database, tmp_path, monkeypatch
) -> None:
    async def fail(server: uvicorn.Server) -> None:
        raise ValueError("on purpose")

    monkeypatch.setattr(uvicorn.Server, "main_loop", fail)
    setup = OperatorSetup(broker.access("operator"), operator_postgres.app(), tmp_path, group="operator.ending")
    with OperatorService(setup) as service:
        service.server._thread.join()
        with pytest.raises(ServiceUnavailable, match="ended by itself"):
            service.run(threading.Event())
