"""What is due: by age, by size, by a full disk; never what is held or still grows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infra.settings import read_retention
from schemas.errors import ConfigError
from schemas.topics import DAY_MS, MINUTE_MS
from streams.retention import Disk, Kept, Rule, due, rules_of

NOW = 100 * DAY_MS
ROOMY = Disk(1000, 100)


def kept(name: str, days_ago: float, kinds: tuple[str, ...] = ("face",), size: int = 10, held: bool = False,
         camera: str = "gate-1") -> Kept:
    end = round(NOW - days_ago * DAY_MS)
    return Kept(name, camera, kinds, end - MINUTE_MS, end, size, end, held)


def named(found: list) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(one.video.video_id, one.reason, one.kinds) for one in found]


FACES = Rule(("gate-*",), ("face",), days=30)
PLATES = Rule(("*",), ("plate",), days=7)


@pytest.mark.parametrize(
    ("videos", "rules", "expected"),
    [
        ([kept("a", 31)], [], []),
        ([kept("a", 31)], [FACES], [("a", "age", ())]),
        ([kept("a", 29)], [FACES], []),
        ([kept("a", 31, held=True)], [FACES], []),
        ([kept("a", 31, camera="yard")], [FACES], []),
        ([kept("a", 8, ("face", "plate"))], [FACES, PLATES], [("a", "age", ("plate",))]),
        ([kept("a", 31, ("face", "plate"))], [FACES, PLATES], [("a", "age", ())]),
        ([kept("a", 31, ())], [FACES, PLATES], [("a", "age", ())]),
        ([kept("a", 8, ())], [FACES, PLATES], []),
        # the first rule that holds counts
        ([kept("a", 31)], [replace(FACES, days=60), FACES], []),
        ([kept("b", 32), kept("a", 40)], [FACES], [("a", "age", ()), ("b", "age", ())]),
        # the camera's clock was ahead by a year
        ([replace(kept("a", -365), added_ms=NOW - 31 * DAY_MS)], [FACES], [("a", "age", ())]),
        # something was added nine minutes ago
        ([replace(kept("a", 31), added_ms=NOW - 9 * MINUTE_MS)], [FACES], []),
    ],
)
def test_due_by_age(videos: list[Kept], rules: list[Rule], expected: list[object]) -> None:
    assert named(due(videos, rules, NOW, ROOMY)) == expected


def test_due_by_size_takes_the_oldest_that_may_go() -> None:
    videos = [kept("a", 4, held=True), kept("b", 3), kept("c", 2), kept("d", 1), kept("x", 9, camera="yard")]
    rule = Rule(("gate-*",), ("face",), max_bytes=20)
    assert named(due(videos, [rule], NOW, ROOMY)) == [("b", "size", ()), ("c", "size", ())]
    assert due(videos, [replace(rule, max_bytes=40)], NOW, ROOMY) == []
    # what goes by age doesn't count any more
    both = replace(rule, days=2.5, max_bytes=30)
    assert named(due(videos, [both], NOW, ROOMY)) == [("b", "age", ())]


@pytest.mark.parametrize(
    ("used", "expected"), [(949, []), (950, ["b"]), (959, ["b"]), (960, ["b", "c"]), (1000, ["b", "c", "d"])]
)
def test_due_by_a_full_disk_takes_the_oldest_of_any_camera(used: int, expected: list[str]) -> None:
    videos = [kept("a", 5, held=True), kept("d", 1), kept("b", 3, camera="yard"), kept("c", 2)]
    found = due(videos, [], NOW, Disk(1000, used))
    assert [one.video.video_id for one in found] == expected
    assert all(one.reason == "full-disk" and not one.kinds for one in found)


def test_rules_are_read_as_the_stack_hands_them_on() -> None:
    text = '[{"cameras": ["gate-*"], "kinds": ["face"], "days": 30, "gigabytes": 0.5}]'
    assert rules_of(read_retention(text)) == (Rule(("gate-*",), ("face",), 30, 500_000_000),)
    with pytest.raises(ConfigError, match="--retention"):
        read_retention('[{"days": -1}]')
