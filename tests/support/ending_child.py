"""A service that ends as its argument says, for tests that watch how it does; its log is the output."""

from __future__ import annotations

import faulthandler
import sys
from collections.abc import Callable

import typer

from streams.ending import Ending

app = typer.Typer(pretty_exceptions_enable=False)


def _pipe() -> None:
    raise BrokenPipeError(32, "Broken pipe")


def _eof() -> None:
    raise EOFError


ENDS: dict[str, Callable[[], None]] = {
    "pipe": _pipe, "eof": _eof, "exit": lambda: sys.exit(0), "crash": faulthandler._sigsegv, "return": lambda: None,
}


@app.command()
def serve(end: str) -> None:
    """Say that it runs, then end; `wait`: by a signal only."""
    with Ending("a service") as ending:
        print("running", flush=True)
        if end == "wait":
            ending.stop.wait(60)
        else:
            ENDS[end]()


if __name__ == "__main__":
    app()
