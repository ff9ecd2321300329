"""`sealframe eval utility`: does the desensitised video still show what moves, as the original does?

Moving objects are found by background subtraction (Zivkovic's adaptive Gaussian mixture, as OpenCV has it) on both
videos, each coded and decoded alike, and joined over time by overlap. An object of the original is found again where
the desensitised video has one whose box overlaps it by half (IoU); each counts once. What the desensitised video shows
beyond that is counted too. Motion is dense flow (DIS) on the smaller pictures, compared where the original moves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from infra.camera import open_source
from operators.codec import decode, decode_units, encode
from operators.cohere import lay_out
from operators.desensitise.policy import Policy
from operators.detect import Finder
from operators.detect.measure import overlaps
from schemas.frames import Plane, Planes
from streams.evaluate.bits import as_shipped
from streams.evaluate.files import clips
from streams.evaluate.leak import found_in
from streams.evaluate.report import Figure

WIDTH = 480
SMALLEST = 0.005
"""Of the picture's area: what is smaller isn't counted as an object."""
LEARNED = 25
"""Frames after which the background counts as known."""
STILL = 0.25
"""Share of moving pixels up to which a camera stands still: where it moves, nothing is background."""
MATCH, JOIN = 0.5, 0.3
MOVES = 0.5
"""Pixels a frame from which the original moves."""
EVERY = 5
FOUND, IOU = 0.98, 0.9
Tell = Callable[[str], None]
Boxes = npt.NDArray[np.float32]
Small = npt.NDArray[np.uint8]


@dataclass(slots=True)
class Seen:
    """Objects of one clip: in the original, found again, shown beyond; their overlaps; tracks of both; flow.

    `moving`: share of the original's pixels that move, in the median frame.
    """

    name: str
    objects: int = 0
    found: int = 0
    extra: int = 0
    overlaps: list[float] = field(default_factory=list)
    tracks: int = 0
    tracks_shown: int = 0
    flow: list[float] = field(default_factory=list)
    moving: float = 0.0


class Movers:
    """Finds what moves, frame after frame, and counts tracks."""

    def __init__(self) -> None:
        self._background = cv2.createBackgroundSubtractorMOG2(history=250, varThreshold=36, detectShadows=False)
        self._number, self.tracks = 0, 0
        self.shares: list[float] = []
        self._before = np.empty((0, 4), np.float32)

    def boxes(self, small: Small) -> Boxes:
        """Boxes (n, 4) xyxy of what moves in this picture; none before the background is known."""
        mask = self._background.apply(small)
        self._number += 1
        if self._number <= LEARNED:
            return np.empty((0, 4), np.float32)
        self.shares.append(float((mask > 0).mean()))
        opened = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        closed = cv2.morphologyEx(opened, cv2.MORPH_CLOSE, np.ones((21, 21), np.uint8))
        _, _, stats, _ = cv2.connectedComponentsWithStats(closed)
        large = stats[1:][stats[1:, cv2.CC_STAT_AREA] >= SMALLEST * small.size]
        left, top, width, height = (large[:, i] for i in range(4))
        found = np.stack([left, top, left + width, top + height], 1).astype(np.float32).reshape(-1, 4)
        joined = overlaps(found, self._before).max(1, initial=0) if len(found) else np.empty(0)
        self.tracks += int((joined < JOIN).sum())
        self._before = found
        return found


def evaluate(
    folder: Path, policy: Policy, finder: Finder, tell: Tell = lambda _: None
) -> tuple[list[Figure], list[Seen]]:
    """All figures over the clips of a folder."""
    seen = []
    for path in clips(folder):
        one = run_clip(path, policy, finder)
        counts = one.moving <= STILL
        tell(f"{one.name}: {one.found} of {one.objects} moving objects, {one.extra} more, mean IoU "
             f"{_mean(one.overlaps):.3f}" + ("" if counts else " (the camera moves: doesn't count)"))
        seen.append(one)
    return figures([one for one in seen if one.moving <= STILL]), seen


def run_clip(path: Path, policy: Policy, finder: Finder) -> Seen:
    """Both videos of one clip, side by side."""
    out, plain, shown = Seen(path.name), Movers(), Movers()
    before: tuple[Small, Small] | None = None
    for number, pair in enumerate(_pairs(path, policy, finder)):
        compare(out, plain.boxes(pair[0]), shown.boxes(pair[1]))
        if before and number % EVERY == 0:
            agreement = flow_agreement(before, pair)
            out.flow += [agreement] if agreement is not None else []
        before = pair
    out.tracks, out.tracks_shown = plain.tracks, shown.tracks
    out.moving = float(np.median(plain.shares)) if plain.shares else 0.0
    return out


def compare(out: Seen, original: Boxes, shown: Boxes) -> None:
    """Match one frame's objects, the most alike first, each once."""
    table = overlaps(original, shown) if len(original) and len(shown) else np.zeros((len(original), len(shown)))
    matched = 0
    while table.size and table.max() >= MATCH:
        i, j = np.unravel_index(int(table.argmax()), table.shape)
        out.overlaps.append(float(table[i, j]))
        table[i, :] = table[:, j] = 0
        matched += 1
    out.objects, out.found = out.objects + len(original), out.found + matched
    out.extra += len(shown) - matched


