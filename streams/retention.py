"""What is kept how long: by age and size of each camera and kind, and by how full the disk is. For both platforms.

Only decides; who holds the data destroys it. Nothing under a legal hold is ever due, and nothing to which something was
added in the last ten minutes. Where no rule holds, data are kept until the disk is full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from infra.settings import RetentionSetting
from schemas.topics import DAY_MS, MINUTE_MS

ALARM_SHARE, DROP_SHARE = 0.90, 0.95
"""Share of a disk from which an alarm is raised, and from which the oldest videos go."""
QUIET_MS = 10 * MINUTE_MS
PUBLIC = "public"
"""The kind of the operating platform's video."""

Reason = Literal["age", "size", "full-disk"]


@dataclass(frozen=True, slots=True)
class Rule:
    """At cameras of these patterns, these kinds are kept so many days, and their files up to so many bytes in all."""

    cameras: tuple[str, ...]
    kinds: tuple[str, ...]
    days: float | None = None
    max_bytes: int | None = None

    def holds(self, camera_id: str, kind: str) -> bool:
        """Whether the rule is about that kind at that camera."""
        return kind in self.kinds and any(fnmatchcase(camera_id, pattern) for pattern in self.cameras)


@dataclass(frozen=True, slots=True)
class Kept:
    """A video that is kept: its last moment, when something was last added to it, and the kinds in it that still open.

    Without any it is a file that nothing opens; it goes when all that the rules name would.
    """

    video_id: str
    camera_id: str
    kinds: tuple[str, ...]
    start_ms: int
    end_ms: int
    bytes: int
    added_ms: int
    held: bool = False


@dataclass(frozen=True, slots=True)
class Due:
    """What must go of a video; `kinds` empty: all of it, its file too."""

    video: Kept
    reason: Reason
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes of a disk, and how many are taken."""

    total: int
    used: int

    @property
    def share(self) -> float:
        """How much of it is taken, 0 to 1."""
        return self.used / max(self.total, 1)


def rules_of(settings: Sequence[RetentionSetting]) -> tuple[Rule, ...]:
    """Rules as the settings name them."""
    return tuple(
        Rule(one.cameras, one.kinds, one.days, None if one.gigabytes is None else round(one.gigabytes * 1e9))
        for one in settings
    )


def due(kept: Sequence[Kept], rules: Sequence[Rule], now_ms: int, disk: Disk) -> list[Due]:
    """What must go now, oldest first. The first rule that holds counts, for each camera and kind.

    A size limit counts whole files, and takes whole videos. A full disk takes videos of any camera until less than 95 %
    of it is taken.
    """
    free = sorted(
        (video for video in kept if not video.held and now_ms - video.added_ms >= QUIET_MS),
        key=lambda video: (video.end_ms, video.video_id),
    )
    found = {one.video.video_id: one for video in free if (one := _aged(video, rules, now_ms))}
    for rule in rules:
        _oversized(found, free, [v for v in kept if _counts(v, rules, rule)], rule)
    used = disk.used - sum(one.video.bytes for one in found.values() if not one.kinds)
    for video in free:
        if used < DROP_SHARE * disk.total:
            break
        if _whole(found.get(video.video_id)):
            continue
        found[video.video_id] = Due(video, "full-disk")
        used -= video.bytes
    return sorted(found.values(), key=lambda one: (one.video.end_ms, one.video.video_id))


def _aged(video: Kept, rules: Sequence[Rule], now_ms: int) -> Due | None:
    """What is too old in a video: some kinds, or all there are."""
    old, kinds = [], video.kinds or {kind for rule in rules for kind in rule.kinds if kind != PUBLIC}
    last_ms = min(video.end_ms, video.added_ms or video.end_ms)  # a camera's clock may be ahead by years
    for kind in kinds:
        rule = rule_at(rules, video.camera_id, kind)
        if rule and rule.days is not None and now_ms - last_ms > rule.days * DAY_MS:
            old.append(kind)
    if len(old) == len(kinds) and old:
        return Due(video, "age")
    return Due(video, "age", tuple(old)) if old and video.kinds else None


def _oversized(found: dict[str, Due], free: Sequence[Kept], counted: Sequence[Kept], rule: Rule) -> None:
    """Add the oldest videos that a rule's size limit takes."""
    if rule.max_bytes is None:
        return
    size = sum(video.bytes for video in counted if not _whole(found.get(video.video_id)))
    names = {video.video_id for video in counted}
    for video in free:
        if size <= rule.max_bytes:
            return
        if video.video_id in names and not _whole(found.get(video.video_id)):
            found[video.video_id] = Due(video, "size")
            size -= video.bytes


def _whole(one: Due | None) -> bool:
    return one is not None and not one.kinds


def _counts(video: Kept, rules: Sequence[Rule], rule: Rule) -> bool:
    return any(rule_at(rules, video.camera_id, kind) is rule for kind in video.kinds)


def rule_at(rules: Sequence[Rule], camera_id: str, kind: str) -> Rule | None:
    """The rule that counts for a kind at a camera."""
    return next((rule for rule in rules if rule.holds(camera_id, kind)), None)
