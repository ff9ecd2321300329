"""`sealframe hold`: what neither retention, a full disk nor an erasure may destroy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from infra.postgres import Database, DatabaseAccess
from streams.cli.output import console, give, say
from streams.clock import now_ms
from streams.forensic.hold_desk import HoldDraft, end_hold, set_hold
from streams.forensic.log import AccessLog
from streams.holds import EVER, holds

app = typer.Typer(
    no_args_is_help=True,
    help="Legal holds: videos that nothing destroys until the hold is released.\n\n"
         "Each platform keeps its own: set one at the authority for its evidence and one at the operating platform for "
         "the public video, which needs no more than camera and time.\n\n"
         "Example: sealframe hold set --camera gate-1 --from 1763700000000 --to 1763703600000 --reason 'claim 12' "
         "--actor clerk --database ...",
)
DatabaseOption = Annotated[str, typer.Option(help="database of the platform as a libpq string, without password")]
PasswordFile = Annotated[Path | None, typer.Option(help="file with the database password")]
Actor = Annotated[str, typer.Option(help="who does this")]
Json = Annotated[bool, typer.Option("--json", help="print the result as JSON")]


@app.command("set")
def set_(
    reason: Annotated[str, typer.Option(help="why; no names, the operating platform keeps it too")],
    actor: Actor,
    database: DatabaseOption,
    camera: Annotated[str | None, typer.Option(help="this camera alone")] = None,
    video: Annotated[str | None, typer.Option(help="this video alone")] = None,
    from_ms: Annotated[int, typer.Option("--from", help="from this moment on, milliseconds since 1970")] = 0,
    to_ms: Annotated[int, typer.Option("--to", help="up to this moment")] = EVER,
    password_file: PasswordFile = None,
    as_json: Json = False,
) -> None:
    """Keep what was recorded by a camera, in a video or in a time, until the hold is released."""
    with _platform(database, password_file) as (opened, log):
        number = set_hold(opened, log, actor, HoldDraft(reason, camera, video, from_ms, to_ms), now_ms())
    give({"hold": number}) if as_json else say(f"hold {number}: nothing of it is destroyed until it is released")


@app.command()
def release(
    number: Annotated[int, typer.Argument(help="of the hold, as `list` shows it")],
    actor: Actor,
    database: DatabaseOption,
    password_file: PasswordFile = None,
    as_json: Json = False,
) -> None:
    """End a hold: retention takes what is due within five minutes."""
    with _platform(database, password_file) as (opened, log):
        end_hold(opened, log, actor, number, now_ms())
    give({"hold": number, "released": True}) if as_json else say(f"hold {number} is over")


@app.command("list")
def list_(
    database: DatabaseOption,
    over: Annotated[bool, typer.Option("--all", help="also those that were released")] = False,
    password_file: PasswordFile = None,
    as_json: Json = False,
) -> None:
    """The holds in force."""
    with _platform(database, password_file) as (opened, _), opened.connection() as db:
        found = holds(db, over=over)
    if as_json:
        give([asdict(one) for one in found])
        return
    rows = Table("hold", "camera", "video", "from", "to", "reason", "set by", "released by")
    for one in found:
        rows.add_row(str(one.hold), one.camera_id or "all", one.video_id or "all", str(one.from_ms),
                     "ever" if one.to_ms == EVER else str(one.to_ms), one.reason, one.set_by, one.released_by or "")
    console.print(rows)


@contextmanager
def _platform(database: str, password_file: Path | None) -> Iterator[tuple[Database, AccessLog | None]]:
    """A platform's database, and its access log where it has one."""
    with Database(DatabaseAccess(database, password_file)) as opened:
        yield opened, AccessLog(opened, now_ms) if _logs(opened) else None


def _logs(database: Database) -> bool:
    with database.connection() as db:
        found: Any = db.execute("SELECT to_regclass('access_log')").fetchone()
    return found is not None and found[0] is not None
