"""The operating platform's pages in Chromium, over the real app, index and Postgres: wall, time line, health.

Served over plain HTTP on loopback here; one test comes over mutual TLS, with a client certificate.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, expect
from prometheus_client import CollectorRegistry

from infra.https import HttpsServer
from infra.postgres import Database
from infra.tls import issue
from schemas.frames import VideoFormat
from schemas.records import OperatorRecord
from streams.operating.api import VIEWERS, create_app
from streams.operating.index import Index
from streams.operating.overview import Overview
from streams.operating.store import Store
from streams.verify import check_record
from tests.support.browser import check_looks, opened, run, until
from tests.support.operating import RECEIVED_MS
from tests.support.operator_video import CAPTURE_MS, identify, video
from tests.support.services import Postgres

FORMAT = VideoFormat(320, 240, Fraction(1, 25))
SECONDS = 0.2  # of a chunk
DONE = video(20, camera="entrance", format=FORMAT)
LIVE = "yard"
DAY = "2023-11-14"

STATE = """
const v = document.querySelector('video'), b = v.buffered;
return {at: v.currentTime, width: v.videoWidth, paused: v.paused, ended: v.ended, source: v.currentSrc,
        error: v.error && v.error.message, said: document.getElementById('said')?.textContent ?? '',
        until: b.length ? b.end(b.length - 1) : 0};
"""


def _live(chunks: int, **kind: Any) -> tuple[OperatorRecord, ...]:
    return video(chunks, camera=LIVE, format=FORMAT, **kind).records


class Platform:
    """The pages in a window, and the store behind them."""

    def __init__(self, page: Page, store: Store, database: Database, url: str) -> None:
        self.page, self.database, self.url, self._store = page, database, url, store

    def put(self, records: tuple[OperatorRecord, ...]) -> None:
        """Records reach the store; those it has are dropped."""
        with self._store.batch() as batch:
            for record in records:
                batch.put(check_record(record, identify), RECEIVED_MS)

    def open(self, path: str = "/") -> Page:
        """Go to a page."""
        self.page.goto(self.url + path)
        return self.page

    def watch(self, camera: str) -> None:
        """Play the newest video of a camera, by the wall."""
        self.open().get_by_role("link", name=camera).click()
        expect(self.page.locator("#player")).to_be_visible()

    def until(self, holds: Callable[[dict[str, Any]], bool], seconds: float = 15.0) -> dict[str, Any]:
        """The player's state once it holds; it has no error then."""
        deadline = time.monotonic() + seconds
        while not holds(state := run(self.page, STATE)):
            assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {state}"
            time.sleep(0.1)
        assert state["error"] is None
        return dict(state)

    def seek(self, seconds: float) -> None:
        """Move the player itself."""
        run(self.page, "document.querySelector('video').currentTime = args[0];", seconds)


@pytest.fixture(scope="module")
def database(postgres_operator: Postgres) -> Iterator[Database]:
    """One database for the module; each test finds it empty."""
    with postgres_operator.database() as made:
        yield made


@pytest.fixture
def now() -> list[int]:
    """The platform's clock: a moment after what is sent here was received."""
    return [RECEIVED_MS + 1000]


@pytest.fixture
def app(database: Database, tmp_path: Path, now: list[int]) -> FastAPI:
    index = Index(database, tmp_path / "video")
    return create_app(
        index, CollectorRegistry(), Overview(index, database, tmp_path / "video"), clock=lambda: now[0]
    )


@pytest.fixture
def platform(
    browser: Browser, database: Database, app: FastAPI, serve: Callable[[FastAPI], str], tmp_path: Path
) -> Iterator[Platform]:
    """A platform of its own that holds one recorded video; what the network loses may be said on the console."""
    with database.connection() as db:
        db.execute("DELETE FROM videos")
        db.execute("DELETE FROM alarms")
    with closing(Store(database, tmp_path / "video")) as store, opened(browser, quiet=("Failed to load",)) as page:
        made = Platform(page, store, database, serve(app))
        made.put(DONE.records)
        yield made


def test_wall_shows_every_camera_and_plays_live_ones(platform: Platform, now: list[int]) -> None:
    broken = video(5, camera="gate", format=FORMAT)
    platform.put(broken.without(2))
    page = platform.open()
    tiles = page.locator("#wall > li")
    expect(tiles).to_have_count(2)
    expect(tiles.nth(0)).to_contain_text("entrance ended 2023-11-14")
    expect(tiles.nth(1)).to_contain_text("1 chunk missing")
    platform.put(_live(10, end=False))
    expect(tiles).to_have_count(3)  # without loading the page again
    expect(tiles.nth(2)).to_contain_text("yard live, 1 min 3")
    until(page, "return document.querySelector('#camera-yard video').currentTime > 1.4;")
    check_looks(page)
    now[0] += 60_000
    expect(tiles.nth(2)).to_contain_text("silent since")


