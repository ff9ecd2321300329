"""All suites in turn, as `FIGURES.md` names them: each in a process of its own, its report and its log in one folder.

A report that lies there is taken as it is, so that what was interrupted goes on where it stopped.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from schemas.errors import SealframeError
from streams.evaluate.report import Figure, read

STOP_SECONDS = 60.0
"""How long a suite may take to stop its servers."""


@dataclass(frozen=True, slots=True)
class Run:
    """A suite and its options; `name` is that of its report, and stands before its figures."""

    suite: str
    options: str = ""
    beside: str = ""

    @property
    def name(self) -> str:
        """The suite's, with what it is measured on where that is told apart."""
        return f"{self.suite}-{self.beside}" if self.beside else self.suite


RUNS = (
    Run("detect"),
    Run("tracks", "--seeds 3"),
    Run("leak"),
    Run("leak", "--first 100 --seeds 60 --variants 0 --parts 0", "fresh"),
    Run("clip-leak", "--frames 120"),
    Run("plate-leak"),
    Run("view", "--moving MOT17 --moving aula-face --moving yolov4"),
    Run("spare"),
    Run("evasion", "--clips 1"),
    Run("cost", "--frames 40"),
    Run("bits"),
    Run("methods", "--frames 60"),
    Run("utility"),
    Run("silhouette"),
    Run("replacement", "--every 6 --frames 0"),
    Run("hiding", "--frames 32"),
    Run("events", "--frames 30"),
    Run("attack", "--method veil"),
    Run("attack-structure", "--method scramble --pictures 500"),
    Run("attack-networks", "--method veil"),
    Run("attack-plates", "--method solid"),
    Run("files"),
    Run("files", "--quality lossless", "lossless"),
    Run("stack"),
    Run("restore"),
    Run("latency"),
    Run("memory", "--minutes 10"),
    *(Run("kill", f"--service {service}", service) for service in ("worker", "operator", "authority")),
    Run("identities"),
    Run("faces"),
    Run("quality", "--people 200 --seed 1"),
    Run("subjects", "--no-whole --clips 3", "dropouts"),
    Run("subjects", "--clips 0", "videos"),
    Run("search"),
    Run("plates"),
    Run("plate-tracks"),
    Run("plate-search"),
)


def evaluate(
    runs: Sequence[Run], arguments: Callable[[Run], list[str]], folder: Path, tell: Callable[[str], None],
) -> tuple[list[Figure], list[str]]:
    """The figures of all runs, each id after its run's name, and why others have none.

    `arguments` of a run are those of this machine: its data.
    """
    figures: list[Figure] = []
    failed: list[str] = []
    for number, run in enumerate(runs, 1):
        place, log, began = folder / f"{run.name}.json", folder / f"{run.name}.log", time.monotonic()
        there = place.exists()
        if not there:
            tell(f"{number} of {len(runs)}: {run.name} (it writes to {log})")
            _measure([run.suite, *run.options.split(), *arguments(run), "--json", str(place)], log)
        try:
            found = read(place)
        except SealframeError:
            failed.append(f"{run.name}: {_last(log)}")
            tell(failed[-1])
            continue
        missed = sum(one.holds is False for one in found)
        took = "measured before" if there else f"{time.monotonic() - began:.0f} s"
        tell(f"{run.name}: {len(found)} figures, {missed} missed; {took}")
        figures += [replace(one, id=f"{run.name}/{one.id}") for one in found]
    return figures, failed


def _measure(arguments: Sequence[str], log: Path) -> None:
    """Run one suite to its end; it is told to stop its servers where this one is."""
    with log.open("w") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", "eval", *arguments],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )
        try:
            child.wait()
        finally:
            if child.poll() is None:
                child.terminate()
                child.wait(STOP_SECONDS)


def _last(log: Path) -> str:
    """The last line of a log that says anything."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
