"""Child processes are known by their pid files, whatever the clock says; ports are none of the system's own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from psutil import _pslinux

from infra import process


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


def test_free_ports_are_different_and_never_ephemeral() -> None:
    found = process.free_ports(50)
    assert len(set(found)) == 50
    assert max(found) < 32_768
