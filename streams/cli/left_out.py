"""What a file verb gives out without, and says so: what the source has lost or never had, and sound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

from infra.file_head import FileHead, file_head
from schemas.frames import FrameChunk
from streams.cli.output import say

LEAST_S = 0.5
"""A head may promise so much more, or two frames, than its pictures last."""


class Taken:
    """What a verb takes in of a source: its frames, those that it lost, and how long it lasts."""

    def __init__(self, source: str) -> None:
        self._source = source
        self.frames, self.lost, self.length_s = 0, 0, 0.0

    def of(self, chunks: Iterable[FrameChunk]) -> Iterator[FrameChunk]:
        """The same chunks, counted from the first one on."""
        self.frames, self.lost, begin = 0, 0, None
        for chunk in chunks:
            begin = chunk.pts[0] if begin is None else begin
            self.frames, self.lost = self.frames + len(chunk.units), self.lost + chunk.gaps
            self.length_s = float((chunk.end_pts - begin) * chunk.format.time_base)
            yield chunk

    @cached_property
    def head(self) -> FileHead:
        """What the source's head promises."""
        return file_head(self._source)

    def missing_s(self) -> float:
        """How much of what the head promises isn't there; 0 where it doesn't say."""
        missing = (self.head.length_s or 0.0) - self.length_s
        return missing if missing > max(LEAST_S, 2 * self.length_s / max(1, self.frames)) else 0.0


def left_out(taken: Taken) -> dict[str, object]:
    """For machines: frames that no picture came of, how much is cut off, whether there is sound, further tracks."""
    return {"frames_lost": taken.lost, "seconds_cut_off": round(taken.missing_s(), 3),
            "sound_dropped": taken.head.sound, "tracks_left_out": taken.head.further}


def say_left_out(taken: Taken) -> None:
    """The same for people; nothing where nothing is missing."""
    say_lost(taken.lost)
    if missing := taken.missing_s():
        whole, read = taken.length_s + missing, taken.length_s
        say(f"the file promises {whole:.1f} s of pictures, {read:.1f} s could be read: it is cut off, as by a copy "
            "that broke off, or damaged", "cut off:", "yellow")
    if further := taken.head.further:
        say(f"only the first video track is taken, and {further} more left out: make a file of each, and take them one "
            "by one", "left out:", "yellow")
    if taken.head.sound:
        say("the source has sound, and the video has none: voices show who speaks, and aren't desensitised")


def say_lost(lost: int) -> None:
    """How many frames are missing, if any."""
    if lost:
        say(f"{lost} frame{'s' * (lost != 1)} of the source couldn't be read (damaged or missing): the video goes on "
            "without", "lost:", "yellow")