def flow_agreement(before: tuple[Small, Small], after: tuple[Small, Small]) -> float | None:
    """Cosine of both videos' flow, over the pixels that move in the original; None where nothing does."""
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    a, b = (flow.calc(before[i], after[i], np.zeros((*before[i].shape, 2), np.float32)) for i in range(2))
    moves = np.hypot(a[..., 0], a[..., 1]) >= MOVES
    if not moves.any():
        return None
    a, b = a[moves].ravel(), b[moves].ravel()
    return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-9))


def _pairs(path: Path, policy: Policy, finder: Finder) -> Iterator[tuple[Small, Small]]:
    """Small luma pictures of the original and of the desensitised video, both after the codec."""
    chunks = [*open_source(str(path), encode=encode, chunk_ms=2000, camera_id="eval")]
    known: dict[int, bytes] = {}
    for chunk, regions in found_in(chunks, finder, policy):
        decoded, layout = decode(chunk), lay_out(regions, chunk.format, policy)
        frames = [frame.planes for frame in decoded.frames]
        plain = encode(frames, chunk.pts, chunk.format, crf=policy.crf, preset=policy.preset)
        hidden = as_shipped(decoded, layout, known, policy)(policy.crf)
        pictures: list[Sequence[Planes]] = [
            decode_units(units, "h264", chunk.format.width, chunk.format.height) for units in (plain, hidden)
        ]
        for a, b in zip(*pictures, strict=True):
            yield _small(a.y), _small(b.y)


def _small(luma: Plane) -> Small:
    scale = min(1.0, WIDTH / luma.shape[1])
    return np.asarray(cv2.resize(luma, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def figures(seen: Sequence[Seen]) -> list[Figure]:
    """Counts over all clips."""
    objects, found = sum(one.objects for one in seen), sum(one.found for one in seen)
    flow = [value for one in seen for value in one.flow]
    return [
        Figure("movers_found", found / max(1, objects), "", ">=", FOUND, objects, "moving objects, frame by frame"),
        Figure("movers_iou", _mean([value for one in seen for value in one.overlaps]), "", ">=", IOU, found),
        Figure("movers_extra", sum(one.extra for one in seen) / max(1, objects), "", "<=", None, objects),
        Figure("mover_tracks", sum(one.tracks_shown for one in seen) / max(1, sum(one.tracks for one in seen)), "",
               "<=", None, sum(one.tracks for one in seen), "tracks against the original's"),
        Figure("flow_agreement", _mean(flow), "", ">=", None, len(flow), "cosine, where the original moves"),
    ]
