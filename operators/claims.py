"""Which sets of tracks claim which blocks of a chunk: each painted block is in exactly one set, the unit of a piece.

In a crowd there are dozens of sets that hold a handful of blocks for a moment; a larger set takes these in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Literal

import numpy as np
import numpy.typing as npt

from operators import pixels
from operators.cohere import WHOLE, Claim, Layout
from operators.pixels import Mask
from schemas.frames import VideoFormat
from schemas.regions import ObjectKind

Masks = dict[int, Mask]
"""Blocks by index of the frame, over the picture."""
Sets = dict[tuple[int, ...], Masks]
"""By tracks, ascending, the blocks of their set; none is empty."""
Sharing = Literal["people", "crowds", "neighbours"]
"""Whose blocks share a piece. `people`: those of the same set of tracks, so that one may be opened without the others;
`crowds`: where a camera is late, all whose masks meet in a frame; `neighbours`: where one reader gets everything.
"""
FEW_BLOCKS = 4
"""So many blocks a frame of the chunk, and fewer, are no set of their own where a larger one can take them in."""


def claimed_sets(layout: Layout, format: VideoFormat, joined: bool = False) -> Sets:
    """The sets of a chunk; `joined`: in each frame all blocks of those of one kind whose claims meet are one set's."""
    sets: Sets = {}
    for index, claims in enumerate(layout):
        for tracks, mask in _of_frame(claims, format, joined).items():
            if mask.any():
                sets.setdefault(tracks, {})[index] = mask
    return _taken_in(sets, track_kinds(layout), FEW_BLOCKS * len(layout))


def track_kinds(layout: Layout) -> dict[int, ObjectKind]:
    """By track, of what kind it is."""
    return {claim.track: claim.kind for claims in layout for claim in claims}


def kinds_of(tracks: Iterable[int], kinds: Mapping[int, str]) -> tuple[str, ...]:
    """The kinds of these tracks, each once; `kinds`: by track."""
    return tuple(sorted({kinds[track] for track in tracks}))


def united(some: Iterable[Masks]) -> Masks:
    """All these blocks."""
    out: Masks = {}
    for masks in some:
        out |= {index: out[index] | mask if index in out else mask for index, mask in masks.items()}
    return out


def _of_frame(claims: Sequence[Claim], format: VideoFormat, joined: bool) -> dict[tuple[int, ...], Mask]:
    """Sets of tracks that claim blocks in a frame, each with its blocks."""
    if len(claims) < 2:
        return {(claim.track,): pixels.rects_mask([claim.rect], format) for claim in claims}
    stack = np.stack([pixels.rects_mask([claim.rect], format) for claim in claims])
    painted = stack.any(0)
    sets, inverse = _distinct(stack[:, painted])
    crowds = _crowds(claims) if joined else {}
    result: dict[tuple[int, ...], Mask] = {}
    for i in range(sets.shape[1]):
        owners = [claim for claim, owns in zip(claims, sets[:, i], strict=True) if owns]
        crowd = crowds.get(owners[0].track, ()) if len({owner.kind for owner in owners}) == 1 else ()
        mask = result.setdefault(crowd or tuple(sorted({owner.track for owner in owners})), pixels.no_blocks(format))
        mask[painted] |= inverse == i
    return result


def _distinct(columns: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.intp]]:
    """Each different column once, and by column which of these it is; numbers are sorted faster than rows of bits."""
    packed = np.packbits(columns, axis=0)
    words = np.zeros((columns.shape[1], -(-len(packed) // 8) * 8), np.uint8)
    words[:, : len(packed)] = packed.T
    numbers = words.view(np.uint64)
    _, first, inverse = np.unique(
        numbers[:, 0] if numbers.shape[1] == 1 else numbers, axis=0, return_index=True, return_inverse=True
    )
    return columns[:, first], inverse.reshape(-1)


def _crowds(claims: Sequence[Claim]) -> dict[int, tuple[int, ...]]:
    """By track those of its kind that it shares blocks with, or by way of others; nobody's blocks stay apart."""
    crowds: list[list[Claim]] = []
    for claim in (claim for claim in claims if claim.track != WHOLE):
        met = [c for c in crowds if any(o.kind == claim.kind and pixels.meet(o.rect, claim.rect) for o in c)]
        crowds = [c for c in crowds if c not in met] + [[claim, *chain.from_iterable(met)]]
    return {claim.track: tuple(sorted(c.track for c in crowd)) for crowd in crowds for claim in crowd}


def _taken_in(sets: Sets, kinds: Mapping[int, str], few: int) -> Sets:
    """Few blocks of several tracks of one kind go with the smallest set of it that has all of these, and others.

    Who crosses in a crowd leaves dozens of such sets, and a piece more costs as much as a hundred blocks more. Whoever
    may open the larger set may open the smaller one. What one track claims alone stays its own.
    """
    taken, members = dict(sets), {tracks: frozenset(tracks) for tracks in sets if len(kinds_of(tracks, kinds)) == 1}
    for tracks in sorted((tracks for tracks in members if len(tracks) > 1), key=_smaller):
        if sum(int(mask.sum()) for mask in taken[tracks].values()) > few:
            continue
        into = min((other for other in members if members[tracks] < members[other]), key=_smaller, default=None)
        if into is not None:
            masks = taken.pop(tracks)
            taken[into] = united([taken[into], masks])
    return taken


def _smaller(tracks: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    return len(tracks), tracks
