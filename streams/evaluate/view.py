"""`sealframe eval view`: how sure it is that a fixed camera has been moved.

A clip's view is learned from two pictures a second; each later one is compared with what was known till then. Then the
last picture is shifted, zoomed and turned as a push would do it. Clips whose camera moves by itself say nothing about
fixed ones: name them with `moving`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from infra.camera import open_source
from operators import view
from operators.codec import decode, encode
from schemas.frames import Planes
from schemas.state import ViewState
from streams.evaluate.files import clips
from streams.evaluate.report import Figure

A_SECOND = 2
SHIFTS = (0.02, 0.05, 0.1)
Tell = Callable[[str], None]


@dataclass(slots=True)
class Looked:
    """Agreement of a clip's pictures with what was known of its view, and of its last one shifted, by the shift."""

    name: str
    same: list[float] = field(default_factory=list)
    shifted: dict[float, float] = field(default_factory=dict)


def evaluate(
    folder: Path, moving: Sequence[str] = (), tell: Tell = lambda _: None
) -> tuple[list[Figure], list[Looked]]:
    """Figures over the clips of fixed cameras; `moving`: parts of the names of the others."""
    found = []
    for path in clips(folder):
        if any(part in str(path) for part in moving):
            continue
        one = run_clip(path)
        if one.same:
            found.append(one)
            shifts = ", ".join(f"{shift:.0%}: {share:.2f}" for shift, share in one.shifted.items())
            tell(f"{one.name}: at least {min(one.same):.2f} ({len(one.same)} pictures); shifted by {shifts}")
    return figures(found), found


def run_clip(path: Path) -> Looked:
    """Learn a clip's view as it goes."""
    out, known = Looked(path.name), ViewState()
    last: Planes | None = None
    for picture in _pictures(path):
        last, seen = picture, view.edges(picture)
        share = view.agreement(known, seen)
        out.same += [share] if share is not None else []
        known = view.learned(known, seen)
    for shift in SHIFTS:
        pushed = [_pushed(last, x, y) for x, y in ((shift, 0), (-shift, 0), (0, shift))] if last else []
        told = [share for one in pushed if (share := view.agreement(known, view.edges(one))) is not None]
        if told:
            out.shifted[shift] = max(told)
    return out


def _pictures(path: Path) -> Iterator[Planes]:
    number = 0
    for chunk in open_source(str(path), encode=encode, chunk_ms=2000, camera_id="eval"):
        length = float((chunk.end_pts - chunk.pts[0]) * chunk.format.time_base)
        every = max(1, round(len(chunk.pts) / max(length, 0.1) / A_SECOND))
        for frame in decode(chunk).frames:
            if number % every == 0:
                yield frame.planes
            number += 1


def _pushed(planes: Planes, across: float, down: float) -> Planes:
    """The picture shifted by shares of its width, its rim repeated."""
    matrix = np.array([[1, 0, across * planes.y.shape[1]], [0, 1, down * planes.y.shape[1]]], np.float64)
    size = planes.y.shape[1], planes.y.shape[0]
    luma = cv2.warpAffine(planes.y, matrix, size, borderMode=cv2.BORDER_REFLECT)
    return Planes(np.asarray(luma, np.uint8), planes.u, planes.v)


def figures(found: Sequence[Looked]) -> list[Figure]:
    """False alarms and what is seen of shifts."""
    pictures = [share for one in found for share in one.same]
    out = [Figure("view_false_alarms", sum(share < view.SAME for share in pictures) / max(1, len(pictures)), "", "<=",
                  0.0, len(pictures), f"least agreement {min(pictures, default=1):.2f}")]
    for shift in SHIFTS:
        told = [one.shifted[shift] < view.SAME for one in found if shift in one.shifted]
        target = 1.0 if shift >= max(SHIFTS) else None
        out.append(Figure(f"view_shift_{shift * 100:.0f}", sum(told) / max(1, len(told)), "", ">=", target, len(told),
                          "share of clips in which this shift, either way, is seen"))
    return out
