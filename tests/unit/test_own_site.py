"""Which requests of a browser count as another site's doing, by the headers that browsers alone can set."""

from __future__ import annotations

import pytest
from fastapi import Request

from streams.forensic.door import from_elsewhere

LINK = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
IMAGE = {"sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}
FRAME = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}


@pytest.mark.parametrize(("method", "path", "site", "how", "elsewhere"), [
    ("GET", "/desk/picture", None, {}, False), ("POST", "/search/plate", None, {}, False),
    ("GET", "/desk/picture", "same-origin", IMAGE, False), ("GET", "/desk/file", "none", LINK, False),
    ("POST", "/cases/new", "same-origin", LINK, False),
    ("GET", "/cases/7", "cross-site", LINK, False), ("GET", "/sign-in/callback", "cross-site", LINK, False),
    ("GET", "/sign-in/callback", "same-site", LINK, False),
    ("GET", "/desk/picture", "cross-site", LINK, True), ("GET", "/desk/file", "same-site", LINK, True),
    ("GET", "/cases/7", "cross-site", FRAME, True), ("GET", "/cases/7", "cross-site", {}, True),
    ("GET", "/desk/picture", "cross-site", IMAGE, True), ("GET", "/anything", "same-site", IMAGE, True),
    ("HEAD", "/cases/7", "cross-site", LINK, True), ("POST", "/cases/new", "cross-site", LINK, True),
])
def test_only_a_link_to_a_page_leads_in_from_another_site(
    method: str, path: str, site: str | None, how: dict[str, str], elsewhere: bool
) -> None:
    headers = how if site is None else {**how, "sec-fetch-site": site}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert from_elsewhere(Request({"type": "http", "method": method, "path": path, "headers": raw})) is elsewhere
