"""`sealframe reindex`: all faces again with another embedder, side by side, then switched."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from infra.keys import KeyStore
from infra.models import FOLDER
from infra.postgres import Database, DatabaseAccess
from streams.authority.index import FaceIndex
from streams.authority.reading import EvidenceReader
from streams.authority.reindex import Reindex
from streams.authority.templates import Templates
from streams.cli.authority import faces
from streams.cli.output import give, progress, say
from streams.clock import now_ms
from streams.forensic.log import AccessLog


def reindex(
    name: Annotated[str, typer.Option(help="name of the authority")],
    embedder: Annotated[str, typer.Option(help="the new one: face-embedder | face-embedder-int8")],
    actor: Annotated[str, typer.Option(help="who does it")],
    purpose: Annotated[str, typer.Option(help="why")],
    database: Annotated[str, typer.Option(help="the authority's database as a libpq string, without password")],
    folder: Annotated[Path, typer.Option(help="where evidence files are kept", exists=True)],
    keys: Annotated[Path, typer.Option(help="the authority's key store", exists=True)],
    secret: Annotated[Path, typer.Option(help="file with the key store's secret", exists=True)],
    models: Annotated[Path, typer.Option(help="folder of converted models")] = FOLDER,
    switch: Annotated[bool, typer.Option(help="switch when all is read; without it, read only")] = True,
    password_file: Annotated[Path | None, typer.Option(help="file with the database password")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Read all indexed evidence again with another embedder, beside the index in use, then switch to it in one step.

    The platform takes evidence in and answers searches meanwhile. Killed, it goes on where it was. After the switch set
    `face_embedder` in sealframe.toml and start the authority's services again: the sink stops rather than mix vectors.
    """
    access = DatabaseAccess(database, password_file)
    with Database(access, vectors=True) as opened, KeyStore(keys, secret) as store:
        log, index = AccessLog(opened, now_ms), FaceIndex(faces(models, embedder), templates=Templates(store, now_ms))
        work = Reindex(opened, EvidenceReader(name, store, folder), index)
        log.append("reindex", actor, "", purpose, {"embedder": embedder, "done": False})
        with progress("chunks", as_json) as bar:
            read = work.read(lambda at, of: bar.update(bar.task_ids[0], completed=at, total=of))
        done = work.switch() if switch else None
        log.append("reindex", actor, "", purpose, {"embedder": embedder, "done": done is not None, "chunks": read})
    if work.damaged:
        say(f"{work.damaged} chunks can't be read, or not all of each: who is in them isn't indexed; see the log above")
    if as_json:
        give({"chunks": read, "damaged": work.damaged, "switched": None if done is None else asdict(done)})
    elif done is None:
        say(f"{read} chunks read with {embedder}; run again without --no-switch to switch")
    else:
        say(f"{done.vectors} vectors of {done.tracks} tracks by {embedder}; now start the services with it")
