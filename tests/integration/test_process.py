"""Child processes are known by their pid files, whatever the clock says; ports are none of the system's own."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from psutil import _pslinux

from infra import process

ROOT = Path(__file__).parents[2]


@pytest.fixture
def pid_file(tmp_path: Path) -> Iterator[Path]:
    """Of a process that sleeps."""
    path = tmp_path / "pid"
    process.spawn([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path / "log", path)
    yield path
    process.stop(path)


@pytest.mark.parametrize("seconds", [-3600, 5, 86_400])
def test_running_process_is_known_after_the_clock_was_set(
    pid_file: Path, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    booted = _pslinux.boot_time()
    monkeypatch.setattr(_pslinux, "boot_time", lambda: booted + seconds)
    assert process.running(pid_file) is not None


@pytest.mark.parametrize(("field", "other"), [(0, "999999999"), (1, "5.0"), (2, "another-boot")])
def test_running_another_process_isnt_taken_for_ours(pid_file: Path, field: int, other: str) -> None:
    kept = pid_file.read_text()
    fields = kept.split()
    fields[field] = other
    pid_file.write_text(" ".join(fields))
    assert process.running(pid_file) is None
    pid_file.write_text(kept)


def test_stop_of_a_process_that_nobody_reaps_returns(tmp_path: Path) -> None:
    sleeper = f"{sys.executable!r}, '-c', 'import time; time.sleep(60)'"
    lines = [
        "import time", "from pathlib import Path", "from infra import process", f"home = Path({str(tmp_path)!r})",
        f"process.spawn([{sleeper}], home / 'log', home / 'child')", "time.sleep(60)",
    ]
    parent = process.spawn([sys.executable, "-c", "\n".join(lines)], tmp_path / "log", tmp_path / "pid", cwd=ROOT)
    while not (tmp_path / "child").exists() or not process.running(tmp_path / "child"):
        assert process.running(tmp_path / "pid") == parent
        time.sleep(0.05)
    process.stop(tmp_path / "child", seconds=2.0)
    process.stop(tmp_path / "pid")


def test_free_ports_are_different_and_never_ephemeral() -> None:
    found = process.free_ports(50)
    assert len(set(found)) == 50
    assert max(found) < 32_768
