"""`sealframe database`: databases that run elsewhere, made ready for a platform."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.postgres import APP_ROLE, Database, DatabaseAccess
from infra.postgres import migrate as bring_up_to_date
from schemas.errors import ConfigError, UsageError
from streams.cli.output import give, say
from streams.words import plural

PLATFORMS = ("operator", "authority")
app = typer.Typer(no_args_is_help=True, help="Databases that run elsewhere: made ready for a platform.")


@app.callback()
def _group() -> None:
    """Keeps the only verb by name."""


@app.command("migrate")
def migrate(
    platform: Annotated[str, typer.Argument(help="whose tables: operator | authority")],
    database: Annotated[str, typer.Option(help="database as a libpq string, without password; as its owner")],
    password_file: Annotated[Path | None, typer.Option(help="file with the owner's password")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print what was applied as JSON")] = False,
) -> None:
    """Make the tables of a platform, or bring them up to this release; what is done already is left alone.

    The database, its owner and the role sealframe_app must be there, and for an authority pgvector: see `roles` in
    infra/compose.yaml. Run it before the services, and again after each update.
    """
    if platform not in PLATFORMS:
        raise UsageError(f"platform {platform!r}: one of {', '.join(PLATFORMS)}")
    access = DatabaseAccess(database, password_file)
    _need_app_role(access)
    applied = bring_up_to_date(access, platform)
    if as_json:
        give({"applied": applied})
    else:
        say(f"{platform}: {plural(len(applied), 'migration')} applied" if applied else f"{platform}: up to date")


def _need_app_role(access: DatabaseAccess) -> None:
    """Raise ConfigError where nobody made the services' role, before any table is."""
    with Database(access, size=1) as database, database.connection() as db:
        if db.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (APP_ROLE,)).fetchone() is None:
            raise ConfigError(f"the server has no role {APP_ROLE}: see `roles` in infra/compose.yaml")
