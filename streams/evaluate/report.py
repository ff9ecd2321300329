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
from rich.box import SIMPLE_HEAD
from rich.table import Column, Table
from rich.text import Text

from schemas.errors import ConfigError

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
        """The target is met; None without one. Of nothing that was counted none holds."""
        if self.target is None:
            return None
        if self.n == 0:
            return False
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


def read(path: Path) -> list[Figure]:
    """The figures of a report; raises `ConfigError` where there is none."""
    try:
        rows = json.loads(path.read_text())["figures"]
        return [
            Figure(
                row["id"], float(row["value"]), row["unit"], row["better"],
                None if row["target"] is None else float(row["target"].split()[-1]), row["n"], row["note"],
            )
            for row in rows
        ]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path.name} isn't a report of a suite") from error


def table(title: str, figures: Sequence[Figure]) -> Table:
    """A report as people read it: each figure with its note beneath, so that 80 columns are enough."""
    rows = Table(
        Column("figure", overflow="fold", ratio=1), Column("value", no_wrap=True), Column("target", no_wrap=True),
        Column("", no_wrap=True), Column("n", no_wrap=True, justify="right"),
        title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), expand=True,
    )
    for figure in figures:
        target = "" if figure.target is None else f"{figure.better} {figure.target:g} {figure.unit}"
        missed = "[red]missed[/red]" if figure.n else "[red]nothing counted[/red]"
        mark = {None: "", True: "[green]holds[/green]", False: missed}[figure.holds]
        name = Text(figure.id, "bold")
        if figure.note:
            name.append(f"\n{figure.note}", "not bold dim")
        rows.add_row(name, f"{figure.value:.4g} {figure.unit}", target, mark, f"{figure.n:,}")
    return rows


def _plain(figure: Figure) -> dict[str, object]:
    value = figure.value if math.isfinite(figure.value) else str(figure.value)
    target = None if figure.target is None else f"{figure.better} {figure.target:g}"
    return {**asdict(figure), "value": value, "target": target, "holds": figure.holds} | {"better": figure.better}
