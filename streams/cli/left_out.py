"""What a file verb gives out without, and says so: frames that the source has lost, and sound."""

from __future__ import annotations

from infra.sound import has_sound
from streams.cli.output import say


def left_out(source: str, lost: int) -> dict[str, object]:
    """For machines: frames of the source that no picture came of, and whether it has sound."""
    return {"frames_lost": lost, "sound_dropped": has_sound(source)}


def say_left_out(source: str, lost: int) -> None:
    """The same for people; nothing where nothing is missing."""
    say_lost(lost)
    if has_sound(source):
        say("the source has sound, and the video has none: voices show who speaks, and aren't desensitised")


def say_lost(lost: int) -> None:
    """How many frames are missing, if any."""
    if lost:
        say(f"{lost} frame{'s' * (lost != 1)} of the source couldn't be read (damaged or missing): the video goes on "
            "without", "lost:", "yellow")
