"""The people of one authority: who signs in by which certificate or account, in which roles.

A person may have several principals: a client certificate's CN, and accounts `oidc:<issuer>#<subject>`. They are one
person all the same, so that nobody approves their own case by the other one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from infra.postgres import Database
from infra.tls import PRINCIPAL
from schemas.errors import UsageError
from streams.forensic.log import AccessLog
from streams.forensic.permission import ALONE, Person, roles_of
from streams.forensic.terms import MAX_WORDS, words

OIDC = "oidc:"
SET_UP = "set-up"
_COLUMNS = ("p.person, p.name, p.roles, p.disabled,"
            " ARRAY(SELECT principal FROM principals WHERE person = p.person ORDER BY principal)")


class People:
    """Reads and writes the table; who may do so is decided before. `clock` gives milliseconds since 1970.

    What changes somebody works on an open connection: it shares its transaction with the entry in the log.
    """

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database, self._clock = database, clock

    def by_principal(self, principal: str) -> Person | None:
        """Whom a certificate or an account signs in, None for nobody."""
        return self._one("JOIN principals s USING (person) WHERE s.principal = %s", principal)

    def get(self, person: str) -> Person | None:
        """A person by name, which is their first principal."""
        return self._one("WHERE p.person = %s", person)

    def all(self) -> list[Person]:
        """Everybody, the disabled too."""
        with self._database.connection() as db:
            rows = db.execute(f"SELECT {_COLUMNS} FROM people p ORDER BY p.person").fetchall()  # noqa: S608
        return [_person(row) for row in rows]

    def put(
        self, db: Any, principal: str, name: str, roles: Sequence[str], *, by: str, also: Sequence[str] = ()
    ) -> Person:
        """Add the person of this principal, or give them this name, these roles, and further principals.

        Raises:
            UsageError: a principal that can't be or is another person's, roles that don't go together, or the last
                admin would be lost.

        """
        given = roles_of(roles)
        if given & ALONE and len(given) > 1:
            raise UsageError(f"{', '.join(sorted(ALONE))} go with no other role, so that nobody oversees themself")
        for one in (principal, *also):
            _check(one)
        words("name", name)
        db.execute("LOCK TABLE people IN SHARE ROW EXCLUSIVE MODE")
        owners = dict(db.execute(
            "SELECT principal, person FROM principals WHERE principal = ANY(%s)", ([principal, *also],)
        ).fetchall())
        person = owners.get(principal, principal)
        if set(owners.values()) - {person}:
            raise UsageError("one of these principals signs in somebody else already")
        db.execute(
            "INSERT INTO people VALUES (%s, %s, %s, false, %s, %s)"
            " ON CONFLICT (person) DO UPDATE SET name = excluded.name, roles = excluded.roles",
            (person, name, sorted(given), by, self._clock()),
        )
        for one in (principal, *also):
            db.execute("INSERT INTO principals VALUES (%s, %s) ON CONFLICT DO NOTHING", (one, person))
        _keep_an_admin(db, given)
        return _known(db, person)

    def disable(self, db: Any, person: str, disabled: bool = True) -> Person:
        """Let a person in no longer, or again; it holds from the next request on.

        Raises:
            UsageError: no such person, or the last admin.

        """
        db.execute("LOCK TABLE people IN SHARE ROW EXCLUSIVE MODE")
        row = db.execute(
            "UPDATE people SET disabled = %s WHERE person = %s RETURNING roles", (disabled, person)
        ).fetchone() if _can_be(person) else None
        if row is None:
            raise UsageError("there is no such person (sealframe people list)")
        _keep_an_admin(db, row[0] if not disabled else ())
        return _known(db, person)

    def _one(self, where: str, value: str) -> Person | None:
        if not _can_be(value):
            return None
        with self._database.connection() as db:
            return _found(db, where, value)


def _can_be(person: str) -> bool:
    """A name that a person may have; others are asked of no database, which refuses some."""
    return len(person) <= MAX_WORDS and person.isprintable()


def set_up(
    database: Database, clock: Callable[[], int], people: Mapping[str, tuple[str, str]],
    also: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> None:
    """Add people, principal to name and role, where the principal is unknown; whoever is there stays as they are.

    For who owns the database; it is logged. `also`: further principals of these.
    """
    table, log = People(database, clock), AccessLog(database, clock)
    for principal, (name, role) in people.items():
        if table.by_principal(principal) is None:
            with database.connection() as db:
                table.put(db, principal, name, [role], by=SET_UP, also=also.get(principal, ()))
                log.add(db, "people-change", SET_UP, "", "", {"person": principal, "roles": [role]})


def oidc_principal(issuer: str, subject: str) -> str:
    """The principal of an account at an issuer."""
    return f"{OIDC}{issuer}#{subject}"


def _check(principal: str) -> None:
    words("principal", principal)
    account = principal.startswith(f"{OIDC}https://") and "#" in principal
    if not account and not PRINCIPAL.fullmatch(principal):
        raise UsageError("a principal is the common name of a client certificate, or oidc:https://ISSUER#SUBJECT")


def _keep_an_admin(db: Any, roles: Sequence[str] | frozenset[str]) -> None:
    if "admin" in roles:
        return
    admins, everybody = db.execute(
        "SELECT count(*) FILTER (WHERE 'admin' = ANY(roles) AND NOT disabled),"
        " count(*) FILTER (WHERE 'admin' = ANY(roles)) FROM people"
    ).fetchone()
    if everybody and not admins:
        raise UsageError("this is the last admin: add another one first")


def _found(db: Any, where: str, value: str) -> Person | None:
    row = db.execute(f"SELECT {_COLUMNS} FROM people p {where}", (value,)).fetchone()  # noqa: S608
    return None if row is None else _person(row)


def _known(db: Any, person: str) -> Person:
    found = _found(db, "WHERE p.person = %s", person)
    if found is None:
        raise UsageError("there is no such person (sealframe people list)")
    return found


def _person(row: tuple[Any, ...]) -> Person:
    return Person(row[0], row[1], frozenset(row[2]), row[3], tuple(row[4]))
