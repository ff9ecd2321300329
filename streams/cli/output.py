"""What verbs print: people's text on standard error, machines' JSON on standard output.

A value of a server or a file acts on nobody's terminal: it is no markup, hides nothing, colours nothing and begins no
line. Whatever goes through `console` is taken so, cells of tables too; what is to be coloured is a style of ours.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


def plain(text: str) -> str:
    r"""The text with all of it visible: control characters, line ends and bidi marks as `\x1b`, `\n`, `\u202e`."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


class PlainConsole(Console):
    """A console to which each text is data; markup counts only where `print` is told so."""

    def render_str(self, text: str, **how: Any) -> Text:
        """The text as it is shown; rich asks this for every string, those in tables too."""
        return super().render_str(plain(text), **how)


console = PlainConsole(stderr=True, soft_wrap=True, markup=False, emoji=False)


def say(text: str, lead: str = "", style: str = "") -> None:
    """One line for people; `lead` stands before it in a style."""
    if lead:
        console.print(Text(plain(lead), style), text)
    else:
        console.print(text)


def say_lines(text: str, lead: str = "", style: str = "") -> None:
    """The same for a text that may have several lines; all but the first are marked, so none passes for another's."""
    first, *others = text.splitlines() or [""]
    say(first, lead, style)
    for line in others:
        say(f"  | {line}")


def give(value: object) -> None:
    """A JSON object for machines."""
    json.dump(value, sys.stdout, indent=None, sort_keys=True, default=str)
    sys.stdout.write("\n")


def tell(text: str, done: object, as_json: bool) -> None:
    """What a verb did: a line for people, or an object for machines."""
    if as_json:
        give(done)
    else:
        say(text)


@contextmanager
def progress(what: str, quiet: bool) -> Iterator[Progress]:
    """A bar that counts frames; hidden when quiet."""
    description = TextColumn("{task.description}", markup=False)
    columns = (description, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=quiet, transient=True) as bar:
        bar.add_task(plain(what), total=None)
        yield bar
