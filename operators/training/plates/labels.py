"""Labelled real plates, and which of them are kept back for tests.

`labels.tsv`: file, x, y, w, h, text, part; an empty box: the picture is the plate. Which half a plate is in is decided
by its text alone, so that no plate is on both sides, whatever parts it is in.
"""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from schemas.errors import UsageError

Rgb = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
MARGIN = 0.3


@dataclass(frozen=True, slots=True)
class Plate:
    """A real plate with its text: its box xyxy in `picture`, which shows at most a margin around it."""

    picture: Rgb
    box: tuple[float, float, float, float]
    text: str
    part: str


@dataclass(frozen=True, slots=True)
class Photograph:
    """A picture file with the plates labelled in it: boxes (n, 4) xyxy in its pixels, a text (or none) for each."""

    path: Path
    boxes: Floats
    texts: tuple[str, ...]
    part: str


def kept_back(text: str) -> bool:
    """Whether plates of this text are for tests only: the lowest bit of SHA-256 of its UTF-8 bytes is set."""
    return bool(hashlib.sha256(text.encode()).digest()[-1] & 1)


def load(folder: Path, test: bool | None, without: Collection[str] = ()) -> list[Plate]:
    """The labelled plates of one half (None: of both), but those without text or of the parts `without`.

    Raises:
        UsageError: no table, or a picture that can't be read.

    """
    plates = []
    try:
        with (folder / "labels.tsv").open(encoding="utf-8", newline="") as table:
            for row in csv.DictReader(table, delimiter="\t"):
                if row["text"] and test in (None, kept_back(row["text"])) and row["part"] not in without:
                    plates.append(_read(folder, row))
    except (OSError, KeyError, ValueError) as error:
        raise UsageError(f"{folder / 'labels.tsv'}: {error}") from error
    return plates


def photographs(folder: Path, test: bool | None, without: Collection[str] = ()) -> list[Photograph]:
    """The pictures with labelled boxes of one half (None: of both), but the parts `without`.

    A picture is kept back if one of its plates is; plates without text count as one text, which is kept back.

    Raises:
        UsageError: no table.

    """
    rows: dict[tuple[str, str], list[tuple[list[float], str]]] = defaultdict(list)
    try:
        with (folder / "labels.tsv").open(encoding="utf-8", newline="") as table:
            for row in csv.DictReader(table, delimiter="\t"):
                if row["w"] and row["part"] not in without:
                    x, y, w, h = (float(row[key]) for key in "xywh")
                    rows[row["part"], row["file"]].append(([x, y, x + w, y + h], row["text"]))
    except (OSError, KeyError, ValueError) as error:
        raise UsageError(f"{folder / 'labels.tsv'}: {error}") from error
    return [
        Photograph(folder / file, np.array([box for box, _ in plates], np.float32), tuple(t for _, t in plates), part)
        for (part, file), plates in sorted(rows.items())
        if test in (None, any(kept_back(text) for _, text in plates))
    ]


def _read(folder: Path, row: dict[str, str]) -> Plate:
    picture = cv2.imread(str(folder / row["file"]))
    if picture is None:
        raise UsageError(f"{row['file']} isn't a picture")
    height, width = picture.shape[:2]
    x, y, w, h = (float(row[key]) for key in "xywh") if row["w"] else (0.0, 0.0, float(width), float(height))
    left, top = max(0, int(x - MARGIN * w)), max(0, int(y - MARGIN * h))
    near = picture[top : int(y + h + MARGIN * h) + 1, left : int(x + w + MARGIN * w) + 1, ::-1]
    box = (x - left, y - top, x - left + w, y - top + h)
    return Plate(np.ascontiguousarray(near, np.uint8), box, row["text"], row["part"])


def cut(plate: Plate) -> Rgb:
    """The crop by the true box."""
    x1, y1, x2, y2 = (round(value) for value in plate.box)
    return np.ascontiguousarray(plate.picture[max(0, y1) : y2, max(0, x1) : x2])
