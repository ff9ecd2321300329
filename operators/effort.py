"""How much is spent on a chunk of a live camera: less and less the later the camera is, and never less masking.

First most searches are at half the size, then evidence of people whose masks meet, or of everybody in a crowd, is
sealed together, then nothing is searched: every frame is masked whole and sealed to the custodian. Only then are chunks
dropped, and only where the camera gets later still: a backlog that shrinks is worked off. From the first step on every
mask is larger by what else only doubtful ones get, and the pictures are coded with x264's quickest preset. No step
searches fewer frames: who comes in between would stay bare.

How late a chunk was decides about the one after the next: that one is looked ahead to before its own turn comes, and a
chunk must be searched once, in one way. Masks and evidence of the next one already follow what was decided. What was
decided is part of the camera's state, so a chunk that comes again is treated as it was. A step up takes one late chunk,
a step down several early ones in a row, and more of them each time it had to be taken back. Lateness is in seconds
since the next chunk came, for which each is held in any case; of chunks of over a second, in their lengths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from operators.claims import Sharing
from operators.desensitise.policy import Policy
from schemas.state import LoadState

FULL, SPARSE, COARSE, WHOLE, DROPPED = range(5)
LEVELS = ("full", "sparse", "coarse", "whole", "dropped")
RISE_S = (1.0, 1.25, 12.0, 30.0)
"""From so late on a level is left for the next one; all but the last in lengths of a chunk if that is over a second."""
HASTE_S = 2.0
"""From so late on the first steps are taken at once."""
FALL_S = (0.0, 0.5, 0.5, 1.0)
"""Below it a chunk is early enough to leave a level for the one before."""
LOSING_S, OLDEST_S = 10.0, 600.0
"""What is masked whole is given up once it is so much later than it was, or so late: the source keeps it for 900 s."""
PATIENCE, MOST_PATIENCE, RECENT = 6, 384, 60
"""Chunks: early ones in a row before a step down; at most so many; how long such a step counts as recent."""
WARIER = 4
"""So many times the patience, each time a recent step down had to be taken back: all cameras are late by it for a few
chunks, and a machine that was too slow a minute ago mostly still is."""
HURRY = {WHOLE: 3, DROPPED: 1}
"""The last steps are taken back after so few, whatever becomes of it."""
FINE_S = 1.0
"""At least so often a frame is searched at full size: what is too small for half of it is found there. Of 25,025
generated face-frames (41 clips) 5 leak at `COARSE`, 30 where half as many frames are searched, every other one at full
size, for three quarters of the searching and 7 % more area."""


def decide(load: LoadState | None, late_s: float, length_s: float = 1.0) -> LoadState:
    """The levels of the next two chunks, once a chunk of this length was done so late."""
    late_s = max(0.0, late_s)  # the broker's clock may be ahead
    before, late_ms = load or LoadState(), round(1000 * late_s)
    level, patience, recent = before.ahead, before.patience or PATIENCE, max(0, before.recent - 1)
    late_s = late_s if level >= WHOLE else late_s / max(1.0, length_s)
    if _too_late(level, late_s, before.mark_ms / 1000):
        patience = min(WARIER * patience, MOST_PATIENCE) if recent else patience
        higher = COARSE if level < COARSE and late_s >= HASTE_S else level + 1
        return LoadState(level, higher, 0, patience, 0, _mark(higher, late_ms))
    early = late_s < (before.mark_ms / 2000 if level == DROPPED else FALL_S[level])
    calm = before.calm + 1 if early else 0
    if calm and calm >= HURRY.get(level, patience):
        return LoadState(level, level - 1, 0, patience, RECENT, _mark(level - 1, late_ms))
    mark_ms = min(before.mark_ms, late_ms) if level == WHOLE else before.mark_ms
    return LoadState(level, level, calm, patience if level or recent else 0, recent, mark_ms)


def _too_late(level: int, late_s: float, least_s: float) -> bool:
    """For this level; `least_s`: how late it was at best since frames are masked whole."""
    if level != WHOLE:
        return level < WHOLE and late_s >= RISE_S[level]
    return late_s >= OLDEST_S or late_s >= max(RISE_S[level], least_s + LOSING_S)


def _mark(level: int, late_ms: int) -> int:
    """What a level that begins now is judged by."""
    return late_ms if level >= WHOLE else 0


def eased(policy: Policy, level: int) -> Policy:
    """The policy as a chunk of this level is masked and coded."""
    return policy if level == FULL else replace(policy, padding=policy.padding + policy.doubt, preset="ultrafast")


def coded(load: LoadState) -> int:
    """The level at which a chunk that is searched at all is masked and coded: that of the next one, if it is higher."""
    return max(load.level, min(load.ahead, COARSE))


def sharing(policy: Policy, level: int) -> Sharing:
    """Whose blocks share a piece of evidence; a late camera's are coded, if at all, most quickly."""
    if level >= COARSE:
        return "crowds"
    return "people" if policy.apart else "neighbours"


def sides(usual: int, level: int, longer: int, times_s: Sequence[float]) -> list[int]:
    """The size, in pixels of the longer side, at which each frame that is searched is; `times_s`: when they are."""
    out, fine = [], None
    for time_s in times_s:
        coarse = level >= SPARSE and fine is not None and time_s - fine < FINE_S
        fine = fine if coarse else time_s
        out.append(max(1, min(usual, longer) // 2) if coarse else usual)
    return out
