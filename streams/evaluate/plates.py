"""`sealframe eval plates`: the plate reader on labelled crops it was never trained on, by part.

Crops are cut by the true box. Only the half of `labels.tsv` that is kept back counts (see
`operators/training/plates/labels.py`), unless asked for all: right only for pictures that training never saw.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from operators.plates import PlateReader, Reading
from operators.training.plates.labels import Plate, cut, load
from schemas.errors import UsageError
from streams.evaluate.report import Figure

TARGETS = {"ccpd-crops": 0.95, "openalpr-uscrops": 0.90, "openalpr-eu": 0.92}
ALIKE = str.maketrans("OI", "01")
MOST_MS = 4.0
TIMED_RUNS = 200


def edits(said: str, true: str) -> int:
    """Least number of characters to put in, take out or change (Levenshtein)."""
    row = list(range(len(true) + 1))
    for at, one in enumerate(said, 1):
        before, row[0] = row[0], at
        for to, other in enumerate(true, 1):
            before, row[to] = row[to], min(row[to] + 1, row[to - 1] + 1, before + (one != other))
    return row[-1]


def folder_of(data: Path) -> Path:
    """The folder that holds labels.tsv: `data`, or `plates` in it; raises UsageError without one."""
    for folder in (data, data / "plates"):
        if (folder / "labels.tsv").is_file():
            return folder
    raise UsageError(f"{data} holds no labels.tsv, nor plates/labels.tsv")


def evaluate(data: Path, model: Path, whole: bool, tell: Callable[[str], None]) -> list[Figure]:
    """Exact match and character error rate of every part, and the time of a plate."""
    plates = load(folder_of(data), None if whole else True)
    if not plates:
        raise UsageError(f"{data}: no labelled plate is kept back")
    reader = PlateReader(model)
    parts: dict[str, list[tuple[Plate, Reading]]] = defaultdict(list)
    for plate, reading in zip(plates, reader.read([cut(plate) for plate in plates]), strict=True):
        parts[plate.part].append((plate, reading))
    figures: list[Figure] = []
    for part, read in sorted(parts.items()):
        wrong = [f"{plate.text} read {reading.text}" for plate, reading in read if plate.text != reading.text]
        tell(f"{part}: {len(wrong)} of {len(read)} wrong" + "".join(f"; {one}" for one in wrong[:40]))
        figures += _figures(part, [(plate.text, reading.text) for plate, reading in read])
    return [*figures, _time(reader, plates)]


def _figures(part: str, pairs: Sequence[tuple[str, str]]) -> list[Figure]:
    name, count = part.replace("-", "_"), len(pairs)
    right = sum(true == said for true, said in pairs) / count
    alike = sum(true.translate(ALIKE) == said.translate(ALIKE) for true, said in pairs) / count
    characters = sum(len(true) for true, _ in pairs)
    wrong = sum(edits(said, true) for true, said in pairs) / characters
    note = f"{alike:.3f} where O is as good as 0 and I as 1"
    return [
        Figure(f"exact_{name}", right, "", ">=", TARGETS.get(part), count, note),
        Figure(f"cer_{name}", wrong, "", "<=", None, characters),
    ]


def _time(reader: PlateReader, plates: Sequence[Plate]) -> Figure:
    """Wall time of one plate, alone: scaling, network, beam search."""
    crops = [cut(plate) for plate in plates[:20]]
    times = []
    for run in range(TIMED_RUNS):
        began = time.perf_counter()
        reader.read([crops[run % len(crops)]])
        times.append(1000 * (time.perf_counter() - began))
    times.sort()
    note = f"whole call, one thread; fastest {times[0]:.1f}"
    return Figure("plate_ms", times[TIMED_RUNS // 2], "ms", "<=", MOST_MS, TIMED_RUNS, note)
