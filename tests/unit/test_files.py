"""Growing files: cut back, order, full disk, ranges."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys

import pytest

from infra.files import AppendFile, FolderLock, disk_bytes, read_range, remove_file, stream_range
from schemas.errors import ConfigError, DigestMismatch, ServiceUnavailable


def test_append_returns_where_data_begin(tmp_path):
    with AppendFile(tmp_path / "a") as file:
        assert [file.append(data) for data in (b"one", b"", b"three")] == [0, 3, 3]
        file.sync()
    assert (tmp_path / "a").read_bytes() == b"onethree"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_open_cuts_back_to_indexed_size(tmp_path):
    (tmp_path / "a").write_bytes(b"indexed|torn")
    with AppendFile(tmp_path / "a", 8) as file:
        assert (tmp_path / "a").read_bytes() == b"indexed|"
        assert file.append(b"new") == 8
    assert (tmp_path / "a").read_bytes() == b"indexed|new"


def test_open_of_a_shorter_file_raises_and_leaves_it(tmp_path):
    (tmp_path / "a").write_bytes(b"short")
    with pytest.raises(DigestMismatch):
        AppendFile(tmp_path / "a", 6)
    assert (tmp_path / "a").read_bytes() == b"short"


def test_open_of_a_link_raises(tmp_path):
    (tmp_path / "target").write_bytes(b"x")
    (tmp_path / "a").symlink_to(tmp_path / "target")
    with pytest.raises(ServiceUnavailable):
        AppendFile(tmp_path / "a")
    assert (tmp_path / "target").read_bytes() == b"x"


def test_append_to_a_full_disk_keeps_what_was_there(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with AppendFile(tmp_path / "a") as file:
            file.append(bytes(1000))
            resource.setrlimit(resource.RLIMIT_FSIZE, (1500, limits[1]))
            with pytest.raises(ServiceUnavailable):
                file.append(bytes(1000))
            assert file.size == 1000 and (tmp_path / "a").stat().st_size == 1000
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            assert file.append(bytes(1000)) == 1000
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, previous)


def test_folder_is_locked_until_its_process_ends(tmp_path):
    script = (
        "import sys, pathlib; from infra.files import FolderLock; lock = FolderLock(pathlib.Path(sys.argv[1]));"
        "print('held', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "d")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None and child.stdout.readline() == b"held\n"
        with pytest.raises(ConfigError):
            FolderLock(tmp_path / "d")
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        FolderLock(tmp_path / "d").release()


def test_ranges_are_exact(tmp_path):
    data = os.urandom(600_000)
    (tmp_path / "a").write_bytes(data)
    assert read_range(tmp_path / "a", 5, 500_000) == data[5:500_005]
    assert read_range(tmp_path / "a", 5, 0) == b""
    assert [len(piece) for piece in stream_range(tmp_path / "a", 0, 600_000)] == [262144, 262144, 75712]
    for path, at, length in [("a", 599_999, 2), ("b", 0, 1)]:
        with pytest.raises(DigestMismatch):
            read_range(tmp_path / path, at, length)


def test_file_that_the_disk_has_lost_is_no_reason_to_wait(tmp_path):
    (tmp_path / "d").mkdir()
    with pytest.raises(DigestMismatch, match="d can't be read: Is a directory"):
        read_range(tmp_path / "d", 0, 1)


def test_file_that_cant_be_opened_now_is_asked_for_again(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(ServiceUnavailable, match="loop can't be read: "):
        read_range(tmp_path / "loop", 0, 1)


def test_disk_bytes_are_some_of_all(tmp_path):
    total, used = disk_bytes(tmp_path)
    assert 0 < used < total


def test_remove_file_may_be_repeated(tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    for _ in range(2):
        remove_file(tmp_path / "a")
    assert not (tmp_path / "a").exists()
