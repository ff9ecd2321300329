"""The command line: one verb a file; verbs parse and call, logic is importable.

File mode needs the base installation alone; the verbs of the stack come with the extra `server`.
Exit codes: 0 done, 1 failed, 2 wrong use.
"""

from __future__ import annotations

import signal
import sys
from importlib import import_module
from types import FrameType

import typer

from infra.threads import share_cores
from schemas.errors import SealframeError, UsageError
from streams.cli.output import say_lines

PANELS = {
    "Files, without any server": {
        "anonymize": "anonymize", "restore-file": "restore_file", "verify": "verify", "hide": "hide", "reveal": "hide",
        "events": "events", "plates": "plates", "zones": "zones", "keys": "keys", "custodian": "custodian",
        "models": "models",
    },
    "The stack on this machine": {
        "demo": "demo", "up": "stack", "down": "stack", "status": "stack", "doctor": "stack", "camera": "camera",
        "push": "push",
    },
    "Under a case": {
        "case": "case", "search": "search", "restore": "restore", "restored-video": "subject", "package": "subject",
        "open-package": "subject", "export": "export", "erase": "subject", "log": "log", "people": "people",
    },
    "Services": {
        "worker": "worker", "edge": "edge", "operator": "operator", "authority": "authority", "forensic": "forensic",
        "issuer": "issuer",
    },
    "Upkeep": {
        "hold": "hold", "templates": "templates", "reindex": "reindex", "topics": "replay", "record": "replay",
        "replay": "replay", "database": "database",
    },
    "Measured": {"eval": "evaluate", "bench": "bench"},
}
"""The verbs as `--help` groups them, each with its module in `streams.cli`."""

VERBS = {verb: module for verbs in PANELS.values() for verb, module in verbs.items()}
MISSING = "Verbs of the stack (up, push, search, ...) come with: pip install 'sealframe\\[server]'"

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich",
    help="Video without exposed people: desensitised for those who watch, sealed for those entitled.\n\n"
         "Start with [bold]sealframe anonymize in.mp4 out.mp4[/bold] (no server needed), or [bold]make demo[/bold] "
         "for the whole stack.",
)


@app.callback()
def _group() -> None:
    """Keeps verbs by name where one alone is mounted."""


def _add(verb: str, module: str) -> None:
    """Mount a verb: the module's sub-commands (`app`, `<verb>_app`), or its function of that name."""
    found = import_module(f"streams.cli.{module}")
    group = getattr(found, f"{verb}_app", None) or (getattr(found, "app", None))
    panel = next(panel for panel, verbs in PANELS.items() if verb in verbs)
    if isinstance(group, typer.Typer):
        app.add_typer(group, name=verb, rich_help_panel=panel)
    else:
        app.command(verb, rich_help_panel=panel)(getattr(found, verb.replace("-", "_")))


def _mount(asked: str = "") -> None:
    """Mount the verb that is asked for, else all: a service holds no other verb's libraries in memory."""
    try:
        for verb, module in ({asked: VERBS[asked]} if asked in VERBS else VERBS).items():
            _add(verb, module)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in ("streams", "infra", "operators", "schemas"):
            raise
        if asked in VERBS:
            raise UsageError(MISSING.replace("\\", "")) from error
        app.info.epilog = MISSING


def _told_to_end(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _end_in_order() -> None:
    """A closed terminal and `kill` end a verb as Ctrl-C does, so that no half-written file stays.

    What is ignored stays so (`nohup`); services take their own way afterwards (`streams/ending.py`).
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _told_to_end)


def run() -> None:
    """Entry point: errors on one line, with what to do next; never pixels, plates or keys."""
    share_cores()
    _end_in_order()
    try:
        _mount(next(iter(sys.argv[1:]), ""))
        app()
    except UsageError as error:
        say_lines(str(error), "wrong use:", "red")
        sys.exit(2)
    except SealframeError as error:
        say_lines(str(error), f"{type(error).__name__}:", "red")
        sys.exit(1)
    except OSError as error:
        say_lines(f"{error.filename or 'a file'}: {error.strerror}", "can't be used:", "red")
        sys.exit(1)
