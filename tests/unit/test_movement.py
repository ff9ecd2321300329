"""What the operating platform is told of who moves."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from operators.movement import movement
from schemas.errors import MalformedRecord
from schemas.movement import Movement, Way, from_json, to_json
from schemas.regions import ObjectKind, Region, RegionSet
from tests.support.scenes import chunk

CHUNK = chunk([[(16, 40)]] * 3)


def _at(track: int, x: float, y: float, kind: ObjectKind = "face") -> Region:
    return Region(track, kind, (x, y, x + 20, y + 10), 0.9, "detected")


FRAMES = (
    (_at(9, 100, 20), _at(4, 30, 20)),
    (_at(9, 90, 22), _at(4, 34, 20), _at(2, 60, 60, "plate")),
    (_at(9, 80, 24), _at(2, 64, 60, "plate")),
)
SEEN = RegionSet("cam", "cam-video", 0, FRAMES)


def test_movement_counts_each_kind_and_says_where_each_went() -> None:
    moved = movement(CHUNK, SEEN)
    assert moved.counts == (2, 3, 2)
    assert moved.by_kind == {"face": (2, 2, 1), "plate": (0, 1, 1)}
    assert moved.ways == (
        Way("face", 0, 1, (40, 25), (44, 25)),
        Way("face", 0, 2, (110, 25), (90, 29)),
        Way("plate", 1, 2, (70, 65), (74, 65)),
    )
    assert (moved.capture_ms, moved.length_ms) == (CHUNK.capture_ms, CHUNK.length_ms)


def test_movement_tells_no_track() -> None:
    other = tuple(tuple(replace(region, track=region.track * 1000 + 7) for region in frame) for frame in FRAMES)
    turned = tuple(tuple(reversed(frame)) for frame in FRAMES)
    assert movement(CHUNK, replace(SEEN, frames=other)) == movement(CHUNK, SEEN)
    assert movement(CHUNK, replace(SEEN, frames=turned)) == movement(CHUNK, SEEN)


def test_movement_does_not_count_where_the_picture_is_masked_whole() -> None:
    moved = movement(CHUNK, replace(SEEN, failed=frozenset({1})))
    assert moved.unseen == (1,)
    assert moved.of(plates=False) == (2, 1) and moved.of(plates=True) == (0, 1)


def test_movement_of_nobody() -> None:
    moved = movement(CHUNK, replace(SEEN, frames=((), (), ())))
    assert moved.counts == moved.of(plates=False) == moved.of(plates=True) == (0, 0, 0) and moved.ways == ()


def test_movement_middle_stays_in_the_picture() -> None:
    beyond = replace(SEEN, frames=((_at(1, -60, -30),), (), (_at(2, 5000, 5000),)))
    ways = movement(CHUNK, beyond).ways
    assert ways[0].begin == (0, 0) and ways[1].end == (CHUNK.format.width - 1, CHUNK.format.height - 1)


def test_movement_json_and_back() -> None:
    moved = movement(CHUNK, replace(SEEN, failed=frozenset({2})))
    assert from_json(to_json(moved)) == moved
    assert json.loads(to_json(moved))["counts"] == [2, 3, 2]


def _with(**changed: Any) -> bytes:
    return json.dumps(json.loads(to_json(movement(CHUNK, SEEN))) | changed).encode()


@pytest.mark.parametrize("data", [
    b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b"{}", b"1" * 10_000,
    _with(camera_id=""), _with(camera_id="a\0b"), _with(video_id=7), _with(video_id="x" * 1000),
    _with(chunk_seq=-1), _with(chunk_seq=True), _with(chunk_seq=2**40), _with(capture_ms=1e300),
    _with(capture_ms=10**18), _with(length_ms="1"), _with(counts=[1, -1, 2]), _with(counts=[1.5] * 3),
    _with(counts={"a": 1}),
    _with(by_kind={"face": [1]}), _with(by_kind=[1, 2]), _with(by_kind={"": [1, 2, 3]}), _with(unseen=[None]),
    _with(ways=[{}]), _with(ways=["face"]),
    _with(ways=[{"kind": "face", "first": 0, "last": 1, "begin": [1], "end": [1, 2]}]),
])  # fmt: skip
def test_movement_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedRecord):
        from_json(data)


def test_movement_with_a_field_of_a_later_version_is_read() -> None:
    assert isinstance(from_json(_with(later={"a": [1]})), Movement)
