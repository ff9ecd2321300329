"""Signing in by Chromium, as people do: the issuer's page, back to the desk, out again; no script, no certificate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import check_looks, opened
from tests.support.desk_service import PASSWORD, DeskService, desk_service
from tests.support.services import Postgres

COOKIE = "__Host-sealframe-city-faces"


@pytest.fixture(scope="module")
def desk(ca: Path, postgres_authority: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeskService]:
    """A forensic service with an issuer, and nothing to search."""
    with desk_service(ca, tmp_path_factory.mktemp("desk"), postgres_authority.fresh()[0]) as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A window without a certificate, without scripts; refusals may stand on its console."""
    with opened(browser, quiet=("status of 40",), ignore_https_errors=True, java_script_enabled=False) as made:
        yield made


def sign_in(page: Page, name: str, password: str = PASSWORD) -> None:
    """Fill in the issuer's form."""
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_person_signs_in_works_and_signs_out(desk: DeskService, page: Page) -> None:
    page.goto(f"{desk.url}/cases/new")
    assert page.url.startswith(f"{desk.issuer.url}/authorize")
    sign_in(page, "investigator-anna", "not the password")
    expect(page.get_by_role("alert")).to_contain_text("wrong")
    sign_in(page, "investigator-anna")
    page.wait_for_url(f"{desk.url}/cases/new")
    expect(page.get_by_role("banner")).to_contain_text("investigator-anna")
    [cookie] = [cookie for cookie in page.context.cookies() if cookie["name"] == COOKIE]
    assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, True, "Strict", "/")
    page.get_by_label("What it is about").fill("found bag")
    page.get_by_label("Legal basis").fill("police act")
    page.get_by_role("button", name="Open the case").click()
    page.goto(f"{desk.url}/cases")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    page.goto(f"{desk.url}/cases")
    assert page.url.startswith(desk.issuer.url) and COOKIE not in {c["name"] for c in page.context.cookies()}


def test_page_that_asks_for_the_password_is_fit_for_everybody(desk: DeskService, browser: Browser) -> None:
    with opened(browser, ignore_https_errors=True) as page:
        page.goto(desk.url)
        check_looks(page)


def test_page_elsewhere_sends_nothing_in_a_persons_name(desk: DeskService, browser: Browser) -> None:
    """A form of another site, sent in a window that is signed in: the cookie stays behind, and nothing is done."""
    with opened(browser, quiet=("status of 40", "frame-ancestors", "refused"), ignore_https_errors=True) as page:
        page.goto(desk.url)
        sign_in(page, "investigator-ben")
        page.wait_for_url(f"{desk.url}/**")
        before = desk.log()[0]["seq"]
        page.goto("data:text/html,<form method=post action=%22" + f"{desk.url}/people/disable" + "%22>"
                  "<input name=person value=investigator-ben><button>win</button></form>")
        page.get_by_role("button", name="win").click()
        page.wait_for_load_state()
        done = [entry["action"] for entry in desk.log(10) if entry["seq"] > before]
        assert all(action.endswith("-refused") for action in done), done
        page.goto(f"{desk.url}/cases")
        expect(page.get_by_role("banner")).to_contain_text("investigator-ben")
