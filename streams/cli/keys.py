"""`sealframe keys`: identities of file mode and of the custodian, and an authority's key store."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from infra import keys as stores
from infra.recipients import approver_text, recipient_text, write_approver, write_identity
from operators.seal import Identity
from operators.sign import SigningKey
from streams.cli.output import AsJson, console, give, say, tell
from streams.words import moment

app = typer.Typer(
    no_args_is_help=True,
    help="Keys: make them, list, back up, restore, rotate, revoke.\n\nA custodian's key is made with `keys create` on "
         "a machine apart and kept in a safe, never on a server.",
)

Store = Annotated[Path, typer.Option("--store", help="folder of the key store", exists=True)]
Secret = Annotated[Path, typer.Option(help="file with its secret", exists=True)]


@app.command("create")
def create(
    identity: Annotated[Path, typer.Argument(help="new file for the private key (0600)")],
    as_json: AsJson = False,
) -> None:
    """Make an identity; prints the recipient that others seal for."""
    made = Identity.create()
    write_identity(identity, made.private)
    if as_json:
        give({"recipient": recipient_text(made.public)})
    else:
        say(f"private key: {identity} (keep it safe; without it nothing opens)")
        say(recipient_text(made.public))


@app.command("approver")
def approver(
    secret: Annotated[Path, typer.Argument(help="new file for the private key (0600)")],
    as_json: AsJson = False,
) -> None:
    """Make the key of somebody who signs for never-masked zones; prints its public half, for `approvers`.

    Each approver makes their own and keeps it; two of them have to sign (`sealframe zones`).
    """
    made = SigningKey(secrets.token_bytes(32))
    write_approver(secret, made.seed)
    if as_json:
        give({"approver": approver_text(made.public)})
    else:
        say(f"private key: {secret} (yours alone)")
        say(approver_text(made.public))


@app.command("list")
def show(store: Store, secret: Secret, as_json: AsJson = False) -> None:
    """Epoch keys of a store, and how many track keys live."""
    with stores.KeyStore(store, secret) as opened:
        identities, tracks = opened.identities(), opened.count_tracks()
        erased = sum(len(found) for found in opened.destroyed_tracks().values())
    if as_json:
        listed = [{"name": i.name, "public": i.public.hex(), "alive": i.destroyed_ms is None} for i in identities]
        give({"identities": listed, "tracks": tracks, "erased": erased})
        return
    table = Table("identity", "made", "state")
    for one in identities:
        when = moment(one.created_ms)
        table.add_row(one.name, when, "alive" if one.destroyed_ms is None else "destroyed")
    console.print(table)
    say(f"{tracks} track keys, {erased} erased")


@app.command("backup")
def backup(
    store: Store, secret: Secret, to: Annotated[Path, typer.Argument(help="new file")], as_json: AsJson = False
) -> None:
    """Copy the store into a file; keys stay wrapped under the secret, which isn't in it."""
    with stores.KeyStore(store, secret) as opened:
        opened.backup(to)
    tell(f"{to}: keep it apart from {secret.name}; without the secret it opens nothing", {"backup": str(to)}, as_json)


@app.command("restore")
def restore(
    saved: Annotated[Path, typer.Argument(help="file that `keys backup` wrote", exists=True)],
    store: Annotated[Path, typer.Option("--store", help="folder of the key store")],
    secret: Secret,
    database: Annotated[str, typer.Option(help="the authority's database: erasures since the backup stay erased")],
    password_file: Annotated[Path | None, typer.Option(help="file with the database password")] = None,
    as_json: AsJson = False,
) -> None:
    """Put a backup in place, without the keys of subjects erased since. Stop the authority before."""
    # Of the extra `server`: the other verbs here belong to file mode too.
    from infra.postgres import Database, DatabaseAccess
    from streams.authority.erase import erased_tracks

    with Database(DatabaseAccess(database, password_file)) as opened, opened.connection() as db:
        gone = erased_tracks(db)
    with stores.restore(saved, store, secret, gone) as done:
        tracks = done.count_tracks()
    tell(f"{store}: {tracks} track keys", {"store": str(store), "tracks": tracks}, as_json)


@app.command("rotate")
def rotate(
    store: Store, secret: Secret, to: Annotated[Path, typer.Argument(help="file of the new secret")],
    as_json: AsJson = False,
) -> None:
    """Wrap all keys under a new secret. Then destroy the old secret: it makes old copies of the store worthless.

    Stop the authority's services first, and start them with the new secret: with the old one they make no key and open
    none any more.
    """
    with stores.KeyStore(store, secret) as opened:
        opened.rotate(stores.create_secret(to))
    tell(f"{store} opens with {to} now; destroy {secret}", {"store": str(store), "secret": str(to)}, as_json)


@app.command("revoke")
def revoke(
    epoch: Annotated[str, typer.Argument(help="whose key may be in others' hands, as `keys list` names it")],
    reason: Annotated[str, typer.Option(help="why; it stands in the access log")],
    actor: Annotated[str, typer.Option(help="who does this")],
    database: Annotated[str, typer.Option(help="the authority's database as a libpq string, without password")],
    password_file: Annotated[Path | None, typer.Option(help="file with the database password")] = None,
    as_json: AsJson = False,
) -> None:
    """Take an epoch's key out of use: within a minute or so pipelines seal under another one.

    The running authority publishes it. What was sealed under the old one can't be taken back from who has that: find
    out how it got out, and rotate the store's secret, too.
    """
    from infra.postgres import Database, DatabaseAccess
    from streams.authority.epochs import revoke as take_back
    from streams.clock import now_ms
    from streams.forensic.log import AccessLog

    with Database(DatabaseAccess(database, password_file)) as opened:
        take_back(opened, AccessLog(opened, now_ms), epoch, actor, reason, now_ms())
    tell(f"{epoch}: revoked; the authority publishes another key", {"revoked": epoch}, as_json)
