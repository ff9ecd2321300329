"""Verbs against a service that answers what it likes: terminals show all of it, files are their owner's alone."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from infra.https import HttpsServer, Receive, Scope, Send
from infra.tls import create_ca, issue
from schemas.errors import SealframeError
from streams.cli import case as case_cli
from streams.cli import log as log_cli
from streams.cli import people as people_cli
from streams.forensic.client import ForensicClient

WHO = "approver-cora"
CASE = {
    "case_id": "case-7", "state": "waiting", "title": "lost [/x] child", "basis": "police act",
    "scope": {"cameras": ["gate-1[conceal]", *(f"gate-{n}" for n in range(2, 9))], "kinds": ["face"], "from_ms": 0,
              "to_ms": 2**53},
    "shows": "subject", "erases": False, "opened_by": "anna", "team": ["anna"], "expires_ms": 2**53,
    "approvals": [], "digest": "ab" * 32,
}
ENTRY = {"seq": 1, "time_ms": 0, "actor": "an[/y]", "action": "search", "case": "a\x1b[8m", "purpose": "[/x]"}
PERSON = {"person": "an[/y]", "name": "\u202eAnn", "roles": ["[red]"], "principals": ["[/z]"], "disabled": False}
ANSWERS: dict[str, Any] = {
    "/cases": [CASE], "/cases/case-7": CASE, "/cases/case-7/approve": CASE, "/log": [ENTRY], "/people": [PERSON],
    "/restorations/7/manifest": {},
}
HEADERS = [(b"x-sealframe-entry", b"1"), (b"x-sealframe-digest", b"ab"), (b"x-sealframe-package", b"{}")]


class Rogue:
    """Answers from the table, elsewhere with bytes; notes who may read the files of `folder` as it is asked."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.modes = folder, set[tuple[str, int]]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        self.modes |= {(path.suffix, stat.S_IMODE(path.stat().st_mode)) for path in self.folder.glob(".*")}
        found = ANSWERS.get(scope["path"])
        body = b"bare pixels" if found is None else json.dumps(found).encode()
        await send({"type": "http.response.start", "status": 200,
                    "headers": [(b"content-length", b"%d" % len(body)), *HEADERS]})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    create_ca(folder)
    issue(folder, WHO)
    return folder


@pytest.fixture
def rogue(tmp_path: Path) -> Rogue:
    return Rogue(tmp_path)


@pytest.fixture
def url(pki: Path, rogue: Rogue) -> Iterator[str]:
    before = os.umask(0)
    with HttpsServer(rogue, issue(pki, "authority-city"), ("*", WHO)) as server:
        yield server.url
    os.umask(before)


def ran(url: str, pki: Path, app: Any, *arguments: str, answer: str = "") -> Result:
    """What a verb prints for people, on a wide terminal."""
    common = ["--as", WHO, "--url", url, "--tls", str(pki)]
    done = CliRunner(env={"COLUMNS": "250"}).invoke(app, [*arguments, *common], input=answer)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


@pytest.mark.parametrize("arguments", [("approve", "case-7"), ("show", "case-7")])
def test_case_shows_every_camera_whatever_it_is_called(url: str, pki: Path, arguments: tuple[str, ...]) -> None:
    done = ran(url, pki, case_cli.app, *arguments, answer="n\n")
    shown = done.stderr.splitlines()
    assert all(f"    {camera}" in shown for camera in CASE["scope"]["cameras"])  # type: ignore[index]
    assert "  title: lost [/x] child" in shown and f"  digest {CASE['digest']}" in shown


@pytest.mark.parametrize(("app", "words"), [
    (case_cli.app, ("lost [/x] child", "gate-1[conceal]")), (log_cli.app, ("an[/y]", "a\\x1b[8m", "[/x]")),
    (people_cli.app, ("an[/y]", "\\u202eAnn", "[red]", "[/z]")),
])
def test_list_shows_every_cell_as_it_is(url: str, pki: Path, app: Any, words: tuple[str, ...]) -> None:
    done = ran(url, pki, app, "list")
    assert done.exit_code == 0 and all(word in done.stderr for word in words), done.stderr
    assert "\x1b[8m" not in done.stderr and "\u202e" not in done.stderr


def test_what_a_service_hands_out_is_its_owners_alone(url: str, pki: Path, tmp_path: Path, rogue: Rogue) -> None:
    video, package = tmp_path / "video.zip", tmp_path / "one.package"
    with ForensicClient(url, issue(pki, WHO)) as client:
        client.restored_video("s", "c", "p", video)
        client.package("s", "c", "p", "r", package)
        with pytest.raises(SealframeError):
            client.fetch("7", tmp_path / "restored.mp4", pki / "ca.pem")
    assert {stat.S_IMODE(path.stat().st_mode) for path in (video, package)} == {0o600}
    assert (".part", 0o600) in rogue.modes and (".part", 0o666) not in rogue.modes
