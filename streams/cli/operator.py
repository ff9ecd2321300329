"""`sealframe operator`: the operating platform, until it is told to stop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra import tls
from infra.kafka import KafkaAccess
from infra.postgres import DatabaseAccess
from infra.settings import read_retention
from streams.cli.output import give, say
from streams.ending import Ending
from streams.operating.service import OperatorService, OperatorSetup
from streams.retention import rules_of


def operator(
    bootstrap: Annotated[str, typer.Option(help="broker, host:port")],
    tls_folder: Annotated[Path, typer.Option("--tls", help="folder with ca.pem and the certificate of `operator`")],
    database: Annotated[str, typer.Option(help="database as a libpq string, without password")],
    folder: Annotated[Path, typer.Option(help="where video files are kept")],
    password_file: Annotated[Path | None, typer.Option(help="file with the database password")] = None,
    host: Annotated[str, typer.Option(help="address to serve on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="HTTPS port; 0 takes any free one")] = 8443,
    retention: Annotated[str, typer.Option(help="how long video is kept: `retention` of the settings, as JSON")] = "[]",
    as_json: Annotated[bool, typer.Option("--json", help="print the address as JSON")] = False,
) -> None:
    """Store desensitised video and serve it over HTTPS to holders of a client certificate.

    Videos, chunks and frames by image id are under /videos, a page to watch them under /. Stop it with Ctrl-C.
    """
    access = KafkaAccess(bootstrap, tls.load(tls_folder, "operator"))
    place = DatabaseAccess(database, password_file)
    rules = rules_of(read_retention(retention))
    signer = tls.load_signer(tls_folder, "operator")
    serve(OperatorSetup(access, place, folder, signer, host=host, port=port, rules=rules), as_json)


def serve(setup: OperatorSetup, as_json: bool = False) -> None:
    """Run the platform until a signal tells it to end; see `Ending`."""
    with Ending("operating platform") as ending, OperatorService(setup) as service:
        if as_json:
            give({"url": service.server.url})
        else:
            say(f"operating platform: {service.server.url}")
        service.run(ending.stop)
