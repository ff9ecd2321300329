"""How CamShift labels a subject where its detection drops out: generated clips, detections taken away at known frames.

Regions are the true boxes of faces, a little off; what is shown are the blocks around them, as in a restored video. Of
each person's frames runs of 2 to 15 lose their detection, 10 to 39 frames apart. A dropped face-frame counts that is at
least half in view; it is labelled right where the subject gets that region.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from operators.dropouts import Label, Seen, State, label
from operators.track.geometry import Box, iou
from schemas.frames import BLOCK
from streams.demo.cast import identities_cast
from streams.demo.compose import Truth, compose
from streams.evaluate.report import Figure
from streams.setup import detector

PEOPLE, CHUNK = 20, 25
MIN_VISIBLE, SAME, PADDING, OFF = 0.5, 0.3, 0.2, 0.05
RUN, APART = (2, 16), (10, 40)
Tell = Callable[[str], None]


@dataclass(slots=True)
class Counts:
    """Face-frames whose detection was dropped, those labelled right, and labels that name another person."""

    dropped: int = 0
    right: int = 0
    wrong: int = 0


def evaluate(data: Path, folder: Path, seeds: int, clips: int, tell: Tell = lambda _: None) -> list[Figure]:
    """So many clips of each of so many casts."""
    total, find = Counts(), detector().detect
    for seed in range(seeds):
        for scene in identities_cast(data, PEOPLE, seed).scenes[:clips]:
            path = folder / f"dropouts-{scene.camera_id}.mp4"
            truth = compose(scene.people, path, detect=find, seed=scene.seed, seconds=scene.seconds,
                            face_width=scene.face_width)
            count(total, truth, path, np.random.default_rng(scene.seed))
            path.unlink()
            tell(f"dropouts: {total.right} of {total.dropped} labelled, {total.wrong} as somebody else")
    return [
        Figure("dropouts_labelled", total.right / max(1, total.dropped), "", ">=", None, total.dropped,
               f"face-frames without a detection, in runs of {RUN[0]} to {RUN[1] - 1}, that CamShift labels right"),
        Figure("dropouts_mistaken", total.wrong, "face-frames", "==", 0, total.dropped, "labelled as another person"),
    ]


def count(total: Counts, truth: Truth, path: Path, rng: np.random.Generator) -> None:
    """Count one clip."""
    drops = {who: _runs(len(truth.frames), rng) for who in truth.labels}
    for number, labels in enumerate(_labels(_frames(truth, path, drops, rng))):
        faces = {truth.labels.index(face.label): face for face in truth.frames[number]}
        named = {one.subject: one.box for one in labels if one.source == "camshift"}
        for who, face in faces.items():
            if face.visible >= MIN_VISIBLE and number in drops[face.label]:
                total.dropped += 1
                total.right += who in named and iou(named[who], face.box) >= SAME
        for who, box in named.items():
            over = {other: iou(box, face.box) for other, face in faces.items()}
            total.wrong += max(over, key=lambda other: over[other], default=who) != who


def _labels(frames: Iterator[Seen]) -> Iterator[tuple[Label, ...]]:
    state: State = {}
    chunk: list[Seen] = []
    for seen in frames:
        chunk.append(seen)
        if len(chunk) == CHUNK:
            state, labels = label(state, chunk)
            yield from labels
            chunk = []
    yield from label(state, chunk)[1]


def _frames(truth: Truth, path: Path, drops: dict[str, set[int]], rng: np.random.Generator) -> Iterator[Seen]:
    """The clip's frames with all but the blocks of faces blank."""
    with av.open(str(path)) as file:
        for number, frame in enumerate(file.decode(video=0)):
            rgb = frame.to_ndarray(format="rgb24")
            shown = np.zeros(rgb.shape[:2], np.bool_)
            detected: dict[int, Box] = {}
            regions: list[Box] = []
            for face in truth.frames[number]:
                x1, y1, x2, y2 = face.box
                dx, dy = PADDING * (x2 - x1), PADDING * (y2 - y1)
                left, top = (max(0, int(low) // BLOCK * BLOCK) for low in (x1 - dx, y1 - dy))
                right, bottom = (max(0, -(-int(high) // BLOCK) * BLOCK) for high in (x2 + dx, y2 + dy))
                shown[top:bottom, left:right] = True
                a, b, c, d = (np.array(face.box) + rng.normal(0, OFF, 4) * (x2 - x1)).tolist()
                if face.visible >= MIN_VISIBLE and number not in drops[face.label]:
                    detected[truth.labels.index(face.label)] = a, b, c, d
                else:
                    regions.append((a, b, c, d))
            yield Seen(number, np.ascontiguousarray(rgb * shown[..., None]), shown, detected, tuple(regions))


def _runs(frames: int, rng: np.random.Generator) -> set[int]:
    """Frames in which a person's detection is taken away."""
    found: set[int] = set()
    at = 0
    while at < frames:
        at += int(rng.integers(*APART))
        length = int(rng.integers(*RUN))
        found |= set(range(at, at + length))
        at += length
    return found
