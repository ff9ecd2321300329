"""Names of videos: camera, start in ms, 8 hex digits, with `-` between; whoever names one says whose it is."""

from __future__ import annotations

import re

from schemas.errors import MalformedRecord

_PARTS = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,119})-(\d{1,15})-[0-9a-f]{8}")


def start_ms(video_id: str) -> int:
    """Capture time of a video's start, which its id holds.

    Raises:
        MalformedRecord: the id isn't `camera-milliseconds-8 hex digits`.

    """
    found = _PARTS.fullmatch(video_id)
    if not found:
        raise MalformedRecord("a video id isn't made of camera, start time and 8 hex digits")
    return int(found[2])


def is_of(video_id: str, camera_id: str) -> bool:
    """Whether a video's name says that this camera made it."""
    found = _PARTS.fullmatch(video_id)
    return found is not None and found[1] == camera_id
