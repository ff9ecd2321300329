"""Files that a verb reads and writes: looked at before the work, so that none is lost by it. Nothing is opened here."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from infra.camera_input import PICTURES
from schemas.errors import UsageError

Named = tuple[str, str | Path | None]
"""An argument's or option's name, and the path it was given (None: none)."""


def check_paths(reads: Iterable[Named], writes: Iterable[Named]) -> None:
    """Refuse an output that can't be written, and one that is another output or something that is read.

    Raises:
        UsageError: names the two that are one file, or the output and why it can't be.

    """
    taken = [(name, Path(path)) for name, path in reads if path is not None]
    for name, path in ((name, Path(path)) for name, path in writes if path is not None):
        _check_place(name, path)
        for other, there in taken:
            if _same(path, there):
                raise UsageError(f"{name} {path} and {other} {there} are the same file: give each its own")
            if path.suffix.lower() in PICTURES and there.is_dir() and _same(path.parent, there):
                raise UsageError(f"{name} {path} is among the pictures of {other} {there}: write it elsewhere")
        taken.append((name, path))


def check_folder(name: str, path: Path) -> None:
    """Refuse what is to become a folder, or get files, where something else is; raises UsageError."""
    there = next(one for one in (path, *path.parents) if os.path.lexists(one))
    if not there.is_dir():
        raise UsageError(f"{name} {path} is no folder: name a new one, or one that is there")


def report_of(report: Path | None) -> list[Named]:
    """What `--report` writes: the account, and the page that may come beside it."""
    if report is None:
        return []
    return [("--report", report), ("the page of --report,", Path(f"{report}.html"))]


def _check_place(name: str, path: Path) -> None:
    try:
        if path.is_dir():
            raise UsageError(f"{name} {path} is a folder: name a file")
        if path.exists() and not path.is_file():
            raise UsageError(f"{name} {path} is no file: name one")
    except OSError as error:
        raise UsageError(f"{name} {path}: {error.strerror}") from error
    if not path.parent.is_dir():
        raise UsageError(f"{name} {path}: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise UsageError(f"{name} {path}: nothing can be written to {path.parent}")


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # at least one of them isn't there yet
        return os.path.realpath(one) == os.path.realpath(other)
