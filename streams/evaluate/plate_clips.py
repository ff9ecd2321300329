"""`eval plate-tracks --data`: clips with a plate that people can read: found, followed, joined; `clips_right`.

The text is what the column `plates` of clips.tsv says after "readable". Every second frame is searched; boxes whose
middles are less than a width apart within eight frames are one track. A clip is right where a track of four glimpses
or more says the text. Following is simpler here than the worker's, which has no say in what is read.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np

from operators.detect import PlateDetector
from operators.plate_track import Glimpse, alone, glimpse, join, rectify
from operators.plates import PlateReader
from schemas.errors import MalformedRecord, UsageError
from schemas.regions import Array
from streams.evaluate.detect import scaled
from streams.evaluate.report import Figure

EVERY, APART, LEAST = 2, 8, 4
_KNOWN = re.compile(r"readable(?:, first)?: (\w+)")


@dataclass(slots=True)
class Followed:
    """A plate while it is followed: its last box and frame, and its glimpses."""

    box: Array
    frame: int
    glimpses: list[Glimpse] = field(default_factory=list)


def known_plates(data: Path) -> dict[Path, str]:
    """Clips and the plate that is readable in each; raises UsageError without clips.tsv."""
    folder = data / "clips" if (data / "clips").is_dir() else data
    if not (folder / "clips.tsv").is_file():
        raise UsageError(f"{data} holds no clips.tsv, nor clips/clips.tsv")
    with (folder / "clips.tsv").open(encoding="utf-8", newline="") as table:
        rows = [(row["file"], _KNOWN.search(row.get("plates") or "")) for row in csv.DictReader(table, delimiter="\t")]
    return {folder / file: match[1] for file, match in rows if match}


def evaluate(data: Path, detector: PlateDetector, reader: PlateReader, tell: Callable[[str], None]) -> list[Figure]:
    """`clips_right`: clips of which a track says the known plate; and the same for the surest frame of a track."""
    clips = known_plates(data)
    if not clips:
        raise UsageError(f"{data}: clips.tsv names no readable plate")
    joined = best = 0
    for path, text in clips.items():
        tracks = [one for one in follow(path, detector, reader) if len(one.glimpses) >= LEAST]
        right = any(join(one.glimpses).text == text for one in tracks)
        sure = [max(map(alone, one.glimpses), key=lambda said: said.confidence).text for one in tracks]
        joined, best = joined + right, best + (text in sure)
        tell(f"{path.name}: {len(tracks)} tracks, {text} {'read' if right else 'not read'}")
    note = f"{best} by the surest frame of a track"
    return [Figure("clips_right", joined / len(clips), "", "==", 1.0, len(clips), note)]


def follow(path: Path, detector: PlateDetector, reader: PlateReader) -> list[Followed]:
    """The plates of a clip, each with its glimpses, in the order they came."""
    tracks: list[Followed] = []
    with av.open(str(path)) as file:
        for number, frame in enumerate(file.decode(video=0)):
            if number % EVERY:
                continue
            picture = np.ascontiguousarray(frame.to_ndarray(format="rgb24"), np.uint8)
            small, scale = scaled(picture)
            found = detector.detect(small)
            for box, corners in zip(found.boxes * scale, found.landmarks * scale, strict=True):
                try:
                    [seen] = glimpse(reader, [rectify(picture, corners)])
                except MalformedRecord:
                    continue
                track = _nearest(tracks, box, number)
                if track is None:
                    tracks.append(track := Followed(box, number))
                track.box, track.frame = box, number
                track.glimpses.append(seen)
    return tracks


def _nearest(tracks: list[Followed], box: Array, number: int) -> Followed | None:
    near = [
        (far, at) for at, one in enumerate(tracks)
        if 0 < number - one.frame <= APART and (far := _apart(one.box, box)) < max(_width(one.box), _width(box))
    ]
    return tracks[min(near)[1]] if near else None


def _apart(one: Array, other: Array) -> float:
    return float(np.abs(one[:2] + one[2:] - other[:2] - other[2:]).max()) / 2


def _width(box: Array) -> float:
    return float(box[2] - box[0])
