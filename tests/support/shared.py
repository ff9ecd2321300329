"""Where the shared evaluation data lie, beside the checkout."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Clip:
    """A line of clips.tsv."""

    path: Path
    frames: int
    width: int
    height: int


def shared_data() -> Path:
    """The folder `shared/data` beside the checkout; skips the test where it is missing."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("shared/data isn't beside the checkout")
    return folder


def clips() -> list[Clip]:
    """All clips of clips.tsv, or an empty list where the data are missing."""
    folder = ROOT.parent / "shared" / "data" / "clips"
    if not folder.is_dir():
        return []
    with (folder / "clips.tsv").open(newline="") as table:
        return [
            Clip(folder / row["file"], int(row["frames"]), int(row["width"]), int(row["height"]))
            for row in csv.DictReader(table, delimiter="\t")
        ]
