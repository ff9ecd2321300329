"""What verbs print: people's text on standard error, machines' JSON on standard output."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

console = Console(stderr=True, soft_wrap=True)


def say(text: str) -> None:
    """A line for people."""
    console.print(text)


def give(value: object) -> None:
    """A JSON object for machines."""
    json.dump(value, sys.stdout, indent=None, sort_keys=True, default=str)
    sys.stdout.write("\n")


@contextmanager
def progress(what: str, quiet: bool) -> Iterator[Progress]:
    """A bar that counts frames; hidden when quiet."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=quiet, transient=True) as bar:
        bar.add_task(what, total=None)
        yield bar
