"""The gate: whoever wants to search, look at, restore or erase passes here, under an open case, or not at all.

It decides by the tables of people and cases and the rules of `streams.forensic.permission`; `noted` writes what was
refused or failed to the access log before the answer leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from infra.postgres import Database
from schemas.errors import AccessDenied, RateLimited, SealframeError, UsageError
from streams.authority.store import MAX_VIDEO_MS
from streams.clock import now_ms
from streams.forensic.cases import Cases
from streams.forensic.log import AccessLog
from streams.forensic.people import People
from streams.forensic.permission import (
    LIMITED,
    Action,
    Person,
    Seen,
    blurred_refusal,
    case_refusal,
    refuse,
    role_refusal,
    search_refusal,
    subject_refusal,
)
from streams.forensic.terms import ALL_CAMERAS, Case, Kind, Rules, words

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Ground:
    """On what ground somebody asks: person, case number, purpose; all are needed."""

    actor: str
    case: str
    purpose: str

    def __post_init__(self) -> None:
        """Refuse an empty, endless or unprintable field."""
        for name in ("actor", "case", "purpose"):
            words(name, getattr(self, name))


@dataclass(frozen=True, slots=True)
class Limits:
    """What a search was narrowed to by its case: cameras (None: all), from and to in milliseconds."""

    case: str
    cameras: tuple[str, ...] | None
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Grant:
    """Who was let through under which case."""

    person: Person
    case: Case


class Gate:
    """Lets people through, or raises; nothing here is logged, see `noted`."""

    def __init__(
        self, database: Database, log: AccessLog, rules: Rules | None = None, clock: Callable[[], int] = now_ms
    ) -> None:
        self._database, self.clock, self.rules = database, clock, rules or Rules()
        self.log = log
        self.people = People(database, clock)
        self.cases = Cases(database, self.people, log, self.rules, clock)

    def person(self, principal: str, action: Action) -> Person:
        """Who comes by this certificate or account, if their role may call this.

        Raises:
            AccessDenied: nobody, somebody disabled, or of another role.

        """
        return _let(self.people.by_principal(principal), action)

    def search(
        self, action: Action, kind: Kind, ground: Ground, cameras: Sequence[str] | None, from_ms: int | None,
        to_ms: int | None,
    ) -> Limits:
        """How far a search of this kind may go: what isn't asked for is taken from the case.

        Raises:
            AccessDenied: no open case of this person, or something is asked for outside of it.
            UsageError: a camera's name that can't be one.
            RateLimited: too many searches in an hour.

        """
        grant = self._grant(action, ground)
        scope = grant.case.terms.scope
        refuse(search_refusal(scope, kind, cameras, from_ms, to_ms))
        chosen = (None if scope.cameras == ALL_CAMERAS else scope.cameras) if cameras is None else tuple(cameras)
        for camera in chosen or ():
            words("camera", camera)
        self._count(grant.person, action)
        return Limits(
            grant.case.terms.case_id, chosen, scope.from_ms if from_ms is None else from_ms,
            scope.to_ms if to_ms is None else to_ms,
        )

    def still_search(self, action: Action, kind: Kind, ground: Ground, limits: Limits) -> None:
        """As `search`, of one that was let through and counted before, as far as it went then."""
        scope = self._grant(action, ground).case.terms.scope
        refuse(search_refusal(scope, kind, limits.cameras or ALL_CAMERAS, limits.from_ms, limits.to_ms))

    def subject(self, action: Action, ground: Ground, subject_id: str, *, everyone: bool = False) -> Grant:
        """Let something be done with a subject: shown, restored (`everyone`: all in its video), exported, erased.

        Raises:
            AccessDenied: no open case of this person, or one that the subject lies outside of or that doesn't allow it.
            UsageError: no such subject.
            RateLimited: too many of its kind in an hour.

        """
        grant = self.still(action, ground, subject_id, everyone=everyone)
        self._count(grant.person, action)
        return grant

    def still(self, action: Action, ground: Ground, subject_id: str, *, everyone: bool = False) -> Grant:
        """As `subject`, of something that was let through and counted before."""
        grant = self._grant(action, ground)
        refuse(subject_refusal(grant.case.terms, action, self._seen(words("subject", subject_id)), everyone))
        return grant

    def sees(self, ground: Ground, subject_id: str) -> bool:
        """The subject's picture may be shown to this person unblurred, under this case; counted as a look where so.

        Whoever shows it then logs the look. Until this says so, only the blurred picture may leave.

        Raises:
            RateLimited: too many pictures in an hour.

        """
        try:
            self.subject("picture", ground, subject_id)
        except (AccessDenied, UsageError):
            return False
        return True

    def blurred(self, ground: Ground, subject_id: str) -> None:
        """Let the blurred picture of a subject be shown, whatever else the case allows.

        Raises:
            AccessDenied: no open case of this person, or one whose searches wouldn't list the subject.
            UsageError: no such subject.

        """
        grant = self._grant("picture", ground)
        refuse(blurred_refusal(grant.case.terms.scope, self._seen(words("subject", subject_id))))

    def change_people(
        self, admin: Person, named: Collection[str], detail: Mapping[str, Any], act: Callable[[Any], Person]
    ) -> Person:
        """Let an admin change who comes in and as what, those `named`; logged, refused or not.

        `act` gets an open connection: the change and its entry in the log are one transaction.

        Raises:
            AccessDenied: the admin is one of them.
            UsageError: what `act` raises.

        """
        with noted(self.log, "people-change", admin.person, "", "", detail):
            if {admin.person, *admin.principals} & set(named):
                raise AccessDenied("nobody changes their own roles: another admin has to")
            with self._database.connection() as db:
                changed = act(db)
                self.log.add(db, "people-change", admin.person, "", "", detail)
        return changed

    def _grant(self, action: Action, ground: Ground) -> Grant:
        person = _let(self.people.get(ground.actor), action)
        case = self.cases.get(ground.case)
        refuse(case_refusal(person, action, case, self.clock(), self.rules))
        if case is None:
            raise AccessDenied("there is no such case")
        return Grant(person, case)

    def _seen(self, subject_id: str) -> Seen:
        with self._database.connection() as db:
            row = db.execute(
                "SELECT subject_id, s.camera_id, kind, from_ms, to_ms,"
                " ARRAY(SELECT DISTINCT p.kind FROM spans p WHERE p.video_id = s.video_id),"
                " v.start_ms, greatest(v.start_ms, coalesce(v.end_ms, v.start_ms + %s))"
                " FROM subjects s JOIN videos v USING (video_id) WHERE subject_id = %s", (MAX_VIDEO_MS, subject_id),
            ).fetchone()
        if row is None:
            raise UsageError(f"there is no subject {subject_id}")
        name, camera, kind, first, last, others, *video = row
        return Seen(name, camera, kind, first, last, (video[0], video[1]), frozenset(others))

    def _count(self, person: Person, action: Action) -> None:
        """Count a call of the last hour: this clock hour's, and the last one's in the share that is still inside."""
        kind, now = LIMITED.get(action, ""), self.clock()
        if not kind:
            return
        hour, limit = now // HOUR_MS, self.rules.limits[kind]
        with self._database.connection() as db:
            db.execute("SET LOCAL synchronous_commit = off")  # a count that a crash takes back lets one call more in
            db.execute("DELETE FROM calls WHERE person = %s AND hour < %s", (person.person, hour - 1))
            used, before = db.execute(
                "INSERT INTO calls VALUES (%(person)s, %(kind)s, %(hour)s, 1)"
                " ON CONFLICT (person, kind, hour) DO UPDATE SET number = calls.number + 1"
                " RETURNING number, (SELECT coalesce(max(number), 0) FROM calls"
                " WHERE person = %(person)s AND kind = %(kind)s AND hour = %(hour)s - 1)",
                {"person": person.person, "kind": kind, "hour": hour},
            ).fetchone() or (0, 0)
            if used + before * (1 - now % HOUR_MS / HOUR_MS) > limit:
                raise RateLimited(f"{limit} {kind} an hour are allowed: wait, or have an admin raise the limit")


@contextmanager
def noted(
    log: AccessLog, action: str, actor: str, case: str, purpose: str, detail: Mapping[str, Any]
) -> Iterator[None]:
    """Log what ends in an error: `<action>-refused` with the reason, `<action>-failed` with the error's name."""
    try:
        yield
    except (AccessDenied, RateLimited) as error:
        log.append(f"{action}-refused", actor, case, purpose, {**detail, "reason": str(error)})
        raise
    except SealframeError as error:
        log.append(f"{action}-failed", actor, case, purpose, {**detail, "error": type(error).__name__})
        raise


def _let(person: Person | None, action: Action) -> Person:
    refuse(role_refusal(person, action))
    if person is None:
        raise AccessDenied("nobody here is known by this certificate or sign-in")
    return person
