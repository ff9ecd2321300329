"""`sealframe people`: who may use a forensic service, by which certificate or account, in which role."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from streams.cli.output import console, give, say
from streams.cli.search import DEFAULT_TLS, As, AsJson, Authority, Tls, Url, client_of

app = typer.Typer(
    no_args_is_help=True,
    help="Who may use the forensic service, and in which role. An admin says so; every change is logged.\n\n"
         "investigator: searches and restores under a case. approver: approves cases of others. auditor: reads the "
         "access log. admin: keeps this list. keeper: sees the log's size and root alone. admin, auditor and keeper "
         "go with no other role, so that nobody oversees themself.\n\n"
         "Example: sealframe people add investigator-anna --name 'Anna' --role investigator --as admin-demo",
)

Principal = Annotated[str, typer.Argument(help="common name of the certificate, or oidc:https://ISSUER#SUBJECT")]


@app.command("add")
def add(
    principal: Principal,
    name: Annotated[str, typer.Option(help="name that others read")],
    role: Annotated[list[str], typer.Option(help="one of those above; may be repeated")],
    who: As,
    also: Annotated[list[str] | None, typer.Option(help="another certificate or account of the same person")] = None,
    url: Url = None, authority: Authority = None, tls_folder: Tls = DEFAULT_TLS, as_json: AsJson = False,
) -> None:
    """Add a person; of one who is there already, change name and roles, and add principals.

    Whoever signs in in two ways has to be one person here (--also): nobody approves their own case by the other way.
    """
    body = {"principal": principal, "name": name, "roles": role, "also": also or []}
    with client_of(url, tls_folder, who, authority) as client:
        _told(client.send("/people", body), as_json)


@app.command("list")
def show(
    who: As, url: Url = None, authority: Authority = None, tls_folder: Tls = DEFAULT_TLS, as_json: AsJson = False,
) -> None:
    """Everybody, the disabled too."""
    with client_of(url, tls_folder, who, authority) as client:
        people = client.get("/people")
    if as_json:
        give({"people": people})
        return
    table = Table("person", "name", "roles", "also comes as", "")
    for person in people:
        others = ", ".join(one for one in person["principals"] if one != person["person"])
        state = "disabled" if person["disabled"] else ""
        table.add_row(person["person"], person["name"], ", ".join(person["roles"]), others, state)
    console.print(table)


@app.command("disable")
def disable(
    person: Annotated[str, typer.Argument(help="person, as `sealframe people list` names them")],
    who: As,
    again: Annotated[bool, typer.Option("--enable", help="let them in again")] = False,
    url: Url = None, authority: Authority = None, tls_folder: Tls = DEFAULT_TLS, as_json: AsJson = False,
) -> None:
    """Let a person in no longer, from the next request on; what they approved doesn't count meanwhile."""
    with client_of(url, tls_folder, who, authority) as client:
        _told(client.send("/people/disable", {"person": person, "disabled": not again}), as_json)


def _told(person: dict[str, Any], as_json: bool) -> None:
    if as_json:
        give(person)
    else:
        state = " (disabled)" if person["disabled"] else ""
        say(f"{person['person']}: {person['name']}, {', '.join(person['roles'])}{state}")
