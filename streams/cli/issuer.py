"""`sealframe issuer`: a small OpenID Connect provider of one's own, and its accounts."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from typing import Annotated

import typer

from infra import tls
from streams.cli.output import AsJson, give, say, tell
from streams.issuer.accounts import Accounts
from streams.issuer.server import IssuerSetup, issuer_server

app = typer.Typer(
    no_args_is_help=True,
    help="Sign-in by name and password, for places without an OpenID Connect provider of their own.\n\n`sealframe up` "
         "runs one; sealframe.toml names another instead:\n\n"
         "[sign_in]\n\nissuer = 'https://login.example.org'\n\nclient_id = 'sealframe'\n\n"
         "client_secret = '/etc/sealframe/oidc-secret'\n\n"
         "A new account is nobody at a forensic service until an admin says who it is: sealframe people add.",
)
ACCOUNTS = Path(".sealframe/issuer/accounts.json")
File = Annotated[Path, typer.Option("--accounts", help="file of accounts, mode 0600")]
Name = Annotated[str, typer.Argument(help="the account's name")]


@app.command("serve")
def serve(
    tls_folder: Annotated[Path, typer.Option("--tls", help="folder with ca.pem and the certificate of issuer")],
    secret: Annotated[Path, typer.Option(help="file with the secret of the client that asks for tokens", exists=True)],
    redirect: Annotated[list[str], typer.Option(help="address that a sign-in leads back to; may be repeated")],
    accounts: File = ACCOUNTS,
    client: Annotated[str, typer.Option(help="name of the client")] = "sealframe",
    host: Annotated[str, typer.Option(help="address to serve on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="HTTPS port; 0 takes any free one")] = 8446,
    url: Annotated[str, typer.Option(help="how browsers reach it, where that isn't host and port")] = "",
    as_json: AsJson = False,
) -> None:
    """Sign people in: discovery, keys, the page that asks for the password, tokens. Stop it with Ctrl-C."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    identity = tls.load(tls_folder, "issuer")
    with issuer_server(IssuerSetup(identity, accounts, secret, redirect, client, host, port, url)) as server:
        if as_json:
            give({"url": server.url})
        else:
            say(f"issuer: {server.url}")
        stop.wait()


@app.command("add")
def add(
    name: Name, accounts: File = ACCOUNTS,
    password: Annotated[str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True,
                                          help="at least 12 characters; asked for where it isn't given")] = "",
    as_json: AsJson = False,
) -> None:
    """Make an account, or give one another password; prints its subject, by which `sealframe people add` names it."""
    subject = Accounts(accounts, time.monotonic).put(name, password)
    if as_json:
        give({"name": name, "subject": subject})
    else:
        say(f"{name}: subject {subject}; next: sealframe people add 'oidc:ISSUER#{subject}' --name ... --role ...")


@app.command("list")
def show(accounts: File = ACCOUNTS, as_json: AsJson = False) -> None:
    """Names and subjects of all accounts."""
    names = Accounts(accounts, time.monotonic).names()
    if as_json:
        give(names)
    else:
        for name, subject in names.items():
            say(f"{name}: {subject}")


@app.command("remove")
def remove(name: Name, accounts: File = ACCOUNTS, as_json: AsJson = False) -> None:
    """Take an account away; sessions that it began go on until they end: disable the person to end them."""
    Accounts(accounts, time.monotonic).remove(name)
    tell(f"{name}: removed", {"removed": name}, as_json)
