"""`sealframe case` and `people` against the running service."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from schemas.errors import AccessDenied, UsageError
from streams.cli import case as case_cli
from streams.cli import people as people_cli
from tests.support.desk_service import DeskService, identity


@pytest.fixture
def desk(forensic_desk: DeskService) -> DeskService:
    """The session's service, and certificates for those who come."""
    for principal in ("investigator-anna", "approver-cora", "auditor-dan", "admin-eve"):
        identity(forensic_desk.ca, principal)
    return forensic_desk


def ran(desk: DeskService, app: Any, who: str, *arguments: str) -> Any:
    """What a verb gives as JSON."""
    common = ["--as", who, "--url", desk.server.server.url, "--tls", str(desk.ca), "--json"]
    done = CliRunner().invoke(app, [*arguments, *common])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_case_is_opened_approved_changed_and_closed(desk: DeskService) -> None:
    anna, cora = "investigator-anna", "approver-cora"
    opened = ran(desk, case_cli.app, anna, "open", "lost child", "--basis", "police act", "--camera", "gate-1",
                 "--from", "2026-01-01", "--with", "investigator-ben")
    number = opened["case_id"]
    assert (opened["state"], opened["scope"]["cameras"], opened["scope"]["kinds"]) == ("waiting", ["gate-1"], ["face"])
    assert opened["scope"]["to_ms"] == opened["expires_ms"] and opened["scope"]["from_ms"] == 1_767_225_600_000
    with pytest.raises(AccessDenied, match="changed since"):
        ran(desk, case_cli.app, cora, "approve", number, "--digest", "0" * 64)
    with pytest.raises(UsageError, match="--digest"):
        ran(desk, case_cli.app, cora, "approve", number)
    asked = ["approve", number, "--as", cora, "--url", desk.server.server.url, "--tls", str(desk.ca)]
    assert CliRunner().invoke(case_cli.app, asked, input="n\n").exit_code == 1
    assert ran(desk, case_cli.app, anna, "show", number)["state"] == "waiting"
    assert CliRunner().invoke(case_cli.app, asked, input="y\n").exit_code == 0
    assert ran(desk, case_cli.app, anna, "show", number)["state"] == "open"
    changed = ran(desk, case_cli.app, anna, "change", number, "lost child", "--basis", "police act", "--all-cameras")
    assert (changed["state"], changed["revision"], changed["approvals"][0]["counts"]) == ("waiting", 2, False)
    shown = ran(desk, case_cli.app, "auditor-dan", "show", number)
    assert shown["digest"] == changed["digest"] != opened["digest"]
    assert ran(desk, case_cli.app, anna, "close", number)["state"] == "closed"
    assert number in {case["case_id"] for case in ran(desk, case_cli.app, cora, "list")["cases"]}
    with pytest.raises(UsageError, match="--all-cameras"):
        ran(desk, case_cli.app, anna, "open", "x", "--basis", "y")
    with pytest.raises(UsageError, match="no such call"):
        ran(desk, case_cli.app, anna, "show", "../people")


def test_people_are_added_listed_and_disabled(desk: DeskService) -> None:
    eve = "admin-eve"
    added = ran(desk, people_cli.app, eve, "add", "investigator-gil", "--name", "Gil", "--role", "investigator",
                "--role", "approver", "--also", "oidc:https://login.example#7")
    assert (added["roles"], len(added["principals"])) == (["approver", "investigator"], 2)
    assert ran(desk, people_cli.app, eve, "disable", "investigator-gil")["disabled"] is True
    assert ran(desk, people_cli.app, eve, "disable", "investigator-gil", "--enable")["disabled"] is False
    assert "investigator-gil" in {person["person"] for person in ran(desk, people_cli.app, eve, "list")["people"]}
    with pytest.raises(AccessDenied, match="people-change is for admin"):
        ran(desk, people_cli.app, "investigator-anna", "add", "x", "--name", "x", "--role", "admin")
