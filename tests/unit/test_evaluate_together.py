"""All suites in turn: what is measured already is taken, what can't be measured is named, nothing else is lost."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from streams.evaluate.report import Figure, read, report, write
from streams.evaluate.together import RUNS, Run, evaluate
from tests.support.scenes import crossing, written

ROOT = Path(__file__).parents[2]
SHORT = Run("cost", "--frames 10", "short")
PLACEHOLDERS = {"data", "json", "page", "html", "count"}


def test_a_suite_is_measured_once_and_named_before_its_figures(tmp_path: Path) -> None:
    said: list[str] = []
    written(tmp_path / "clip.mp4", crossing(10))

    def measured() -> tuple[list[Figure], list[str]]:
        return evaluate([SHORT], lambda _: ["--data", str(tmp_path)], tmp_path, said.append)

    figures, failed = measured()
    assert not failed and {one.id.split("/")[0] for one in figures} == {"cost-short"}
    assert next(one for one in figures if one.id == "cost-short/search_ms").value > 0
    first = (tmp_path / "cost-short.json").stat().st_mtime_ns
    assert measured() == (figures, [])
    assert (tmp_path / "cost-short.json").stat().st_mtime_ns == first and "measured before" in said[-1]


def test_what_cant_be_measured_is_named_with_its_reason_and_the_rest_is_kept(tmp_path: Path) -> None:
    write(tmp_path / "bits.json", report("bits", [Figure("bits_veil", 0.85, "", "<=", 0.92)]))
    (tmp_path / "cost.json").write_text('{"figures": [{"id"')
    runs = [Run("detect"), Run("cost"), Run("bits")]
    figures, failed = evaluate(runs, lambda _: ["--data", str(tmp_path)], tmp_path, lambda _: None)
    assert [(one.id, one.value, one.holds) for one in figures] == [("bits/bits_veil", 0.85, True)]
    assert [line.split(":")[0] for line in failed] == ["detect", "cost"] and "labels.tsv" in failed[0]


def test_reports_come_back_as_they_were_written(tmp_path: Path) -> None:
    figures = [Figure("a", 0.5, "s", "<=", 0.4, 7, "why"), Figure("b", float("inf")), Figure("c", 0.0, "", "==", 0.0)]
    write(tmp_path / "one.json", report("one", figures))
    assert read(tmp_path / "one.json") == figures


def test_told_to_end_it_ends_its_suite(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "streams.cli", "eval", "all", "--data", str(tmp_path), "--folder", str(tmp_path),
               "--only", "plate-leak"]
    whole = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not (suites := psutil.Process(whole.pid).children()) and time.monotonic() < until:
        time.sleep(0.1)
    assert len(suites) == 1 and "plate-leak" in suites[0].cmdline()
    os.kill(whole.pid, signal.SIGTERM)
    assert whole.wait(90) == 128 + signal.SIGTERM and not suites[0].is_running()
    assert not (tmp_path / "plate-leak.json").exists()


def claims() -> list[tuple[str, dict[str, str]]]:
    """Suite and options of each section of the figures that has a command."""
    text = (ROOT / "FIGURES.md").read_text(encoding="utf-8")
    found = re.findall(r"^## [^`\n]*`sealframe eval ([a-z-]+)([^`]*)`", text, re.MULTILINE)
    return [(suite, dict(_options(words))) for suite, words in found]


def _options(words: str) -> list[tuple[str, str]]:
    return [(name, value) for name, value in re.findall(r"--([a-z-]+) ?((?!-)[^ ]*)", words)]


@pytest.mark.parametrize(("suite", "options"), claims())
def test_every_command_of_the_figures_is_among_the_runs(suite: str, options: dict[str, str]) -> None:
    plain = {name: value for name, value in options.items() if name not in PLACEHOLDERS and "|" not in value}
    runs = [dict(_options(run.options)) for run in RUNS if run.suite == suite]
    assert any(plain.items() <= run.items() or "seed" in plain for run in runs), (suite, plain)
    several = next((value.split("|") for value in options.values() if "|" in value), [])
    assert {run.get("service") for run in runs} >= set(several)


def test_every_run_has_a_name_of_its_own_and_stands_in_the_figures() -> None:
    assert len({run.name for run in RUNS}) == len(RUNS)
    text = (ROOT / "FIGURES.md").read_text(encoding="utf-8")
    assert not [run.suite for run in RUNS if f"sealframe eval {run.suite}" not in text]


def test_claims_are_many() -> None:
    assert len(claims()) >= 30


def test_json_of_all_says_what_was_not_measured(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "streams.cli", "eval", "all", "--data", str(tmp_path), "--folder", str(tmp_path),
               "--only", "detect", "--profile", "default", "--json", str(tmp_path / "all.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1 and "not measured" in done.stderr
    written = json.loads((tmp_path / "all.json").read_text())
    assert written["figures"] == [] and "labels.tsv" in written["not_measured"][0]
