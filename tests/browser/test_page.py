"""The operating platform's page in Chromium, over the real app, index and Postgres: lists, recorded and live video.

The app is served over plain HTTP on loopback here; who may call it is tested with the HTTPS server.
"""

from __future__ import annotations

import base64
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
from prometheus_client import CollectorRegistry

from schemas.frames import VideoFormat
from schemas.records import OperatorRecord
from streams.operating.api import create_app
from streams.operating.index import Index
from streams.operating.store import Store
from streams.verify import check_record
from tests.support.operating import RECEIVED_MS
from tests.support.operator_video import identify, video
from tests.support.services import Postgres
from tests.support.webdriver import Browser

FORMAT = VideoFormat(320, 240, Fraction(1, 25))
SECONDS = 0.2  # of a chunk
DONE = video(20, camera="entrance", format=FORMAT)
LIVE = "yard"

FIND = """
const find = (text) => [...document.querySelectorAll('button')].find((b) => b.textContent.startsWith(text));
"""
STATE = """
const v = document.getElementById('player'), b = v.buffered;
return {at: v.currentTime, width: v.videoWidth, paused: v.paused, ended: v.ended, source: v.currentSrc,
        error: v.error && v.error.message, said: document.getElementById('state').textContent,
        until: b.length ? b.end(b.length - 1) : 0};
"""


def _live(chunks: int, **kind: Any) -> tuple[OperatorRecord, ...]:
    return video(chunks, camera=LIVE, format=FORMAT, **kind).records


