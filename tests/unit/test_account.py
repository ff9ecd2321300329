"""What a video's masks rest on, and its weakest moments."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from schemas.frames import FrameChunk
from schemas.records import BareZone, OperatorChunk, Rectangle
from schemas.regions import Region, RegionSet, RegionSource
from streams.account import LISTED, Account
from tests.support.scenes import chunk, crossing

PLACES = crossing()
CHUNK = chunk(PLACES)
COUNT = len(CHUNK.units)
STEP = float((CHUNK.end_pts - CHUNK.pts[0]) * CHUNK.format.time_base) / COUNT


def _regions(*sources: dict[int, RegionSource], failed: frozenset[int] = frozenset()) -> RegionSet:
    frames = tuple(tuple(Region(t, "face", (0, 0, 9, 9), 0.5, s) for t, s in frame.items()) for frame in sources)
    return RegionSet("cam", "video", 0, frames, failed)


def _later(chunks: int) -> FrameChunk:
    span = chunks * CHUNK.end_pts
    units = tuple(replace(unit, pts=unit.pts + span) for unit in CHUNK.units)
    return replace(CHUNK, units=units, end_pts=CHUNK.end_pts + span)


def _add(account: Account, chunk: FrameChunk, regions: RegionSet) -> None:
    account.add((*chunk.pts, chunk.end_pts), chunk.format.time_base, regions)


def test_add_counts_each_frame_by_its_least_certain_region() -> None:
    account = Account()
    _add(account, CHUNK, _regions({}, {1: "detected"}, {1: "detected", 2: "tracked"}, {1: "coasting", 2: "tracked"},
                                {1: "zone"}, *[{}] * (COUNT - 5), failed=frozenset({2})))
    assert account.as_json()["frames"] == {
        "clear": COUNT - 4, "zone": 1, "detected": 1, "tracked": 0, "filled": 0, "coasting": 1, "whole": 1,
    }
    assert account.as_json()["tracks"] == 2


def test_add_no_frame_is_clear_where_there_are_zones() -> None:
    account = Account(zones=True)
    _add(account, CHUNK, _regions({1: "tracked"}, *[{}] * (COUNT - 1)))
    assert (account.frames["zone"], account.frames["tracked"], account.frames["clear"]) == (COUNT - 1, 1, 0)


def test_weakest_a_moment_goes_on_over_the_border_of_chunks() -> None:
    account = Account()
    _add(account, CHUNK, _regions(*[{}] * (COUNT - 2), {1: "coasting"}, {1: "coasting"}))
    later = _later(1)
    _add(account, later, _regions({1: "coasting"}, {1: "filled"}, *[{}] * (COUNT - 2)))
    coasting, filled = account.weakest()
    assert (coasting.ground, coasting.frames, filled.ground, filled.frames) == ("coasting", 3, "filled", 1)
    assert coasting.start_s == pytest.approx((COUNT - 2) * STEP) and coasting.end_s == pytest.approx((COUNT + 1) * STEP)


def test_weakest_keeps_the_longest_of_very_many() -> None:
    account = Account()
    for number in range(400):
        length = 1 + (number == 77) * (COUNT - 1)
        _add(account, _later(number), _regions(*[{number + 1: "coasting"}] * length, *[{}] * (COUNT - length)))
    found = account.weakest()
    assert len(found) == LISTED
    assert max(found, key=lambda one: one.frames).track == 78


def _signed(frames: int, *zones: BareZone) -> OperatorChunk:
    return OperatorChunk("c", "v", 0, 0, 0, (*range(frames),), frames, b"", "", (), b"", 0, b"", bare=zones)


def test_leave_bare_sums_up_each_zone_of_each_statement_and_draws_it(tmp_path: Path) -> None:
    account, wall, logo = Account(), Rectangle(0.5, 0, 1, 0.25), Rectangle(0, 0.5, 0.125, 1)
    video = replace(CHUNK.format, width=1280, height=720)
    account.leave_bare(_signed(10, BareZone(wall, b"one", 3), BareZone(logo, b"one", 0)), video)
    account.leave_bare(_signed(5, BareZone(wall, b"one", 4), BareZone(wall, b"two", 1)), video)
    assert account.as_json()["bare_zones"] == [
        {"zone": [0.5, 0, 1, 0.25], "frames": 15, "regions": 7, "statement": b"one".hex()},
        {"zone": [0, 0.5, 0.125, 1], "frames": 10, "regions": 0, "statement": b"one".hex()},
        {"zone": [0.5, 0, 1, 0.25], "frames": 5, "regions": 1, "statement": b"two".hex()},
    ]
    account.write(tmp_path / "report.json")
    page = (tmp_path / "report.json.html").read_text()
    assert '<rect x="320.0" y="0.0" width="320.0" height="90.0"' in page and "1: 7 left bare" in page
    assert '<rect x="0.0" y="180.0" width="80.0" height="180.0"' in page and "<script" not in page
    assert json.loads((tmp_path / "report.json").read_text()) == account.as_json()


def test_write_without_bare_zones_draws_nothing(tmp_path: Path) -> None:
    Account().write(tmp_path / "report.json")
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
