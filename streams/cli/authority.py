"""`sealframe authority`: an authority platform, until it is told to stop."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from threading import Event
from typing import Annotated

import typer

from infra import tls
from infra.kafka import KafkaAccess
from infra.keys import KeyStore, create_secret
from infra.models import FACE_EMBEDDER, FOLDER, resolve
from infra.postgres import Database, DatabaseAccess
from infra.priority import give_way
from infra.settings import read_retention
from operators.embed import FaceEmbedder
from operators.plates import WEIGHTS, PlateReader
from schemas.errors import UsageError
from streams.authority.faces import Faces
from streams.authority.index import FaceIndex, When
from streams.authority.on_case import index_without_cases
from streams.authority.plate_index import PlateIndex
from streams.authority.service import AuthorityService, AuthoritySetup
from streams.authority.sink import AllIndexes
from streams.authority.templates import Templates
from streams.authority.unread import Indexing
from streams.cli.on_case import on_cases
from streams.cli.output import give, say
from streams.clock import now_ms
from streams.ending import Ending
from streams.forensic.face_search import rates
from streams.retention import rules_of
from streams.setup import detector

BEHIND = 10
"""Niceness: on a machine that the worker shares, what somebody watches comes before what may be searched later."""
WHEN: dict[str, When] = {"always": "always", "on_case": "on_case", "off": "off"}


@cache
def faces(models: Path, embedder: str = FACE_EMBEDDER) -> Faces:
    """The face models of a folder that `sealframe models setup` filled.

    Raises:
        ConfigError: not set up, or an embedder whose error rates nobody has measured: searches couldn't say them.

    """
    rates(embedder)
    return Faces(detector(), FaceEmbedder(resolve(embedder, models)), embedder)


def authority(
    name: Annotated[str, typer.Option(help="name of the authority: letters, digits, '-'")],
    bootstrap: Annotated[str, typer.Option(help="broker, host:port")],
    tls_folder: Annotated[Path, typer.Option("--tls", help="folder with ca.pem and certificates of authority-NAME")],
    database: Annotated[str, typer.Option(help="database as a libpq string, without password")],
    folder: Annotated[Path, typer.Option(help="where evidence files are kept")],
    keys: Annotated[Path, typer.Option(help="key store, on another disk than evidence and database")],
    secret: Annotated[Path, typer.Option(help="file with the key store's secret, made when missing")],
    kind: Annotated[list[str] | None, typer.Option(help="kind of evidence wanted; may be repeated")] = None,
    index_faces: Annotated[str, typer.Option(help="always | on_case | off")] = "always",
    embedder: Annotated[str, typer.Option(help="turns faces into vectors: face-embedder | face-embedder-int8")] = (
        FACE_EMBEDDER
    ),
    models: Annotated[Path, typer.Option(help="folder of converted models")] = FOLDER,
    password_file: Annotated[Path | None, typer.Option(help="file with the database password")] = None,
    host: Annotated[str, typer.Option(help="address to serve health on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="HTTPS port; 0 takes any free one")] = 8444,
    retention: Annotated[str, typer.Option(help="how long evidence is kept: `retention` of the settings, as JSON")] = (
        "[]"
    ),
    cases: Annotated[str, typer.Option(help="policy of cases: JSON with names of \\[cases] in sealframe.toml")] = "{}",
    as_json: Annotated[bool, typer.Option("--json", help="print the address as JSON")] = False,
) -> None:
    """Take in sealed evidence: open it in memory, keep it as received, index faces and plates, publish the day's key.

    With --index-faces on_case faces are indexed only in cameras and times of open cases, and dropped with them.
    Whoever destroys a subject's keys (`sealframe erase`) closes its evidence for ever, in every copy. Stop it with
    Ctrl-C.
    """
    if index_faces not in WHEN:
        raise UsageError(f"--index-faces is one of {', '.join(WHEN)}")
    give_way(BEHIND)
    principal = f"authority-{name}"
    setup = AuthoritySetup(
        name, tuple(kind or ("face",)), KafkaAccess(bootstrap, tls.load(tls_folder, principal)),
        tls.load_signer(tls_folder, principal), DatabaseAccess(database, password_file), folder, keys,
        create_secret(secret), host=host, port=port, rules=rules_of(read_retention(retention)),
    )
    with KeyStore(setup.keys, setup.secret, create=True) as store:
        templates = Templates(store, now_ms)
        index = indexing(setup.kinds, models, WHEN[index_faces], templates, embedder)
        with Ending(f"authority platform {setup.name}") as ending:
            if index_faces == "on_case" and "face" in setup.kinds:
                known = FaceIndex(faces(models, embedder), "on_case", templates=templates)
                with on_cases(setup, store, known, cases, ending.stop):
                    serve(setup, index, ending.stop, as_json)
            else:
                if index_faces == "always":
                    with Database(setup.database) as opened:
                        index_without_cases(opened)
                serve(setup, index, ending.stop, as_json)


def indexing(
    kinds: Sequence[str], models: Path, faces_when: When, templates: Templates | None = None,
    embedder: str = FACE_EMBEDDER,
) -> Indexing:
    """What learns from evidence of these kinds: faces, plates. `templates`: the keys of faces' vectors."""
    found: list[Indexing] = []
    if "face" in kinds:
        found.append(FaceIndex(faces(models, embedder), faces_when, templates=templates))
    found += [PlateIndex(PlateReader(WEIGHTS))] if "plate" in kinds else []
    return AllIndexes(*found)


def serve(setup: AuthoritySetup, index: Indexing, stop: Event, as_json: bool = False) -> None:
    """Run the platform until it is told to end."""
    with AuthorityService(setup, index) as service:
        if as_json:
            give({"url": service.server.url})
        else:
            say(f"authority platform {setup.name}: {service.server.url}")
        service.run(stop)
