"""Cases: opened, changed, approved by a second person, closed; each step and its leaf of the access log come together.

What a case says is stored as the canonical bytes of its terms. An approval names their digest and the entry of the log
that tells of it: it counts while the log says so, the terms are those, the approver may still approve, and it isn't
over. So neither a changed case nor a row slipped into the database lets anything through.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from infra.postgres import Database
from schemas.errors import AccessDenied, UsageError
from schemas.topics import DAY_MS
from streams.forensic.log import AccessLog
from streams.forensic.people import People
from streams.forensic.permission import Person, approve_refusal, change_refusal, may_read, refuse, role_refusal
from streams.forensic.terms import (
    MAX_WORDS,
    Approval,
    Case,
    Rules,
    Scope,
    Shows,
    State,
    Terms,
    checked,
    read_terms,
    state,
)

_CASES = (
    "SELECT c.case_id, c.terms, c.closed_ms, a.digest, a.approver, a.approved_ms, a.until_ms,"
    " NOT p.disabled AND 'approver' = ANY(p.roles), l.entry FROM cases c LEFT JOIN approvals a USING (case_id)"
    " LEFT JOIN people p ON p.person = a.approver LEFT JOIN access_log l ON l.seq = a.entry"
)


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody asks a case to be; `team`: who works on it besides the opener."""

    title: str
    basis: str
    scope: Scope
    expires_ms: int
    shows: Shows = "subject"
    erases: bool = False
    team: tuple[str, ...] = ()


