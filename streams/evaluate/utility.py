"""`sealframe eval utility`: does the desensitised video still show what moves, as the original does?

Moving objects are found by background subtraction (Zivkovic's adaptive Gaussian mixture, as OpenCV has it) on both
videos, each coded and decoded alike, and joined over time by overlap. An object of the original is found again where
the desensitised video has one whose box overlaps it by half (IoU); each counts once. What the desensitised video shows
beyond that is counted too. An object that is followed for some frames is found where half of its boxes are. Motion is
dense flow (DIS) on the smaller pictures, compared where the original moves.

Where blobs fall apart or join depends on little: so the original coded a little coarser, with nothing masked, stands
beside, and says how much of what isn't found the measure itself loses.
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
LASTS = 10
"""Frames for which an object is seen to count as one that is followed."""
COARSER = 2
"""So much higher is the CRF of the original that stands beside."""
MOVES = 0.5
"""Pixels a frame from which the original moves."""
EVERY = 5
FOUND, IOU = 0.98, 0.9
Tell = Callable[[str], None]
Boxes = npt.NDArray[np.float32]
Track = list[tuple[int, Boxes]]
"""An object's boxes by frame."""
Small = npt.NDArray[np.uint8]


@dataclass(slots=True)
class Compared:
    """How one more video of a clip shows the original's objects: frame by frame, and followed over time.

    Objects found again, shown beyond, their overlaps; `tracks` of this video; `followed` ones of the original found.
    """

    found: int = 0
    extra: int = 0
    overlaps: list[float] = field(default_factory=list)
    tracks: int = 0
    followed: int = 0


@dataclass(slots=True)
class Seen:
    """Objects of one clip's original, all their tracks and those that last; how other videos show them; flow.

    `moving`: share of the original's pixels that move, in the median frame.
    """

    name: str
    objects: int = 0
    tracks: int = 0
    followed: int = 0
    shown: Compared = field(default_factory=Compared)
    coarser: Compared = field(default_factory=Compared)
    flow: list[float] = field(default_factory=list)
    moving: float = 0.0


class Movers:
    """Finds what moves, frame after frame."""

    def __init__(self) -> None:
        self._background = cv2.createBackgroundSubtractorMOG2(history=250, varThreshold=36, detectShadows=False)
        self._number = 0
        self.shares: list[float] = []

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
        return np.stack([left, top, left + width, top + height], 1).astype(np.float32).reshape(-1, 4)


def evaluate(
    folder: Path, policy: Policy, finder: Finder, tell: Tell = lambda _: None
) -> tuple[list[Figure], list[Seen]]:
    """All figures over the clips of a folder."""
    seen = []
    for path in clips(folder):
        one = run_clip(path, policy, finder)
        counts = one.moving <= STILL
        tell(f"{one.name}: {one.shown.found} of {one.objects} moving objects (coded coarser {one.coarser.found}), "
             f"{one.shown.extra} more, mean IoU {_mean(one.shown.overlaps):.3f}; of {one.followed} followed "
             f"{one.shown.followed} ({one.coarser.followed})"
             + ("" if counts else " (the camera moves: doesn't count)"))
        seen.append(one)
    return figures([one for one in seen if one.moving <= STILL]), seen


def run_clip(path: Path, policy: Policy, finder: Finder) -> Seen:
    """The videos of one clip, side by side."""
    out, movers = Seen(path.name), (Movers(), Movers(), Movers())
    frames: list[tuple[Boxes, ...]] = []
    before: tuple[Small, ...] | None = None
    for number, pictures in enumerate(_pictures(path, policy, finder)):
        frames.append(tuple(one.boxes(picture) for one, picture in zip(movers, pictures, strict=True)))
        if before and number % EVERY == 0:
            agreement = flow_agreement(before[:2], pictures[:2])
            out.flow += [agreement] if agreement is not None else []
        before = pictures
    original, shown, coarser = ([boxes[k] for boxes in frames] for k in range(3))
    known = tracks(original)
    out.objects, out.tracks = sum(map(len, original)), len(known)
    out.followed = sum(len(track) >= LASTS for track in known)
    out.shown, out.coarser = (compared(original, known, other) for other in (shown, coarser))
    out.moving = float(np.median(movers[0].shares)) if movers[0].shares else 0.0
    return out


def tracks(frames: Sequence[Boxes]) -> list[Track]:
    """Boxes of neighbouring frames joined by overlap, the most alike first."""
    every, live = list[Track](), list[Track]()
    for number, boxes in enumerate(frames):
        last = np.array([track[-1][1] for track in live], np.float32).reshape(-1, 4)
        pairs = {j: live[i] for i, j, _ in matches(last, boxes, JOIN)}
        live = [pairs.get(j, []) for j in range(len(boxes))]
        every += [track for track in live if not track]
        for track, box in zip(live, boxes, strict=True):
            track.append((number, box))
    return every


