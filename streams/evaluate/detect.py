"""`sealframe eval detect`: face detectors on labelled photographs, by average precision, recall and time.

Data: the part `wider` of `faceboxes/labels.tsv`. Pictures are scaled to a longer side of at most 640 before detection,
as frames are. A face counts if it is valid and at least 20 px high in the unscaled picture; other labelled ones are
neither wanted nor wrong. Matching and its limits: `operators/detect/measure.py`.
"""

from __future__ import annotations

import csv
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from operators.detect import DETECTION_SIDE, Detector
from operators.detect.measure import FALSE_PER_PICTURE, Flags, Matched, average_precision, gather, recall_at, score_at
from schemas.errors import UsageError
from schemas.regions import Array
from streams.evaluate.report import Figure

PART = "wider"
LOWEST_FACE = 20
HEIGHTS = ((20, 40), (40, 80), (80, 160), (160, None))
TIMED_SIZE = (384, 640)
TIMED_RUNS = 100
MOST_MS = 12.0
LOWEST_SCORE = 0.02

Rgb = npt.NDArray[np.uint8]
Make = Callable[[float], Detector]


@dataclass(frozen=True, slots=True)
class Labelled:
    """One picture with its faces, xyxy in its own pixels; `wanted` marks those that count."""

    path: Path
    faces: Array
    wanted: Flags


def labelled(folder: Path, part: str = PART) -> list[Labelled]:
    """The pictures of one part of `folder`/labels.tsv.

    Raises:
        UsageError: no table, or no picture of that part.

    """
    rows: dict[str, list[tuple[list[float], bool]]] = defaultdict(list)
    try:
        with (folder / "labels.tsv").open(encoding="utf-8", newline="") as table:
            for row in csv.DictReader(table, delimiter="\t"):
                if row["part"] == part:
                    x, y, w, h = (float(row[key]) for key in "xywh")
                    wanted = "invalid=1" not in row["note"] and h >= LOWEST_FACE and w > 0
                    rows[row["file"]].append(([x, y, x + w, y + h], wanted))
    except (OSError, KeyError, ValueError) as error:
        raise UsageError(f"{folder}/labels.tsv: {error}") from error
    if not rows:
        raise UsageError(f"{folder}/labels.tsv holds no part {part!r}")
    return [
        Labelled(folder / name, np.array([box for box, _ in faces], np.float32), np.array([w for _, w in faces], bool))
        for name, faces in sorted(rows.items())
    ]


def read_rgb(path: Path) -> Rgb:
    """A picture file as RGB; raises UsageError for a file that is none."""
    picture = cv2.imread(str(path))
    if picture is None:
        raise UsageError(f"{path} isn't a picture")
    return np.ascontiguousarray(picture[:, :, ::-1], np.uint8)


def scaled(picture: Rgb, size: int = DETECTION_SIDE) -> tuple[Rgb, float]:
    """The picture with a longer side of at most `size`, and its own pixels per pixel of the result."""
    ratio = min(1.0, size / max(picture.shape[:2]))
    target = round(picture.shape[1] * ratio), round(picture.shape[0] * ratio)
    small = cv2.resize(picture, target, interpolation=cv2.INTER_AREA) if ratio < 1 else picture
    return np.ascontiguousarray(small, np.uint8), 1 / ratio


def matched(detector: Detector, pictures: Sequence[Labelled]) -> Matched:
    """One detector over all pictures."""

    def found() -> Iterator[tuple[Array, Array, Array, Flags]]:
        for one in pictures:
            small, scale = scaled(read_rgb(one.path))
            said = detector.detect(small)
            yield said.boxes * np.float32(scale), said.scores, one.faces, one.wanted

    return gather(found())


def call_times(detectors: Mapping[str, Detector], picture: Rgb, runs: int = TIMED_RUNS) -> dict[str, list[float]]:
    """CPU times in ms of whole calls on one 640x384 picture, the detectors in turn, sorted.

    Detectors run on the calling thread alone, so its CPU time is what a call takes on a core of its own.
    """
    canvas = np.zeros((*TIMED_SIZE, 3), np.uint8)
    part = picture[: TIMED_SIZE[0], : TIMED_SIZE[1]]
    canvas[: part.shape[0], : part.shape[1]] = part
    times: dict[str, list[float]] = {name: [] for name in detectors}
    for _ in range(runs):
        for name, detector in detectors.items():
            began = time.thread_time()
            detector.detect(canvas)
            times[name].append(1000 * (time.thread_time() - began))
    return {name: sorted(values) for name, values in times.items()}


def evaluate(data: Path, own: str, makers: Mapping[str, Make], tell: Callable[[str], None]) -> list[Figure]:
    """All figures of all detectors, each made with the lowest score that it shall report.

    The targets of detector `own` are the best of the others.
    """
    pictures = labelled(data / "faceboxes")
    results: dict[str, Matched] = {}
    for name, make in makers.items():
        tell(name)
        results[name] = matched(make(LOWEST_SCORE), pictures)
    times = call_times({name: make(0.3) for name, make in makers.items()}, scaled(read_rgb(pictures[0].path))[0])
    figures = []
    for name, result in results.items():
        others = [other for key, other in results.items() if key != own] if name == own else []
        figures += _accuracy(name, result, others)
        note = f"640x384, whole call, CPU time of its one thread; fastest {times[name][0]:.1f}"
        median = times[name][len(times[name]) // 2]
        figures.append(Figure(f"{name}_ms", median, "ms", "<=", MOST_MS if name == own else None, TIMED_RUNS, note))
    return figures


def _accuracy(name: str, result: Matched, others: Sequence[Matched]) -> list[Figure]:
    score = score_at(result)
    recall, n = recall_at(result, score)
    best_precision = max((average_precision(other) for other in others), default=None)
    best_recall = max((recall_at(other, score_at(other))[0] for other in others), default=None)
    at = f"at {FALSE_PER_PICTURE} false boxes a picture: score over {score:.3f}"
    figures = [
        Figure(f"{name}_ap50", average_precision(result), "", ">=", best_precision, n),
        Figure(f"{name}_recall", recall, "", ">=", best_recall, n, at),
    ]
    for low, high in HEIGHTS:
        part, count = recall_at(result, score, low, high)
        label = f"{low}_{high}" if high else f"over_{low}"
        figures.append(Figure(f"{name}_recall_{label}", part, "", ">=", None, count, "at the same score; height in px"))
    return figures