class Page:
    """The page in a window, and the store behind it."""

    def __init__(self, window: Browser, store: Store) -> None:
        self.window, self._store = window, store

    def put(self, records: tuple[OperatorRecord, ...]) -> None:
        """Records reach the store; those it has are dropped."""
        with self._store.batch() as batch:
            for record in records:
                batch.put(check_record(record, identify), RECEIVED_MS)

    def click(self, text: str) -> None:
        """Press the button whose text begins so, once it is there."""
        self.until(f"{FIND} return !!find(args[0]);", lambda found: found, text)
        self.window.run(f"{FIND} find(args[0]).click();", text)

    def open_video(self, camera: str) -> None:
        """Choose a camera and play its newest video."""
        self.click(camera)
        heading = "return document.getElementById('camera').textContent;"
        self.until(heading, lambda text: text == f"Videos of {camera}")
        self.until("return !!document.querySelector('#videos button');", lambda found: found)
        self.window.run("document.querySelector('#videos button').click();")

    def until(self, script: str, holds: Callable[[Any], bool], *args: object, seconds: float = 15.0) -> Any:
        """Ask again and again; the answer that holds."""
        deadline = time.monotonic() + seconds
        while not holds(answer := self.window.run(script, *args)):
            assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {answer}"
            time.sleep(0.1)
        return answer

    def playing(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The player's state once it holds; it has no error then."""
        state: dict[str, Any] = self.until(STATE, holds)
        assert state["error"] is None and state["said"] == ""
        return state

    def picture(self) -> np.ndarray:
        """What the window shows, (h, w, 3)."""
        data = base64.b64decode(self.window.call("GET", "/screenshot"))
        shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert shown is not None
        return shown


@pytest.fixture
def open_page(
    postgres_operator: Postgres, window: Browser, serve: Callable[[FastAPI], str], tmp_path: Path
) -> Iterator[Callable[..., Page]]:
    """Open the page of a platform of its own, which holds these records."""
    with postgres_operator.database() as database, closing(Store(database, tmp_path / "video")) as store:

        def opened(*records: OperatorRecord) -> Page:
            page = Page(window, store)
            page.put(records)
            window.call("POST", "/window/rect", {"width": 1400, "height": 800})
            window.open(serve(create_app(Index(database, store.folder), CollectorRegistry())))
            return page

        yield opened
        window.open("about:blank")


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    """The page of a platform with one recorded video."""
    return open_page(*DONE.records)


def test_page_lists_cameras_and_their_videos(page: Page) -> None:
    page.put(_live(5, end=False))
    broken = video(5, camera="gate", format=FORMAT)
    page.put(broken.without(2))
    page.window.call("POST", "/refresh", {})
    cameras = "return [...document.querySelectorAll('#cameras button')].map((b) => b.textContent);"
    assert page.until(cameras, lambda names: len(names) == 3) == ["entrance (1)", "gate (1)", "yard (1) · live"]
    row = "const row = document.querySelector('#videos tr');" \
          "return row ? [...row.cells].slice(1).map((c) => c.textContent) : [];"
    size = sum(len(record.media) for record in DONE.records) / 2**20
    assert page.until(row, len) == ["4.0 s", "100", f"{size:.2f} MiB", "complete"]
    page.click("yard")
    page.until(row, lambda cells: cells[-1] == "live")
    page.click("gate")
    page.until(row, lambda cells: cells[-1] == "complete, 1 chunk missing")
    assert page.window.run("return document.querySelector('#videos td.fault') !== null;")


def test_page_without_video_says_so_until_some_arrives(open_page: Callable[..., Page]) -> None:
    page = open_page()
    heading = "return document.getElementById('camera').textContent;"
    page.until(heading, lambda text: text == "No camera has sent video yet")
    page.put(DONE.records)
    page.until(heading, lambda text: text == "Videos of entrance")


def test_recorded_video_plays_seeks_and_ends(page: Page) -> None:
    page.open_video("entrance")
    state = page.playing(lambda now: now["at"] > 0.5)
    assert state["width"] == FORMAT.width and state["source"].endswith(f"/videos/{DONE.video_id}.mp4")
    assert page.picture()[:, 800:].std() > 30  # the player's side isn't blank
    page.window.run("document.getElementById('player').currentTime = 3.5;")
    assert page.playing(lambda now: now["ended"])["at"] == pytest.approx(20 * SECONDS, abs=0.01)


def test_growing_video_is_followed_to_its_end(page: Page) -> None:
    page.put(_live(10, end=False))
    page.open_video(LIVE)
    begun = page.playing(lambda now: now["at"] > 1.4)
    assert begun["source"].startswith("blob:") and begun["until"] == pytest.approx(10 * SECONDS, abs=0.01)
    page.put(_live(20, end=False))
    page.playing(lambda now: now["at"] > 10 * SECONDS + 0.5 and not now["ended"])
    page.put(_live(25))
    assert page.playing(lambda now: now["ended"])["at"] == pytest.approx(25 * SECONDS, abs=0.01)


def test_growing_video_goes_on_after_a_lost_chunk(page: Page) -> None:
    page.put(_live(10, end=False))
    page.open_video(LIVE)
    page.playing(lambda now: now["at"] > 1.4)
    grown = video(20, camera=LIVE, format=FORMAT, end=False)
    page.put(grown.without(1 + 12))
    page.playing(lambda now: now["at"] > 13 * SECONDS + 0.3)


def test_long_recording_is_read_and_kept_in_parts(page: Page) -> None:
    slow = replace(FORMAT, time_base=Fraction(1, 2))

    def seek(seconds: float) -> None:
        page.window.run("document.getElementById('player').currentTime = args[0];", seconds)

    page.put(video(3, camera=LIVE, format=slow, end=False).records)
    page.open_video(LIVE)
    page.playing(lambda now: now["width"] > 0)
    page.put(video(100, camera=LIVE, format=slow, end=False).records)
    page.playing(lambda now: now["until"] > 60)
    time.sleep(2.0)
    first = page.playing(lambda now: now["until"] > 60)["until"]
    assert first < 200  # of 250 s: a minute ahead is enough
    seek(first - 5)
    second = page.playing(lambda now: now["until"] > first + 60)["until"]
    seek(second - 5)
    page.playing(lambda now: now["until"] == pytest.approx(250, abs=0.01))
    oldest = "return document.getElementById('player').buffered.start(0);"
    assert page.until(oldest, lambda start: start > 0) == pytest.approx(second - 5 - 60, abs=6)


def test_switching_while_following_leaves_no_error(page: Page) -> None:
    page.put(_live(10, end=False))
    page.open_video(LIVE)
    page.playing(lambda now: now["at"] > 1.4)
    page.window.run("const real = window.fetch; window.fetch = async (path, how) => {"
                    " if (String(path).includes('yard')) await new Promise((done) => setTimeout(done, 600));"
                    " return real(path, how); };")
    page.put(_live(20, end=False))
    time.sleep(1.0)
    page.open_video("entrance")
    time.sleep(2.0)
    state = page.playing(lambda now: now["at"] > 1)
    assert state["source"].endswith(f"{DONE.video_id}.mp4")


def test_following_survives_a_lost_request(page: Page) -> None:
    page.put(_live(10, end=False))
    page.open_video(LIVE)
    page.playing(lambda now: now["at"] > 1.4)
    page.window.run("const real = window.fetch; let left = 4; window.fetch = (...how) =>"
                    " left-- > 0 ? Promise.reject(new TypeError('Failed to fetch')) : real(...how);")
    page.until(STATE, lambda now: "Failed" in now["said"])
    page.put(_live(20, end=False))
    page.playing(lambda now: now["at"] > 10 * SECONDS + 0.5 and not now["said"])


def test_refreshing_keeps_the_focus(page: Page) -> None:
    page.until(f"{FIND} return !!find('entrance');", lambda found: found)
    page.window.run(f"{FIND} find('entrance').focus();")
    page.put(_live(5, end=False))
    page.until(f"{FIND} return !!find('yard');", lambda found: found)
    assert page.window.run("return document.activeElement.textContent;") == "entrance (1)"


def test_message_of_a_failed_refresh_goes_away(page: Page) -> None:
    text = "return document.body.innerText;"
    page.until(f"{FIND} return !!find('entrance');", lambda found: found)
    page.window.run("window.real = window.fetch; window.fetch = () => Promise.reject(new TypeError('out of reach'));")
    page.until(text, lambda said: "out of reach" in said)
    page.window.run("window.fetch = window.real;")
    page.until(text, lambda said: "out of reach" not in said)
