"""Has a fixed camera been moved? Then its zones lie in the wrong place, and nobody knows what it shows now.

A view is remembered by the directions of its coarse edges: the sign of the luma's slope between neighbours of a 33 x 19
picture, across and down; each counts once it has been the same three times running, so what passes by teaches nothing.
A frame shows another view where fewer than `SAME` of the edges that are known, and that it has, point the known way.

How far the two are apart says `sealframe eval view`: fixed cameras agree in 0.76 and more, with a crowd in front too;
shifted by a tenth of their width in 0.74 and less. Shifts by 2 % aren't seen.

A picture that shows less than half of the known edges, as of a covered lens, doesn't make it forget the rest.

A moved camera's frames are masked whole until the old view is back (what stood in front is gone) or the zones have been
set anew; where there are none, the new view counts after a minute.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from operators.desensitise.policy import Policy
from operators.sign import digest
from schemas.frames import FrameChunk, Planes
from schemas.state import ViewState

Edges = npt.NDArray[np.int8]
COLUMNS, ROWS = 32, 18
SLOPE = 6
"""Levels between neighbours from which there is an edge."""
KNOWN = 3
ENOUGH = 60
"""Known edges from which a view can be told from another."""
SAME = 0.75
SETTLE_MS = 60_000


def edges(planes: Planes) -> Edges:
    """Direction of each coarse edge, across and down: int8 (2, 18, 32) of -1, 1, or 0 for none."""
    small = cv2.resize(planes.y, (COLUMNS + 1, ROWS + 1), interpolation=cv2.INTER_AREA).astype(np.int16)
    slopes = np.stack([small[:-1, 1:] - small[:-1, :-1], small[1:, :-1] - small[:-1, :-1]])
    return np.where(np.abs(slopes) >= SLOPE, np.sign(slopes), 0).astype(np.int8)


def agreement(view: ViewState, seen: Edges) -> float | None:
    """Share of the known edges, of those that are seen, which point the known way; None while too little is known."""
    known = _edges_of(view)
    sure = np.abs(known) >= KNOWN
    both = sure & (seen != 0)
    if sure.sum() < ENOUGH or not both.any():
        return None
    return float((np.sign(known[both]) == seen[both]).mean())


def learned(view: ViewState, seen: Edges) -> ViewState:
    """The view with these edges taken in: one that is there as before gets surer, another one starts anew."""
    known = _edges_of(view).astype(np.int16)
    same = (np.sign(known) == seen) & (seen != 0)
    less = known - np.sign(known)
    now = np.where(same, np.clip(known + seen, -KNOWN, KNOWN), np.where((seen != 0) & (np.abs(known) <= 1), seen, less))
    return ViewState(now.astype(np.int8).tobytes(), view.zones, view.since_ms)


def guard(view: ViewState, seen: Sequence[Edges], zones: bytes, now_ms: int) -> tuple[ViewState, bool]:
    """The view after these frames of a chunk, and whether any of them shows another one than is known.

    `zones`: digest of the zones in force, empty where there are none.
    """
    if not seen:
        return view, view.since_ms > 0
    alike = [agreement(view, one) for one in seen]
    away = any(share is not None and share < SAME for share in alike)
    if not away and all(_hidden(view, one) for one in seen):
        return view, view.since_ms > 0
    if view.since_ms and away:
        settled = not zones and now_ms - view.since_ms >= SETTLE_MS
        if zones == view.zones and not settled:
            return view, True
        view = ViewState()
    elif away:
        return ViewState(view.edges, zones, now_ms), True
    else:
        view = ViewState(view.edges)
    for one in seen:
        view = view if _hidden(view, one) else learned(view, one)
    return view, False


def zones_of(policy: Policy, chunk: FrameChunk) -> bytes:
    """Digest of the zones that hold at a chunk's camera; empty where there are none."""
    bare = [one.statement for one in policy.bare if one.hold(chunk.camera_id, chunk.capture_ms, chunk.capture_ms)]
    return digest(repr((policy.zones, bare)).encode()) if policy.zones or bare else b""


def _hidden(view: ViewState, seen: Edges) -> bool:
    """Less than half of a known view is seen, as under a hand or at night: that neither teaches nor ends anything."""
    sure = np.abs(_edges_of(view)) >= KNOWN
    return bool(sure.sum() >= ENOUGH and 2 * (sure & (seen != 0)).sum() < sure.sum())


def _edges_of(view: ViewState) -> Edges:
    shape = (2, ROWS, COLUMNS)
    if len(view.edges) != np.prod(shape):
        return np.zeros(shape, np.int8)
    return np.frombuffer(view.edges, np.int8).reshape(shape)
