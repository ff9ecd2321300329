"""A page of another site, open in a window that is signed in: by Chromium, as it happens to people."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import opened
from tests.support.desk_service import PASSWORD, desk_service
from tests.support.services import Postgres


@pytest.mark.parametrize("scripts", [True, False])
def test_page_elsewhere_does_nothing_in_a_persons_name(
    ca: Path, postgres_authority: Postgres, tmp_path: Path, browser: Browser, scripts: bool
) -> None:
    """Its form reaches us without the cookie, or is refused; nothing is done, and the person is still signed in."""
    quiet = ("status of 40", "frame-ancestors", "refused")
    with (
        desk_service(ca, tmp_path, postgres_authority.fresh()[0]) as desk,
        opened(browser, quiet=quiet, ignore_https_errors=True, java_script_enabled=scripts) as page,
    ):
        page.goto(desk.url)
        page.get_by_label("Name").fill("investigator-ben")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{desk.url}/cases")
        before = desk.log()[0]["seq"]
        page.goto(f"data:text/html,<form method=post action=%22{desk.url}/people/disable%22>"
                  "<input name=person value=investigator-ben><button>win</button></form>")
        with page.expect_response(f"{desk.url}/people/disable"):
            page.get_by_role("button", name="win").click()
        done = [entry["action"] for entry in desk.log(10) if entry["seq"] > before]
        assert all(action.endswith("-refused") for action in done), done
        page.goto(f"{desk.url}/cases")
        expect(page.get_by_role("banner")).to_contain_text("investigator-ben")
