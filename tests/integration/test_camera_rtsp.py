"""A camera behind a real RTSP server: chunks as they come, and a new video after it was away."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra import process
from infra.camera import describe, open_source
from operators.codec import decode, encode
from schemas.errors import SourceError
from tests.support.shared import ROOT
from tests.unit.test_camera_formats import write

PYTHON = "/usr/bin/python3"
PROBE = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    have = Path(PYTHON).exists() and not subprocess.run([PYTHON, "-c", PROBE], capture_output=True).returncode
    if not have:
        if os.environ.get("REQUIRE_SERVICES") == "1":
            pytest.fail("no RTSP server: install gir1.2-gst-rtsp-server-1.0")
        pytest.skip("no RTSP server: install gir1.2-gst-rtsp-server-1.0")
    options = {"g": "10", "bf": "0", "x264-params": "scenecut=0"}
    return write(tmp_path_factory.mktemp("rtsp") / "cam.mp4", times=range(200), options=options)


@pytest.fixture
def port() -> int:
    return process.free_ports(1)[0]


@contextmanager
def serving(port: int, clip: Path) -> Iterator[None]:
    """The server, as long as the block runs."""
    script = str(ROOT / "tests" / "support" / "rtsp_server.py")
    server = subprocess.Popen([PYTHON, script, str(port), str(clip)], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None and server.stdout.readline() == "ready\n"
        yield
    finally:
        server.kill()
        server.wait()
        if server.stdout is not None:
            server.stdout.close()


def test_rtsp_camera_gives_chunks_and_is_called_again(clip: Path, port: int):
    url = f"rtsp://127.0.0.1:{port}/cam"
    with serving(port, clip):
        source = open_source(url, encode=encode, camera_id="cam", chunk_ms=800)
        before = [next(source) for _ in range(2)]
    with serving(port, clip):
        later = [next(source) for _ in range(3)]
    source.close()
    chunks = before + later
    assert all(len(decode(chunk).frames) == len(chunk.units) for chunk in chunks)
    assert all(len(chunk.units) <= 21 and chunk.codec == "h264" for chunk in chunks)
    assert len({chunk.video_id for chunk in before}) == 1
    assert len({chunk.video_id for chunk in chunks}) == 2
    assert [chunk.chunk_seq for chunk in before] == [0, 1]
    captures = [chunk.capture_ms for chunk in chunks]
    assert captures == sorted(captures)


def test_rtsp_camera_is_described(clip: Path, port: int):
    with serving(port, clip):
        report = describe(f"rtsp://user:secret@127.0.0.1:{port}/cam", seconds=2)
    assert (report.codec, report.width, report.height) == ("h264", 96, 64) and report.kept >= 2
    assert "secret" not in str(report)


def test_rtsp_camera_that_is_not_there_says_so(port: int):
    with pytest.raises(SourceError, match="check address, user and password") as raised:
        open_source(f"rtsp://user:secret@127.0.0.1:{port}/cam", encode=encode, camera_id="cam")
    assert "secret" not in str(raised.value)
