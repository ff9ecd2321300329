"""The command line: one verb a file; verbs parse and call, logic is importable.

Exit codes: 0 done, 1 failed, 2 wrong use.
"""

from __future__ import annotations

import sys

import typer

from schemas.errors import SealframeError, UsageError
from streams.cli import (
    anonymize,
    camera,
    evaluate,
    forensic,
    keys,
    log,
    models,
    operator,
    restore,
    restore_file,
    search,
    stack,
)
from streams.cli import authority as authority_verbs
from streams.cli.output import say

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich",
    help="Video without exposed people: desensitised for those who watch, sealed for those entitled.\n\n"
         "Start with [bold]sealframe anonymize in.mp4 out.mp4[/bold] (no server needed), or [bold]make demo[/bold] "
         "for the whole stack.",
)
for name, verb in (
    ("anonymize", anonymize.anonymize), ("restore-file", restore_file.restore_file),
    ("up", stack.up), ("down", stack.down), ("status", stack.status), ("doctor", stack.doctor),
    ("operator", operator.operator), ("authority", authority_verbs.authority), ("forensic", forensic.forensic),
    ("restore", restore.restore), ("erase", authority_verbs.erase),
):
    app.command(name)(verb)
for name, verbs in (
    ("camera", camera.app), ("search", search.app), ("keys", keys.app), ("models", models.app), ("log", log.app),
    ("eval", evaluate.app),
):
    app.add_typer(verbs, name=name)


def run() -> None:
    """Entry point: errors on one line, with what to do next; never pixels, plates or keys."""
    try:
        app()
    except UsageError as error:
        say(f"[red]wrong use:[/red] {error}")
        sys.exit(2)
    except SealframeError as error:
        say(f"[red]{type(error).__name__}:[/red] {error}")
        sys.exit(1)
