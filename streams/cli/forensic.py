"""`sealframe forensic`: the forensic service, until it is told to stop."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from pydantic import BaseModel, ValidationError

from infra import tls
from infra.models import FACE_EMBEDDER, FOLDER
from infra.postgres import Database, DatabaseAccess
from infra.settings import CaseSetting, SignInSetting, read_retention
from schemas.errors import UsageError
from streams.cli.authority import faces
from streams.cli.output import give, say
from streams.clock import now_ms
from streams.forensic.people import People, set_up
from streams.forensic.server import ForensicServer, ForensicSetup, rules_of, sign_in_of
from streams.retention import rules_of as retention_of

Setting = TypeVar("Setting", bound=BaseModel)


def forensic(
    name: Annotated[str, typer.Option(help="the authority whose evidence is searched")],
    tls_folder: Annotated[Path, typer.Option("--tls", help="folder with ca.pem and the certificate of authority-NAME")],
    database: Annotated[str, typer.Option(help="the authority's database as a libpq string, without password")],
    folder: Annotated[Path, typer.Option(help="folder of the evidence files", exists=True)],
    keys: Annotated[Path, typer.Option(help="the authority's key store", exists=True)],
    secret: Annotated[Path, typer.Option(help="file with the key store's secret", exists=True)],
    operator_url: Annotated[str, typer.Option(help="address of the operating platform")] = "https://localhost:8443",
    embedder: Annotated[str, typer.Option(help="what made the vectors: face-embedder | face-embedder-int8")] = (
        FACE_EMBEDDER
    ),
    models: Annotated[Path, typer.Option(help="folder of converted models")] = FOLDER,
    rules: Annotated[str, typer.Option(help="policy of cases: JSON with names of \\[cases] in sealframe.toml")] = "{}",
    sign_in: Annotated[str, typer.Option(help="sign-in by browsers: JSON with names of \\[sign_in] there")] = "{}",
    browser_port: Annotated[int, typer.Option(help="HTTPS port for browsers, where an issuer is named")] = 8447,
    retention: Annotated[str, typer.Option(help="what the authority platform was given, to be shown: JSON")] = "[]",
    admin: Annotated[str, typer.Option(help="at set-up: the principal that is to be the first admin")] = "",
    password_file: Annotated[Path | None, typer.Option(help="file with the database password")] = None,
    host: Annotated[str, typer.Option(help="address to serve on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="HTTPS port; 0 takes any free one")] = 8445,
    as_json: Annotated[bool, typer.Option("--json", help="print the address as JSON")] = False,
) -> None:
    """Answer investigators over HTTPS: search by a face picture, restoration of the subject found, access log.

    A browser gets pages at the same address: cases, search, export, erasure, holds, the log, people.

    Every call needs a person (`sealframe people`), an open case (`sealframe case`) and a purpose, and is logged before
    it is answered. Stop it with Ctrl-C.
    """
    access = DatabaseAccess(database, password_file)
    if admin:
        add_admin(access, admin)
    setup = ForensicSetup(
        name, tls.load(tls_folder, f"authority-{name}"), access, folder, keys, secret, operator_url, host=host,
        port=port, rules=rules_of(_read(CaseSetting, rules, "--rules")),
        retention=retention_of(read_retention(retention)),
        sign_in=sign_in_of(_read(SignInSetting, sign_in, "--sign-in"), browser_port),
    )
    serve(setup, models, as_json, embedder)


def _read(kind: type[Setting], text: str, option: str) -> Setting:
    """Settings from JSON; raises UsageError where it isn't, for unknown names and values that can't be."""
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise UsageError(f"{option}: {wrong}") from None


def add_admin(access: DatabaseAccess, principal: str) -> None:
    """Make the principal an admin, where nobody is one yet."""
    with Database(access) as database:
        if not any("admin" in person.roles for person in People(database, now_ms).all()):
            set_up(database, now_ms, {principal: (principal, "admin")})


def serve(setup: ForensicSetup, models: Path, as_json: bool = False, embedder: str = FACE_EMBEDDER) -> None:
    """Run the service until SIGINT or SIGTERM."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with ForensicServer(setup, lambda: faces(models, embedder)) as server:
        if as_json:
            give({"url": server.server.url, "browsers": server.browsers.url if server.browsers else None})
        else:
            signing = f"; for browsers that sign in: {server.browsers.url}" if server.browsers else ""
            say(f"forensic service of {setup.name}: {server.server.url}{signing}")
        stop.wait()