def matches(a: Boxes, b: Boxes, least: float) -> list[tuple[int, int, float]]:
    """Pairs that overlap by `least` and more with their IoU, the most alike first, each box once."""
    table, out = overlaps(a, b) if len(a) and len(b) else np.empty((0, 0)), []
    while table.size and table.max() >= least:
        i, j = (int(k) for k in np.unravel_index(int(table.argmax()), table.shape))
        out.append((i, j, float(table[i, j])))
        table[i, :] = table[:, j] = -1
    return out


def compared(original: Sequence[Boxes], known: Sequence[Track], other: Sequence[Boxes]) -> Compared:
    """Frame by frame, each object once; and `known`, the tracks of the original that last."""
    out = Compared(tracks=len(tracks(other)))
    for boxes, shown in zip(original, other, strict=True):
        found = matches(boxes, shown, MATCH)
        out.found, out.extra = out.found + len(found), out.extra + len(shown) - len(found)
        out.overlaps += [overlap for *_, overlap in found]
    for track in (one for one in known if len(one) >= LASTS):
        seen = [float(overlaps(box[None], other[number]).max(initial=0)) >= MATCH for number, box in track]
        out.followed += 2 * sum(seen) >= len(seen)
    return out


def flow_agreement(before: Sequence[Small], after: Sequence[Small]) -> float | None:
    """Cosine of both videos' flow, over the pixels that move in the original; None where nothing does."""
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    a, b = (flow.calc(before[i], after[i], np.zeros((*before[i].shape, 2), np.float32)) for i in range(2))
    moves = np.hypot(a[..., 0], a[..., 1]) >= MOVES
    if not moves.any():
        return None
    a, b = a[moves].ravel(), b[moves].ravel()
    return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-9))


def _pictures(path: Path, policy: Policy, finder: Finder) -> Iterator[tuple[Small, ...]]:
    """Small luma pictures of the original, of the desensitised video, and of the original coded a little coarser."""
    chunks = [*open_source(str(path), encode=encode, chunk_ms=2000, camera_id="eval")]
    known: dict[int, bytes] = {}
    for chunk, regions in found_in(chunks, finder, policy):
        decoded, layout = decode(chunk), lay_out(regions, chunk.format, policy)
        frames = [frame.planes for frame in decoded.frames]
        plain, coarser = (encode(frames, chunk.pts, chunk.format, crf=policy.crf + more, preset=policy.preset)
                          for more in (0, COARSER))
        hidden = as_shipped(decoded, layout, known, policy)(policy.crf)
        videos: list[Sequence[Planes]] = [
            decode_units(units, "h264", chunk.format.width, chunk.format.height) for units in (plain, hidden, coarser)
        ]
        for pictures in zip(*videos, strict=True):
            yield tuple(_small(one.y) for one in pictures)


def _small(luma: Plane) -> Small:
    scale = min(1.0, WIDTH / luma.shape[1])
    return np.asarray(cv2.resize(luma, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def figures(seen: Sequence[Seen]) -> list[Figure]:
    """Counts over all clips."""
    objects, followed = sum(one.objects for one in seen), sum(one.followed for one in seen)
    found, coarser = sum(one.shown.found for one in seen), sum(one.coarser.found for one in seen)
    kept, kept_coarser = sum(one.shown.followed for one in seen), sum(one.coarser.followed for one in seen)
    every, flow = sum(one.tracks for one in seen), [value for one in seen for value in one.flow]
    beside = f"of the original at CRF + {COARSER}, nothing masked: what the measure itself loses"
    return [
        Figure("movers_found", found / max(1, objects), "", ">=", FOUND, objects, "moving objects, frame by frame"),
        Figure("movers_found_coarser", coarser / max(1, objects), "", ">=", None, objects, beside),
        Figure("movers_followed", kept / max(1, followed), "", ">=", FOUND, followed,
               f"objects seen for {LASTS} frames and more, found in half of them"),
        Figure("movers_followed_coarser", kept_coarser / max(1, followed), "", ">=", None, followed, beside),
        Figure("movers_iou", _mean([value for one in seen for value in one.shown.overlaps]), "", ">=", IOU, found),
        Figure("movers_extra", sum(one.shown.extra for one in seen) / max(1, objects), "", "<=", None, objects),
        Figure("mover_tracks", sum(one.shown.tracks for one in seen) / max(1, every), "", "<=", None, every,
               "tracks against the original's"),
        Figure("flow_agreement", _mean(flow), "", ">=", None, len(flow), "cosine, where the original moves"),
    ]
