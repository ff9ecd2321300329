"""One shape for every report: figures with their targets, and what they were measured on."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import psutil
from rich.table import Table

Better = Literal[">=", "<=", "=="]


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured number. `target` None: reported only; `n` is what it was counted over."""

    id: str
    value: float
    unit: str = ""
    better: Better = ">="
    target: float | None = None
    n: int = 1
    note: str = ""

    @property
    def holds(self) -> bool | None:
        """The target is met; None without one."""
        if self.target is None:
            return None
        if self.better == "==":
            return self.value == self.target
        return self.value >= self.target if self.better == ">=" else self.value <= self.target


def machine() -> str:
    """Kind of machine: cores, memory, processor family; no name."""
    memory = psutil.virtual_memory().total / 2**30
    return f"{psutil.cpu_count()} cores, {memory:.0f} GiB, {platform.machine()}, Python {platform.python_version()}"


def report(suite: str, figures: Sequence[Figure], profile: str = "default") -> dict[str, object]:
    """A report as JSON carries it."""
    return {
        "suite": suite, "profile": profile, "date": datetime.now(UTC).date().isoformat(), "machine": machine(),
        "figures": [_plain(figure) for figure in figures],
    }


def write(path: Path, content: dict[str, object]) -> None:
    """Write a report as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, sort_keys=False) + "\n")


def table(title: str, figures: Sequence[Figure]) -> Table:
    """A report as people read it."""
    rows = Table("figure", "value", "target", "", "n", "note", title=title)
    for figure in figures:
        target = "" if figure.target is None else f"{figure.better} {figure.target:g} {figure.unit}"
        mark = {None: "", True: "[green]holds[/green]", False: "[red]missed[/red]"}[figure.holds]
        rows.add_row(figure.id, f"{figure.value:.4g} {figure.unit}", target, mark, str(figure.n), figure.note)
    return rows


def _plain(figure: Figure) -> dict[str, object]:
    value = figure.value if math.isfinite(figure.value) else str(figure.value)
    target = None if figure.target is None else f"{figure.better} {figure.target:g}"
    return {**asdict(figure), "value": value, "target": target, "holds": figure.holds} | {"better": figure.better}
