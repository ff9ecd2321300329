"""What a verb may write where: nothing that is read, nothing twice, nothing that can't be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from schemas.errors import UsageError
from streams.cli.paths import check_folder, check_paths, report_of


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("in.mp4", "old.mp4", "pictures/1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"kept")
    (tmp_path / "linked.mp4").symlink_to("in.mp4")
    os.link(tmp_path / "in.mp4", tmp_path / "hard.mp4")
    (tmp_path / "nowhere.mp4").symlink_to("new.mp4")
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


@pytest.mark.parametrize(("read", "written", "words"), [
    ("in.mp4", ["in.mp4"], ["output 0 in.mp4", "IN in.mp4"]),
    ("in.mp4", ["./pictures/../in.mp4"], ["same file"]),
    ("in.mp4", ["linked.mp4"], ["same file"]),
    ("in.mp4", ["hard.mp4"], ["same file"]),
    ("in.mp4", ["x", "./x"], ["output 1 x", "output 0 x"]),
    ("in.mp4", ["new.mp4", "nowhere.mp4"], ["same file"]),
    ("in.mp4", ["old.mp4", "x", "old.mp4"], ["output 2 old.mp4", "output 0 old.mp4"]),
    ("pictures", ["pictures/1.png"], ["among the pictures of IN"]),
    ("pictures", ["pictures"], ["is a folder"]),
    ("in.mp4", ["."], ["is a folder"]),
    ("in.mp4", ["/"], ["is a folder"]),
    ("in.mp4", [""], ["is a folder"]),
    ("in.mp4", ["pipe"], ["is no file"]),
    ("in.mp4", ["missing/x"], ["no folder missing"]),
    ("in.mp4", ["in.mp4/x"], ["no folder in.mp4"]),
    ("in.mp4", ["x" * 300], ["File name too long"]),
])
def test_output_that_would_cost_a_file_or_cant_be_is_refused_by_name(
    folder: Path, read: str, written: list[str], words: list[str]
) -> None:
    with pytest.raises(UsageError) as refused:
        check_paths([("IN", read), ("--other", None)], [(f"output {i}", Path(one)) for i, one in enumerate(written)])
    assert all(word in str(refused.value) for word in words)


@pytest.mark.parametrize(("read", "written"), [
    ("in.mp4", ["old.mp4", "x", "pictures/in.mp4"]), ("pictures", ["pictures/out.mp4"]),
    ("rtsp://camera/1", ["out.mp4"]), ("in.mp4", []),
])
def test_outputs_apart_from_all_else_are_taken(folder: Path, read: str, written: list[str]) -> None:
    check_paths([("IN", read)], [(f"output {i}", Path(one)) for i, one in enumerate(written)] + [("--report", None)])


def test_report_is_checked_with_its_page(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"the page of --report"):
        check_paths([], [("OUT", Path("r.html")), *report_of(Path("r"))])
    assert report_of(None) == []


@pytest.mark.parametrize("name", ["in.mp4", "in.mp4/x/y", "pipe", "nowhere.mp4"])
def test_folder_where_something_else_is_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(UsageError, match="is no folder"):
        check_folder("--out", Path(name))
    for fine in ("pictures", "new", "new/x", "/"):
        check_folder("--out", Path(fine))