class Cases:
    """The cases of one authority; `clock` gives milliseconds since 1970."""

    def __init__(
        self, database: Database, people: People, log: AccessLog, rules: Rules, clock: Callable[[], int]
    ) -> None:
        self._database, self._people, self._log = database, people, log
        self.rules, self._clock = rules, clock

    def get(self, case_id: str) -> Case | None:
        """A case by its id."""
        if len(case_id) > MAX_WORDS or not case_id.isprintable():
            return None
        with self._database.connection() as db:
            return next(iter(_cases(db.execute(f"{_CASES} WHERE c.case_id = %s", (case_id,)).fetchall())), None)

    def readable(self, person: Person) -> list[Case]:
        """The cases that this person may see, the newest change first."""
        with self._database.connection() as db:
            found = _cases(db.execute(_CASES).fetchall())
        return sorted((case for case in found if may_read(person, case)), key=lambda case: -case.terms.changed_ms)

    def now_ms(self) -> int:
        """The time by which cases and approvals run out."""
        return self._clock()

    def state(self, case: Case) -> State:
        """Where it stands now."""
        return state(case, self._clock(), self.rules)

    def approved_scopes(self) -> tuple[Scope, ...]:
        """Cameras, times and kinds of all open cases: what may be indexed where that is done on a case only."""
        with self._database.connection() as db:
            found = _cases(db.execute(f"{_CASES} WHERE c.closed_ms IS NULL").fetchall())
        return tuple(case.terms.scope for case in found if self.state(case) == "open")

    def open(self, person: Person, draft: Draft, case_id: str = "") -> Case:
        """Open a case; without an id it gets one.

        Raises:
            AccessDenied: not an investigator.
            UsageError: a field that can't be, an id that is taken, a team of strangers.

        """
        refuse(role_refusal(person, "case-open"))
        now = self._clock()
        case_id = case_id or f"{datetime.fromtimestamp(now / 1000, UTC):%Y%m%d}-{secrets.token_hex(3)}"
        terms = self._terms(case_id, 1, person.person, draft, now)
        if self.get(case_id) is not None:
            raise UsageError(f"there is a case {case_id} already: choose another id")
        with self._database.connection() as db:
            row = db.execute(
                "INSERT INTO cases VALUES (%s, %s) ON CONFLICT DO NOTHING RETURNING 1", (case_id, terms.canonical())
            ).fetchone()
            if row is None:
                raise UsageError(f"there is a case {case_id} already: choose another id")
            self._add(db, "case-open", person, terms)
        return Case(terms)

    def change(self, person: Person, case_id: str, draft: Draft) -> Case:
        """Give a case other terms, or the same ones anew; it then waits for an approval again.

        Raises:
            AccessDenied: no such case that the person works on, or a closed one.
            UsageError: a field that can't be, or somebody else has just changed it.

        """
        case = self.get(case_id)
        refuse(change_refusal(person, "case-change", case))
        before = _known(case).terms
        terms = self._terms(case_id, before.revision + 1, before.opened_by, draft, self._clock(), person.person)
        with self._database.connection() as db:
            row = db.execute(
                "UPDATE cases SET terms = %s WHERE case_id = %s AND terms = %s AND closed_ms IS NULL RETURNING 1",
                (terms.canonical(), case_id, before.canonical()),
            ).fetchone()
            if row is None:
                raise UsageError("somebody else has just changed the case: look at it again")
            self._add(db, "case-change", person, terms)
        return self._again(case_id)

    def approve(self, person: Person, case_id: str, digest: bytes) -> Case:
        """Approve exactly the terms of this digest.

        Raises:
            AccessDenied: not an approver, somebody who works on it, other terms than these, or approved already.

        """
        case, now = self.get(case_id), self._clock()
        refuse(approve_refusal(person, case, digest, now))
        terms = _known(case).terms
        until = min(terms.expires_ms, now + self.rules.approval_days * DAY_MS)
        with self._database.connection() as db:
            seq = self._add(db, "case-approve", person, terms)  # first: the approval names it
            row = db.execute(
                "INSERT INTO approvals VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING 1",
                (case_id, digest, person.person, now, until, seq),
            ).fetchone()
            if row is None:
                raise AccessDenied("you have approved exactly this already")
        return self._again(case_id)

    def close(self, person: Person, case_id: str) -> Case:
        """Close a case for ever: nothing is granted under it any more.

        Raises:
            AccessDenied: no such case that the person works on or oversees, or closed already.

        """
        case = self.get(case_id)
        refuse(change_refusal(person, "case-close", case))
        with self._database.connection() as db:
            row = db.execute(
                "UPDATE cases SET closed_ms = %s, closed_by = %s WHERE case_id = %s AND closed_ms IS NULL RETURNING 1",
                (self._clock(), person.person, case_id),
            ).fetchone()
            if row is None:
                raise AccessDenied("the case is closed already")
            self._add(db, "case-close", person, _known(case).terms)
        return self._again(case_id)

    def _terms(
        self, case_id: str, revision: int, opened_by: str, draft: Draft, now: int, changed_by: str = ""
    ) -> Terms:
        team = tuple(sorted({opened_by, *draft.team, *([changed_by] if changed_by else ())}))
        for member in team:
            known = self._people.get(member)
            if known is None or "investigator" not in known.roles:
                raise UsageError("a case's team are investigators, by the names that `sealframe people list` gives")
        scope = replace(
            draft.scope, cameras=tuple(sorted(set(draft.scope.cameras))), kinds=tuple(sorted(set(draft.scope.kinds)))
        )
        return checked(Terms(
            case_id, revision, draft.title, draft.basis, scope, draft.shows, draft.erases, team, draft.expires_ms,
            opened_by, now,
        ), now, self.rules)

    def _add(self, db: Any, action: str, person: Person, terms: Terms) -> int:
        return self._log.add(db, action, person.person, terms.case_id, terms.title, _said(terms)).seq

    def _again(self, case_id: str) -> Case:
        return _known(self.get(case_id))


def _said(terms: Terms) -> dict[str, Any]:
    return {"digest": terms.digest.hex(), "revision": terms.revision}


def _cases(rows: Sequence[tuple[Any, ...]]) -> list[Case]:
    """One case of each id out of rows of case and approval."""
    found: dict[str, Case] = {}
    for case_id, raw, closed_ms, digest, approver, approved_ms, until_ms, able, entry in rows:
        case = found.get(case_id) or Case(read_terms(bytes(raw)), (), closed_ms)
        if digest is not None:
            valid = bool(able) and entry is not None and _tells(bytes(entry), case_id, approver, bytes(digest))
            one = Approval(bytes(digest), approver, approved_ms, until_ms, valid)
            case = replace(case, approvals=(*case.approvals, one))
        found[case_id] = case
    return list(found.values())


def _tells(entry: bytes, case_id: str, approver: str, digest: bytes) -> bool:
    """The log's entry is of this very approval."""
    said = json.loads(entry)
    return (said["action"], said["actor"], said["case"], said["detail"].get("digest")) == (
        "case-approve", approver, case_id, digest.hex(),
    )


def _known(case: Case | None) -> Case:
    if case is None:
        raise AccessDenied("there is no such case")
    return case
