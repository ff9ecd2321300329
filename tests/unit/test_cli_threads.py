"""The command line's own threads: numpy brings none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import os, sys
sys.argv = ["sealframe", "--help"]
from streams.cli.main import run
try:
    run()
except SystemExit:
    pass
import numpy as np
np.ones((600, 600)) @ np.ones((600, 600))
print("threads", len(os.listdir("/proc/self/task")))
"""


def _threads(wanted: str | None) -> int:
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    if wanted:
        environment["OPENBLAS_NUM_THREADS"] = wanted
    said = subprocess.run(
        [sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True
    ).stdout
    return int(said.split()[-1])


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted in /proc")
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="on one core numpy has one thread in any case")
def test_numpy_has_one_thread_unless_somebody_wants_more() -> None:
    assert _threads(None) == _threads("1") < _threads("2")
