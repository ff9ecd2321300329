"""`sealframe templates`: the keys by which an authority's face vectors are turned, and their re-issue."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.keys import KeyStore
from infra.postgres import Database, DatabaseAccess
from streams.authority.templates import Templates
from streams.cli.output import give, progress, say
from streams.clock import now_ms
from streams.forensic.log import AccessLog

app = typer.Typer(
    no_args_is_help=True,
    help="Face vectors are stored turned by a secret of the authority's key store.\n\nSo who steals the database can "
         "compare them with nobody elsewhere. [bold]sealframe templates reissue[/bold] turns them anew after a theft.",
)


@app.callback()
def _group() -> None:
    """Keeps the verb by name where one alone is there."""


@app.command("reissue")
def reissue(
    database: Annotated[str, typer.Option(help="the authority's database as a libpq string, without password")],
    keys: Annotated[Path, typer.Option(help="the authority's key store", exists=True)],
    secret: Annotated[Path, typer.Option(help="file with the key store's secret", exists=True)],
    actor: Annotated[str, typer.Option(help="who does it")],
    purpose: Annotated[str, typer.Option(help="why: what was stolen or is feared to be")],
    password_file: Annotated[Path | None, typer.Option(help="file with the database password")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Turn every face vector by a fresh key, video by video, then destroy the old keys.

    The authority platform and searches go on meanwhile; similarities stay as they are. Cut short, run it again. Copies
    of the old vectors fit nothing that is stored afterwards.
    """
    access = DatabaseAccess(database, password_file)
    with Database(access, vectors=True) as opened, KeyStore(keys, secret) as store, progress("videos", as_json) as bar:
        log = AccessLog(opened, now_ms)
        log.append("templates-reissue", actor, "", purpose, {"done": False})
        done = Templates(store, now_ms).reissue(
            opened, lambda at, of: bar.update(bar.task_ids[0], completed=at, total=of)
        )
        log.append("templates-reissue", actor, "", purpose, {"done": True, "key": done.key, "vectors": done.vectors})
    if as_json:
        give({"key": done.key, "vectors": done.vectors, "destroyed": list(done.destroyed)})
    else:
        say(f"{done.vectors} vectors turned by key {done.key}; {len(done.destroyed)} old keys destroyed")
