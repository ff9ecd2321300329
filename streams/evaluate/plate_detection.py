"""`sealframe eval plates`, second half: the plate detector on whole pictures that it was never trained on, by part.

Pictures are scaled to a longer side of at most 640, as frames are. Only the half of `labels.tsv` that is kept back
counts (see `operators/training/plates/labels.py`), unless asked for all. A box is right at an IoU of 0.5 with a
labelled one; a plate that nobody labelled counts as a false box. A plate is covered when every block of 16x16 that its
labelled box touches is among the blocks masked, with the policy's padding, in the unscaled picture.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from operators.desensitise.policy import Policy
from operators.detect import PlateDetector
from operators.detect.measure import (
    FALSE_PER_PICTURE,
    average_precision,
    gather,
    overlaps,
    recall_at,
    score_at,
)
from operators.pixels import Mask, blocks_of, no_blocks
from operators.plate_track import read_views, views
from operators.plates import PlateReader
from operators.training.plates.labels import Photograph, photographs
from schemas.frames import VideoFormat
from schemas.regions import Array
from streams.evaluate.detect import LOWEST_SCORE, TIMED_RUNS, call_times, read_rgb, scaled
from streams.evaluate.plates import folder_of
from streams.evaluate.report import Figure

RECALL = {"openalpr-eu": 0.97, "openalpr-us": 0.95}
READ = {"openalpr-eu": 0.85, "openalpr-us": 0.80}
COVERED, ALARMS = 0.99, 0.5
MOST_MS = 25.0
Make = Callable[[float | None], PlateDetector]


@dataclass(frozen=True, slots=True)
class Searched:
    """One picture: its labels, what was found in its own pixels, and the texts read from each box of it."""

    photograph: Photograph
    format: VideoFormat
    boxes: Array
    scores: Array
    texts: tuple[str, ...]
    straight_texts: tuple[str, ...]

    def masked(self, score: float, padding: float) -> Mask:
        """The blocks masked when boxes above the score are."""
        mask = no_blocks(self.format)
        for box in self.boxes[self.scores > score]:
            mask |= blocks_of(box, padding, self.format)
        return mask


def evaluate(
    data: Path, make: Make, reader: PlateReader, whole: bool, tell: Callable[[str], None]
) -> list[Figure]:
    """All figures of the detector by part, end to end with the reader, and its time; none without labelled boxes."""
    parts: dict[str, list[Photograph]] = defaultdict(list)
    for one in photographs(folder_of(data), None if whole else True):
        parts[one.part].append(one)
    if not parts:
        return []
    detector, shipped = make(LOWEST_SCORE), make(None).score
    figures: list[Figure] = []
    for part, pictures in parts.items():
        figures += _figures(part, [_search(detector, reader, one) for one in pictures], shipped, tell)
    first = scaled(read_rgb(next(iter(parts.values()))[0].path))[0]
    times = call_times({"plate": make(None)}, first)["plate"]
    note = f"640x384, whole call, CPU time of its one thread; fastest {times[0]:.1f}"
    return [*figures, Figure("detector_ms", times[len(times) // 2], "ms", "<=", MOST_MS, TIMED_RUNS, note)]


def _search(detector: PlateDetector, reader: PlateReader, photograph: Photograph) -> Searched:
    picture = read_rgb(photograph.path)
    small, scale = scaled(picture)
    found = detector.detect(small)
    boxes = found.boxes * np.float32(scale)
    near = overlaps(boxes, photograph.boxes).max(1, initial=0) > 0.3
    seen = [views(picture, boxes[index], found.landmarks[index] * np.float32(scale)) if near[index] else []
            for index in range(len(boxes))]
    height, width = picture.shape[:2]
    return Searched(
        photograph, VideoFormat(width, height, Fraction(1, 25)), boxes, found.scores,
        tuple(read_views(reader, both).text if both else "" for both in seen),
        tuple(reader.read(both[:1])[0].text if both else "" for both in seen),
    )


def _figures(part: str, searched: Sequence[Searched], shipped: float, tell: Callable[[str], None]) -> list[Figure]:
    name = part.replace("-", "_")
    result = gather(
        (one.boxes, one.scores, one.photograph.boxes, np.ones(len(one.photograph.boxes), bool)) for one in searched
    )
    score = score_at(result)
    recall, count = recall_at(result, score)
    at = f"at {FALSE_PER_PICTURE} false boxes a picture: score over {score:.3f}"
    loose = max(score_at(result, ALARMS), LOWEST_SCORE)
    covered, left = _covered(searched, loose)
    at_shipped, _ = _covered(searched, shipped)
    tell(f"{part}: found {recall:.3f}, covered {covered:.3f}" + "".join(f"; not covered: {one}" for one in left))
    false = float((result.scores[~result.right] > shipped).sum()) / len(searched)
    figures = [
        Figure(f"recall_{name}", recall, "", ">=", RECALL.get(part), count, at),
        Figure(f"ap50_{name}", average_precision(result), "", ">=", None, count),
        Figure(f"covered_{name}", covered, "", ">=", COVERED, count, f"at {ALARMS} false ones: score over {loose:.3f}"),
        Figure(f"covered_shipped_{name}", at_shipped, "", ">=", COVERED, count, f"at the score shipped, {shipped:g}"),
        Figure(f"false_shipped_{name}", false, "", "<=", ALARMS, len(searched), "false boxes a picture at that score"),
    ]
    pairs = [pair for one in searched for pair in _pairs(one, shipped)]
    if pairs:
        right = sum(true == said for true, said, _ in pairs) / len(pairs)
        alone = sum(true == straight for true, _, straight in pairs) / len(pairs)
        wrong = [f"{true} read {said or 'nothing'}" for true, said, _ in pairs if true != said]
        tell(f"{part}, end to end: {len(wrong)} wrong" + "".join(f"; {one}" for one in wrong[:40]))
        note = f"found at the score shipped, read straightened and as boxed, together; straightened alone: {alone:.3f}"
        figures.append(Figure(f"end_to_end_{name}", right, "", ">=", READ.get(part), len(pairs), note))
    return figures


def _covered(searched: Sequence[Searched], score: float) -> tuple[float, list[str]]:
    """The share of plates whose every block is masked, and the pictures of the others."""
    padding, count, left = Policy({}).padding_of("plate"), 0, []
    for one in searched:
        mask = one.masked(score, padding)
        for box in one.photograph.boxes:
            count += 1
            if (blocks_of(box, 0, one.format) & ~mask).any():
                left.append(one.photograph.path.name)
    return 1 - len(left) / count, left


def _pairs(one: Searched, score: float) -> list[tuple[str, str, str]]:
    """For each plate with a text: it, what the best box on it says, and that straightened alone; "" where none is."""
    pairs = []
    kept = np.flatnonzero(one.scores > score)
    over = overlaps(one.boxes[kept], one.photograph.boxes)
    for index, text in enumerate(one.photograph.texts):
        if text:
            on = kept[over[:, index] >= 0.5]
            pairs.append((text, one.texts[on[0]], one.straight_texts[on[0]]) if len(on) else (text, "", ""))
    return pairs
