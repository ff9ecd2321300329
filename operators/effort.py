"""How much is spent on a chunk of a live camera: less and less the later the camera is, and never less masking.

First fewer frames are searched, then some of those at half the size, then none: every frame is masked whole and sealed
to the custodian. Only then are chunks dropped. From the first step on every mask is larger by what else only doubtful
ones get, and the pictures are coded with x264's quickest preset, which saves more than all searching costs.

How late a chunk was decides about the one after the next: that one is looked ahead to before its own turn comes, and a
chunk must be searched once, in one way. What was decided is part of the camera's state, so a chunk that comes again is
treated as it was. A step up takes one late chunk, a step down several early ones in a row, and more of them each time
it had to be taken back. Lateness is in seconds since the next chunk came, for which each is held in any case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from operators.desensitise.policy import Policy
from schemas.state import LoadState

FULL, SPARSE, COARSE, WHOLE, DROPPED = range(5)
LEVELS = ("full", "sparse", "coarse", "whole", "dropped")
RISE_S = (2.0, 4.0, 8.0, 30.0)
"""From so late on a level is left for the next one."""
FALL_S = (0.0, 1.0, 2.0, 4.0, 15.0)
"""Below it a chunk is early enough to leave a level for the one before."""
PATIENCE, MOST_PATIENCE, RECENT = 3, 48, 60
"""Chunks: early ones in a row before a step down; at most so many; how long such a step counts as recent."""
TIMES = (1, 2, 2)
"""The stride of a level, in strides of the policy. With three, faces that come in between stay bare."""
LONGEST_S = 0.6
"""No frame is further from a search than that by a longer stride: a track outlives its last detection by a second."""
FINE_S = 0.6
"""At least so often a frame is searched at full size: what is too small for half of it is found there."""


def decide(load: LoadState | None, late_s: float) -> LoadState:
    """The levels of the next two chunks, once a chunk was done so late."""
    before = load or LoadState()
    level, patience, recent = before.ahead, before.patience or PATIENCE, max(0, before.recent - 1)
    if level < DROPPED and late_s >= RISE_S[level]:
        patience = min(2 * patience, MOST_PATIENCE) if recent else patience
        return LoadState(level, level + 1, 0, patience, 0)
    calm = before.calm + 1 if level > FULL and late_s < FALL_S[level] else 0
    if calm and calm >= _needed(level, patience):
        return LoadState(level, level - 1, 0, patience, RECENT)
    return LoadState(level, level, calm, patience if level or recent else 0, recent)


def _needed(level: int, patience: int) -> int:
    """How many early chunks it takes; the last steps are taken back soon, whatever becomes of it."""
    return {WHOLE: PATIENCE, DROPPED: 1}.get(level, patience)


def eased(policy: Policy, level: int) -> Policy:
    """The policy as a chunk of this level is masked and coded."""
    return policy if level == FULL else replace(policy, padding=policy.padding + policy.doubt, preset="ultrafast")


def stride(usual: int, level: int, frame_s: float) -> int:
    """Every so manieth frame is searched; `frame_s`: seconds from one frame to the next."""
    return max(usual, min(usual * TIMES[level], round(LONGEST_S / frame_s)))


def sides(usual: int, level: int, longer: int, times_s: Sequence[float]) -> list[int]:
    """The size, in pixels of the longer side, at which each frame that is searched is; `times_s`: when they are."""
    out, fine = [], None
    for time_s in times_s:
        coarse = level >= COARSE and fine is not None and time_s - fine < FINE_S
        fine = fine if coarse else time_s
        out.append(max(1, min(usual, longer) // 2) if coarse else usual)
    return out
