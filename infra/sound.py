"""Whether a file has sound, from its head alone; nothing is decoded."""

from __future__ import annotations

from pathlib import Path

import av


def has_sound(source: str) -> bool:
    """Whether the source is a file with a sound track; what isn't a file, or can't be read, has none."""
    path = Path(source)
    if not path.is_file():
        return False
    try:
        with av.open(str(path.absolute())) as container:
            return bool(container.streams.audio)
    except (av.FFmpegError, OSError, ValueError):
        return False
