"""`sealframe eval tracks`: whether a track shows one person, on generated clips in which people cross.

A restoration gives back the tracks of one subject. A track that goes over from one person to another would show both,
so a tracker in doubt has to part. A detected region shows the person in whose visible face most of its landmarks lie;
a track is of everybody whom at least `SHOWN` of its regions show.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from operators.cohere import blocks
from operators.desensitise.policy import Policy
from operators.detect import Finder
from schemas.frames import BLOCK, VideoFormat
from schemas.regions import Region
from streams.demo.cast import Scene
from streams.demo.compose import Face, Truth, compose
from streams.evaluate.leak import MIN_HEIGHT, MIN_VISIBLE, located, scenes
from streams.evaluate.report import Figure
from streams.setup import detector, finder

SHOWN = 2
LANDMARKS = 4
Tell = Callable[[str], None]
Frames = Sequence[tuple[VideoFormat, tuple[Region, ...]]]


@dataclass(slots=True)
class Tracks:
    """Counts over clips. `owners`: for each track that shows anybody how many people it shows.

    `faces` are face-frames; `lost` of them lie for more than half in blocks that only another person's tracks claim,
    so that a restoration of this person lacks them, and one of the other has them.
    """

    people: int = 0
    faces: int = 0
    lost: int = 0
    owners: list[int] = field(default_factory=list)

    def add(self, other: Tracks) -> None:
        """Take in another clip's counts."""
        self.people += other.people
        self.faces += other.faces
        self.lost += other.lost
        self.owners += other.owners


def evaluate(data: Path, folder: Path, seeds: int, tell: Tell = lambda _: None) -> list[Figure]:
    """Clips of so many casts; `data` holds `labels.tsv`, `folder` takes the clips for a while."""
    return figures(measure(scenes(data, range(seeds)), folder, finder(["face"]), Policy({}), tell))


def measure(
    filmed: Iterable[Scene], folder: Path, finder: Finder, policy: Policy, tell: Tell = lambda _: None
) -> Tracks:
    """Film each scene, follow its faces, and look who is shown by each track."""
    total, find = Tracks(), detector().detect
    for scene in filmed:
        path = folder / f"{scene.camera_id}.mp4"
        truth = compose(scene.people, path, detect=find, seed=scene.seed, seconds=scene.seconds,
                        face_width=scene.face_width)
        frames = [(chunk.format, regions) for chunk, found in located(path, finder, policy) for regions in found.frames]
        total.add(count(truth, frames, policy.padding))
        path.unlink()
        mixed = sum(owners > 1 for owners in total.owners)
        tell(f"{scene.camera_id}: {mixed} of {len(total.owners)} tracks show two people")
    return total


def count(truth: Truth, frames: Frames, padding: float) -> Tracks:
    """Counts of one clip; `frames` are the regions of each of its frames."""
    shown: dict[int, Counter[str]] = defaultdict(Counter)
    for faces, (_, regions) in zip(truth.frames, frames, strict=True):
        for region in regions:
            label = owner(region, faces)
            if label is not None:
                shown[region.track][label] += 1
    owners = [sum(n >= SHOWN for n in labels.values()) for labels in shown.values()]
    of, out = {track: {*labels} for track, labels in shown.items()}, Tracks(len(truth.labels))
    out.owners = [n for n in owners if n]
    for faces, (video, regions) in zip(truth.frames, frames, strict=True):
        for face in faces:
            if face.box[3] - face.box[1] >= MIN_HEIGHT and face.visible >= MIN_VISIBLE:
                out.faces += 1
                out.lost += _lost(face, regions, of, video, padding)
    return out


def owner(region: Region, faces: Sequence[Face]) -> str | None:
    """Label of the face in whose visible pixels at least four of a detected region's five landmarks lie."""
    if region.source != "detected" or len(region.landmarks) != 10:
        return None
    points = np.floor(np.reshape(region.landmarks, (5, 2))).astype(int)
    for face in faces:
        top, left, seen = face.pixels
        rows, columns = points[:, 1] - top, points[:, 0] - left
        inside = (rows >= 0) & (rows < seen.shape[0]) & (columns >= 0) & (columns < seen.shape[1])
        if int(seen[rows[inside], columns[inside]].sum()) >= LANDMARKS:
            return face.label
    return None


def _lost(
    face: Face, regions: Sequence[Region], of: dict[int, set[str]], video: VideoFormat, padding: float
) -> bool:
    """Over half of what is in view lies in blocks of tracks that show others only, and in none that may be its own."""
    own, other = np.zeros(video.blocks, bool), np.zeros(video.blocks, bool)
    for region in regions:
        rect, labels = blocks(region.box, video, padding), of.get(region.track, {face.label})
        if rect is not None:
            mask = own if face.label in labels else other
            mask[rect.top : rect.bottom, rect.left : rect.right] = True
    top, left, seen = face.pixels
    rows = np.minimum(np.arange(top, top + seen.shape[0]) // BLOCK, own.shape[0] - 1)
    columns = np.minimum(np.arange(left, left + seen.shape[1]) // BLOCK, own.shape[1] - 1)
    taken = (other & ~own)[np.ix_(rows, columns)]
    return bool((seen & taken).sum() > seen.sum() / 2)


def figures(total: Tracks) -> list[Figure]:
    """Tracks that show several people, faces in others' tracks, and the price: how often a person's track is parted."""
    n = len(total.owners)
    mixed = sum(owners > 1 for owners in total.owners)
    return [
        Figure("mixed_tracks", mixed, "tracks", "==", 0, n, f"of {n} tracks that show anybody in {SHOWN} regions"),
        Figure("lost_faces", total.lost, "face-frames", "<=", None, total.faces,
               "over half in blocks that only other people's tracks claim"),
        Figure("tracks_a_person", n / max(total.people, 1), "", "<=", None, total.people, "people in a clip"),
    ]
