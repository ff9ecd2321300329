"""The table of all topics: name, key, record, partitions group, retention, who writes, who reads.

Nothing is created by itself: `sealframe topics plan` prints what `topics apply` does with this table.
A breaking change of a record is a new topic (`.v2`), never an edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from schemas.errors import UsageError

MINUTE_MS = 60_000
DAY_MS = 86_400_000
MAX_RECORD_BYTES = 8 * 2**20

WORKER_GROUP = "sealframe-worker"
LOCATE_GROUP = "pipeline.locate"
PROTECT_GROUP = "pipeline.protect"
TABLE = "camera-state"


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic. Principals ending in `*` are prefixes (`camera-*` stands for every camera)."""

    name: str
    record: str
    key: str
    group: Literal["frames", "one"]
    retention_ms: int
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    cleanup: Literal["delete", "compact,delete", "compact"] = "delete"
    max_bytes: int = MAX_RECORD_BYTES


CAMERAS, GATEWAYS = EDGE = ("camera-", "gateway-")
"""What principals that write raw chunks begin with."""
RAW = "frames.raw.v1"
REGIONS = "frames.regions.v1"
OPERATOR_VIDEO = "operator.video.v1"
OPERATOR_EVENTS = "operator.events.v1"
KEYS = "authority.keys.v1"
READY = "platform.ready.v1"
ALARMS = "alarms.v1"
QUARANTINE = "frames.quarantine.v1"
CHANGELOG = f"{WORKER_GROUP}-{TABLE}-changelog"
CHANGELOGS = (CHANGELOG, *(f"{group}-{TABLE}-changelog" for group in (LOCATE_GROUP, PROTECT_GROUP)))


def evidence_topic(authority: str) -> str:
    """Name of the evidence topic of one authority."""
    if not authority or not all(c.isascii() and (c.isalnum() or c == "-") for c in authority):
        raise UsageError(f"authority name {authority!r}: letters, digits and '-' only")
    return f"authority.{authority}.evidence.v1"


def topics(authorities: Sequence[str]) -> tuple[TopicSpec, ...]:
    """All topics of a deployment with these authorities."""
    platforms = ("operator", *(f"authority-{name}" for name in authorities))
    return (
        TopicSpec(RAW, "Signed RawChunk", "camera_id", "frames", 15 * MINUTE_MS, ("camera-*", "gateway-*"),
                  ("pipeline",)),
        TopicSpec(REGIONS, "RegionSet", "camera_id", "frames", 15 * MINUTE_MS, ("pipeline",), ("pipeline",)),
        TopicSpec(OPERATOR_VIDEO, "OperatorRecord", "camera_id", "frames", 2 * DAY_MS, ("pipeline",), ("operator",)),
        TopicSpec(OPERATOR_EVENTS, "JSON events", "camera_id", "frames", 2 * DAY_MS, ("pipeline",), ("operator",)),
        *(
            TopicSpec(
                evidence_topic(name), "Signed SealedEvidence", "camera_id", "frames", 2 * DAY_MS,
                ("pipeline",), (f"authority-{name}",),
            )
            for name in authorities
        ),
        TopicSpec(KEYS, "Signed UploadAddress", "authority", "one", 30 * DAY_MS, platforms[1:], ("pipeline",),
                  cleanup="compact,delete", max_bytes=2**20),
        TopicSpec(READY, "Signed Readiness", "platform", "one", DAY_MS, ("pipeline", *platforms),
                  ("pipeline", *platforms), max_bytes=2**20),
        TopicSpec(ALARMS, "Alarm", "camera_id", "one", 30 * DAY_MS, ("pipeline", *platforms), platforms,
                  max_bytes=2**20),
        TopicSpec(QUARANTINE, "Quarantined or SealedEvidence", "camera_id", "frames", 30 * DAY_MS, ("pipeline",), ()),
        *(
            TopicSpec(name, "CameraState", "camera_id", "frames", 15 * MINUTE_MS, ("pipeline",), ("pipeline",),
                      cleanup="compact,delete", max_bytes=2**20)
            for name in CHANGELOGS
        ),
    )
