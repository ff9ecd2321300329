"""What a file's head promises: whether there is sound, and how long its pictures last; nothing is decoded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

_DURATION = re.compile(r"(\d+):(\d{2}):(\d{2}(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class FileHead:
    """`length_s`: how long the pictures last; None where the head doesn't say, or sound may be what lasts so long.

    `further`: video tracks beside the one that is taken; covers aren't any.
    """

    sound: bool = False
    length_s: float | None = None
    further: int = 0


def file_head(source: str) -> FileHead:
    """The head of a file; what isn't a file, or can't be read, promises nothing."""
    path = Path(source)
    if not path.is_file():
        return FileHead()
    try:
        with av.open(str(path.absolute())) as container:
            films = [one for one in container.streams.video if not one.disposition & one.disposition.attached_pic]
            return FileHead(bool(container.streams.audio), _length_s(container), max(0, len(films) - 1))
    except (av.FFmpegError, OSError, ValueError):
        return FileHead()


def _length_s(container: InputContainer) -> float | None:
    """By the picture track, by its tag (Matroska), or by the file where it holds nothing else."""
    if not container.streams.video:
        return None
    stream: VideoStream = container.streams.video[0]
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if tag := _DURATION.match(stream.metadata.get("DURATION", "")):
        hours, minutes, seconds = tag.groups()
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    if container.duration and len(container.streams) == 1:
        return float(container.duration / av.time_base)
    return None