def test_pages_without_video_say_what_to_do_until_some_arrives(platform: Platform) -> None:
    with platform.database.connection() as db:
        db.execute("DELETE FROM videos")
    platform.open("/recordings")
    expect(platform.page.get_by_role("heading", name="Nothing has been recorded yet")).to_be_visible()
    page = platform.open("/state")
    expect(page.get_by_text("No alarm in the last 30 days.")).to_be_visible()
    platform.open()
    expect(page.get_by_role("heading", name="No camera has sent video yet")).to_be_visible()
    check_looks(page)
    platform.put(_live(5, end=False))
    expect(page.get_by_role("link", name="yard")).to_be_visible()


def test_recorded_video_plays_seeks_and_ends(platform: Platform) -> None:
    platform.watch("entrance")
    state = platform.until(lambda now: now["at"] > 0.5)
    assert state["width"] == FORMAT.width and state["source"].endswith(f"/videos/{DONE.video_id}.mp4")
    shown = cv2.imdecode(np.frombuffer(platform.page.locator("video").screenshot(), np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None and shown.std() > 30  # it isn't blank
    platform.seek(3.5)
    assert platform.until(lambda now: now["ended"])["at"] == pytest.approx(20 * SECONDS, abs=0.01)


@pytest.mark.parametrize("width", [1024, 1200, 1600])
def test_list_of_recordings_is_shown_whole_beside_the_video(platform: Platform, width: int) -> None:
    platform.page.set_viewport_size({"width": width, "height": 800})
    platform.watch("entrance")
    cut = "const box = document.querySelector('#videos').parentElement; return box.scrollWidth - box.clientWidth;"
    assert run(platform.page, cut) <= 0
    check_looks(platform.page)


def test_time_line_of_a_day_is_walked_by_keyboard(platform: Platform) -> None:
    later = video(20, camera="entrance", format=FORMAT, video_id="entrance-1700000600000-00000001")
    with platform.database.connection() as db:  # ten minutes later
        platform.put(later.records)
        db.execute("UPDATE videos SET capture_ms = capture_ms + 600000 WHERE video_id = %s", (later.video_id,))
    page = platform.open("/recordings?camera=entrance")
    expect(page.get_by_label("Day", exact=True)).to_have_value(DAY)
    expect(page.get_by_role("heading", name="2 recordings")).to_be_visible()
    expect(page.locator("#videos tbody tr")).to_have_count(2)
    platform.until(lambda now: later.video_id in now["source"])  # the newest is shown first
    page.get_by_label("Time of day").focus()
    page.keyboard.press("Home")  # before the first: it plays
    assert platform.until(lambda now: now["width"] > 0)["source"].endswith(f"{DONE.video_id}.mp4")
    page.keyboard.press("End")  # behind the last: that one plays
    platform.until(lambda now: later.video_id in now["source"])
    page.keyboard.press("Tab")
    page.get_by_role("link", name="22:13:20").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**video={DONE.video_id}")
    expect(page.locator("tr[aria-current]")).to_contain_text("22:13:20")
    platform.until(lambda now: now["at"] > 0.2)
    check_looks(page)
    page.get_by_label("Day", exact=True).fill("2023-11-16")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", name="recorded nothing on 2023-11-16")).to_be_visible()
    page.get_by_role("link", name=f"Earlier: {DAY}").click()
    expect(page.locator("#videos tbody tr")).to_have_count(2)


def test_recordings_show_how_many_were_hidden_at_once(platform: Platform) -> None:
    def count(at: int, people: int, plates: int, most_people: int, most_plates: int) -> None:
        with platform.database.connection() as db:
            db.execute("INSERT INTO movement VALUES ('entrance', %s, 250, 50, %s, %s, %s, %s, 0)",
                       (CAPTURE_MS // 10_000 * 10_000 + at, people, plates, most_people, most_plates))

    with platform.database.connection() as db:
        db.execute("DELETE FROM movement")
    page = platform.open("/recordings?camera=entrance")
    expect(page.locator("#in-view")).to_be_empty()
    count(0, 400, 0, 3, 0)
    count(10_000, 1000, 0, 7, 0)
    expect(page.get_by_text("People hidden at once: 3.5 on average, 7 at most, about 22:13:30.")).to_be_visible()
    expect(page.locator("#in-view svg")).to_have_count(1)  # no plate was seen
    expect(page.locator("#in-view .people rect")).to_have_count(4)
    check_looks(page)
    count(20_000, 0, 100, 0, 1)
    expect(page.get_by_text("Plates hidden at once: 0.2 on average, 1 at most")).to_be_visible()


def test_health_shows_alarms_and_lag(platform: Platform) -> None:
    platform.put(video(5, camera="gate", format=FORMAT).without(2))
    with platform.database.connection() as db:
        for place, text in enumerate(["<script>alert(1)</script>", "free some", "free some"]):
            db.execute("INSERT INTO alarms VALUES (0, %s, %s, 'disk-nearly-full', 'operator', '', %s)",
                       (place, RECEIVED_MS + place, text))
    page = platform.open("/state")
    rows = page.locator("#alarm-list tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("disk-nearly-fullfree some (operator)")
    expect(rows.nth(0).locator("td").nth(1)).to_have_text("2")
    expect(rows.nth(1)).to_contain_text("<script>alert(1)</script>")
    expect(page.locator("#camera-list tbody tr").nth(1)).to_contain_text("gate ended")
    check_looks(page)
    with platform.database.connection() as db:
        db.execute("DELETE FROM alarms")
    expect(page.get_by_text("No alarm in the last 30 days.")).to_be_visible()


def test_unknown_page_says_so_as_a_page(platform: Platform) -> None:
    page = platform.open("/videos/unknown")
    expect(page.get_by_role("heading", name="There is no such page.")).to_be_visible()
    check_looks(page)


def test_growing_video_is_followed_to_its_end(platform: Platform) -> None:
    platform.put(_live(10, end=False))
    platform.watch(LIVE)
    begun = platform.until(lambda now: now["at"] > 1.4)
    assert begun["source"].startswith("blob:") and begun["until"] == pytest.approx(10 * SECONDS, abs=0.01)
    platform.put(_live(20, end=False))
    platform.until(lambda now: now["at"] > 10 * SECONDS + 0.5 and not now["ended"])
    platform.put(_live(25))
    assert platform.until(lambda now: now["ended"])["at"] == pytest.approx(25 * SECONDS, abs=0.01)


def test_growing_video_goes_on_after_a_lost_chunk(platform: Platform) -> None:
    platform.put(_live(10, end=False))
    platform.watch(LIVE)
    platform.until(lambda now: now["at"] > 1.4)
    grown = video(20, camera=LIVE, format=FORMAT, end=False)
    platform.put(grown.without(1 + 12))
    platform.until(lambda now: now["at"] > 13 * SECONDS + 0.3)


def test_growing_video_is_played_from_earlier_by_the_slider(platform: Platform) -> None:
    platform.put(_live(30, end=False))
    platform.watch(LIVE)
    platform.until(lambda now: now["at"] > 5.4)
    run(platform.page, "const s = document.getElementById('seek'); s.value = args[0];"
        " s.dispatchEvent(new Event('input'));", CAPTURE_MS + 2000)
    state = platform.until(lambda now: 2 <= now["at"] < 5 and now["width"] > 0)
    assert "/videos/" in state["source"] and not state["paused"]


def test_long_recording_is_read_and_kept_in_parts(platform: Platform) -> None:
    slow = replace(FORMAT, time_base=Fraction(1, 2))
    platform.put(video(3, camera=LIVE, format=slow, end=False).records)
    platform.watch(LIVE)
    platform.until(lambda now: now["width"] > 0)
    platform.put(video(100, camera=LIVE, format=slow, end=False).records)
    platform.until(lambda now: now["until"] > 60)
    time.sleep(2.0)
    first = platform.until(lambda now: now["until"] > 60)["until"]
    assert first < 200  # of 250 s: a minute ahead is enough
    platform.seek(first - 5)
    second = platform.until(lambda now: now["until"] > first + 60)["until"]
    platform.seek(second - 5)
    platform.until(lambda now: now["until"] == pytest.approx(250, abs=0.01))
    oldest = until(platform.page, "return document.querySelector('video').buffered.start(0);")
    assert oldest == pytest.approx(second - 5 - 60, abs=6)


def test_following_survives_lost_requests(platform: Platform) -> None:
    platform.put(_live(10, end=False))
    platform.watch(LIVE)
    platform.until(lambda now: now["at"] > 1.4)
    page = platform.page
    page.route("**/videos/**", lambda route: route.abort())
    platform.until(lambda now: "Failed" in now["said"])
    page.route("**/recordings**", lambda route: route.abort())
    expect(page.locator("#notice")).to_contain_text("can't be brought up to date")
    page.unroute_all()
    platform.put(_live(20, end=False))
    platform.until(lambda now: now["at"] > 10 * SECONDS + 0.5 and not now["said"])
    expect(page.locator("#notice")).to_be_empty()


def test_refreshing_keeps_the_focus(platform: Platform) -> None:
    page = platform.open()
    page.get_by_role("link", name="entrance").focus()
    platform.put(_live(5, end=False))
    expect(page.get_by_role("link", name="yard")).to_be_visible()
    assert run(page, "return document.activeElement.textContent;").strip().startswith("entrance")


def test_pages_over_mutual_tls_with_a_client_certificate(platform: Platform, app: FastAPI, ca: Path,
                                                         browser: Browser) -> None:
    viewer, stranger = issue(ca, "viewer-ben"), issue(ca, "camera-x")
    with HttpsServer(app, issue(ca, "operator", store="pages"), VIEWERS) as server:

        def certificate(of: Any) -> dict[str, Any]:
            files = {"origin": server.url, "certPath": str(of.cert), "keyPath": str(of.key)}
            return {"client_certificates": [files], "ignore_https_errors": True}

        with opened(browser, **certificate(viewer)) as page:
            page.goto(f"{server.url}/recordings?camera=entrance&video={DONE.video_id}")
            expect(page.locator(".person")).to_have_text("viewer-ben")
            until(page, "return document.querySelector('video').currentTime > 0.5;")
        with opened(browser, quiet=("403",), **certificate(stranger)) as page:
            answer = page.goto(server.url)
            assert answer is not None and answer.status == 403
