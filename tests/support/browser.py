"""A headless Chromium by Playwright, with the system's browser; what a page says against the rules fails its test."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.support import services

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--mute-audio", "--autoplay-policy=no-user-gesture-required"]
NAMES = ("chromium", "chromium-browser", "google-chrome")
WIDE, NARROW = (1600, 1000), (360, 740)
expect.set_options(timeout=20_000)  # on a busy machine


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser; a missing one skips, and fails where services are required and root can install it."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        text = "no browser: install chromium, or run infra/test-packages.sh"
        services.unavailable(text) if os.geteuid() == 0 else pytest.skip(text)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, *, quiet: tuple[str, ...] = (), **options: Any) -> Iterator[Page]:
    """A page in a context of its own. Errors on its console fail the test, but those that hold a text of `quiet`."""
    context: BrowserContext = browser.new_context(**{"viewport": {"width": 1400, "height": 800}, **options})
    page, errors = context.new_page(), list[str]()
    loud = ("error", "warning")
    page.on("console", lambda said: errors.append(f"{said.text} {said.location}") if said.type in loud else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_default_timeout(15_000)
    try:
        yield page
    finally:
        context.close()
    heard = [error for error in errors if not any(text in error for text in quiet)]
    assert not heard, "the console says: " + "; ".join(heard)


def run(page: Page, script: str, *args: object) -> Any:
    """Run the body of an async function in the page, with `args`; its result."""
    return page.evaluate(f"async (args) => {{ {script} }}", list(args))


def until(page: Page, script: str, *args: object, seconds: float = 15.0) -> Any:
    """Ask until the answer is something; give it. (Playwright's own wait needs `eval`, which pages forbid.)"""
    deadline = time.monotonic() + seconds
    while not (answer := run(page, script, *args)):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {script}"
        page.wait_for_timeout(100)
    return answer


def check_access(page: Page) -> None:
    """What axe finds on the page, in the colours and the width it is shown in: nothing."""
    found = Axe().run(page).response["violations"]
    said = [f"{one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes'][:3]]}" for one in found]
    assert said == [], "\n".join(said)


def check_width(page: Page) -> None:
    """Nothing makes the page scroll sideways."""
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "the page scrolls sideways"


def check_looks(page: Page) -> None:
    """The page in both colours, wide and narrow: axe finds nothing, and nothing scrolls sideways."""
    for (width, height), scheme in ((WIDE, "light"), (WIDE, "dark"), (NARROW, "light")):
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        check_access(page)
        check_width(page)


def until_focus(page: Page, name: str) -> None:
    """Press Tab until what has the focus is called so."""
    script = """const a = document.activeElement;
    return (a.labels?.[0]?.textContent ?? a.textContent).trim();"""
    for _ in range(60):
        page.keyboard.press("Tab")
        if str(run(page, script)).startswith(name):
            return
    pytest.fail(f"the keyboard never comes to {name}")
