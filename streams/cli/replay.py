"""`sealframe record | replay | topics`: topics to files and back, and what topics there are."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from infra.settings import load
from streams.cli.output import AsJson, console, give, say
from streams.cli.stack import HOME, Home
from streams.replay import Range, Replayed
from streams.replay import record as run_record
from streams.replay import replay as run_replay
from streams.stack import Stack
from streams.words import plural

As = Annotated[str, typer.Option("--as", help="principal that may read or write the topic")]
topics_app = typer.Typer(no_args_is_help=True, help="Topics: what there should be, and making it so.")


def record(
    topic: Annotated[str, typer.Argument(help="topic to read")],
    out: Annotated[Path, typer.Argument(help="file to write")],
    principal: As = "admin", first: Annotated[int, typer.Option(help="first offset")] = 0,
    last: Annotated[int | None, typer.Option(help="offset to stop before")] = None,
    home: Home = HOME, as_json: AsJson = False,
) -> None:
    """Write a topic's records, as they lie there, to a file."""
    stack = Stack(load(home=home))
    with stack.access(principal).consumer(f"{principal}.record") as consumer:
        done = run_record(consumer, topic, out, Range(first, last))
    give(asdict(done)) if as_json else say(f"{out}: {_words(done)}")


def replay(
    source: Annotated[Path, typer.Argument(help="file that `record` wrote", exists=True)],
    principal: As = "admin", topic: Annotated[str, typer.Option(help="another topic than their own")] = "",
    home: Home = HOME, as_json: AsJson = False,
) -> None:
    """Send the records of a file into the broker again, byte for byte."""
    stack = Stack(load(home=home))
    with stack.access(principal).producer() as producer:
        done = run_replay(producer, source, topic=topic)
    give(asdict(done)) if as_json else say(f"{source}: {_words(done)}")


def _words(done: Replayed) -> str:
    return f"{plural(done.records, 'record')}, {done.bytes:,} bytes"


@topics_app.command("plan")
def show_plan(home: Home = HOME, as_json: AsJson = False) -> None:
    """What `apply` would do; nothing is changed."""
    stack = Stack(load(home=home))
    changes = stack.plan_topics()
    if as_json:
        give([asdict(change) for change in changes])
        return
    table = Table("topic", "", "detail", "written by", "read by")
    for change, spec in zip(changes, stack.specs, strict=True):
        table.add_row(change.topic, change.action, change.detail, " ".join(spec.writers), " ".join(spec.readers))
    console.print(table)


@topics_app.command("apply")
def apply(home: Home = HOME, as_json: AsJson = False) -> None:
    """Create and configure the topics and grant the rights of the table."""
    stack = Stack(load(home=home))
    done = [change for change in stack.apply_topics() if change.action != "keep"]
    give([asdict(change) for change in done]) if as_json else say(f"{len(done)} topics changed")
