"""Who may do what under which case: roles and the rules over them, as a table and pure functions.

A function that refuses gives the reason as a sentence that says what to do; the empty string means that nothing stands
against it. Times are milliseconds since 1970, periods include both ends.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, cast, get_args

from schemas.errors import AccessDenied, UsageError
from streams.forensic.terms import Case, Kind, Rules, Scope, State, Terms, listed, state, time_text

Role = Literal["investigator", "approver", "auditor", "admin", "keeper"]
Action = Literal[
    "search-face", "search-plate", "restore", "export", "erase", "picture", "case-open", "case-change", "case-approve",
    "case-close", "case-read", "hold-read", "hold-change", "people-read", "people-change", "log-read", "log-info",
]

ROLES: tuple[Role, ...] = get_args(Role)
ACTIONS: tuple[Action, ...] = get_args(Action)
ALONE: frozenset[Role] = frozenset({"admin", "auditor", "keeper"})
"""Roles that go with no other one."""

MAY: Mapping[Action, frozenset[Role]] = MappingProxyType({
    "search-face": frozenset({"investigator"}),
    "search-plate": frozenset({"investigator"}),
    "restore": frozenset({"investigator"}),
    "export": frozenset({"investigator"}),
    "erase": frozenset({"investigator"}),
    "picture": frozenset({"investigator"}),
    "case-open": frozenset({"investigator"}),
    "case-change": frozenset({"investigator"}),
    "case-approve": frozenset({"approver"}),
    "case-close": frozenset({"investigator", "approver", "admin"}),
    "case-read": frozenset({"investigator", "approver", "auditor", "admin"}),
    "hold-read": frozenset({"investigator", "approver", "auditor", "admin"}),
    "hold-change": frozenset({"approver"}),
    "people-read": frozenset({"auditor", "admin"}),
    "people-change": frozenset({"admin"}),
    "log-read": frozenset({"auditor"}),
    "log-info": frozenset(ROLES),
})
"""Which roles may call what at all; a keeper sees how long the log is and its root, and nothing else. Who erases
needs an approver both for the case and to lift a hold.
"""

LIMITED: Mapping[Action, str] = MappingProxyType({
    "search-face": "searches", "search-plate": "searches", "restore": "restorations", "export": "restorations",
    "picture": "pictures",
})


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may sign in. `person` is their first principal; each principal signs the same person in."""

    person: str
    name: str
    roles: frozenset[Role]
    disabled: bool = False
    principals: tuple[str, ...] = ()


def refuse(reason: str) -> None:
    """Raise AccessDenied where there is a reason."""
    if reason:
        raise AccessDenied(reason)


def role_refusal(person: Person | None, action: Action) -> str:
    """Why this person may not call this at all."""
    if person is None:
        return "nobody here is known by this certificate or sign-in: an admin adds people (sealframe people add)"
    if person.disabled:
        return "this person is disabled: an admin can enable them again"
    if not person.roles & MAY[action]:
        return f"{action} is for {' or '.join(sorted(MAY[action]))}; you are {' and '.join(sorted(person.roles))}"
    return ""


def case_refusal(person: Person, action: Action, case: Case | None, now_ms: int, rules: Rules) -> str:
    """Why this person may not do this under this case; the same words for a strange case and for none."""
    if reason := role_refusal(person, action):
        return reason
    if case is None or person.person not in case.terms.team:
        return "there is no such case that you work on: open one (sealframe case open)"
    stands = state(case, now_ms, rules)
    return "" if stands == "open" else _NEXT[stands]


_NEXT: Mapping[State, str] = MappingProxyType({
    "waiting": "the case waits for the approval of a second person (sealframe case approve)",
    "expired": "the case has expired: have it changed and approved again (sealframe case change)",
    "closed": "the case is closed: open another one",
})


def approve_refusal(person: Person, case: Case | None, digest: bytes, now_ms: int) -> str:
    """Why this person may not approve terms of this digest."""
    if reason := role_refusal(person, "case-approve"):
        return reason
    if case is None:
        return "there is no such case"
    if case.closed_ms is not None:
        return _NEXT["closed"]
    if now_ms >= case.terms.expires_ms:
        return _NEXT["expired"]
    if person.person == case.terms.opened_by or person.person in case.terms.team:
        return "who opened a case or works on it may not approve it: another person has to"
    if digest != case.terms.digest:
        return "the case isn't what you saw: it was changed since. Look at it again (sealframe case show)"
    if any(a.digest == digest and a.approver == person.person for a in case.approvals):
        return "you have approved exactly this already: it has to be changed before it can be approved again"
    return ""


def change_refusal(person: Person, action: Action, case: Case | None) -> str:
    """Why this person may not change or close this case: changing is for its team, closing for approvers too."""
    if reason := role_refusal(person, action):
        return reason
    outside = action == "case-close" and person.roles & {"approver", "admin"}
    if case is None or (person.person not in case.terms.team and not outside):
        return "there is no such case that you work on"
    return _NEXT["closed"] if case.closed_ms is not None else ""


def may_read(person: Person, case: Case) -> bool:
    """The case is shown to this person: to its team, and to those who oversee."""
    return person.person in case.terms.team or bool(person.roles & {"approver", "auditor", "admin"})


def search_refusal(
    scope: Scope, kind: Kind, cameras: Collection[str] | None, from_ms: int | None, to_ms: int | None
) -> str:
    """Why such a search goes beyond a scope; what isn't named (None) is taken from the scope."""
    if kind not in scope.kinds:
        return f"the case is for {' and '.join(scope.kinds)}, not for {kind}"
    if cameras is not None and not all(scope.has_camera(camera) for camera in cameras):
        return f"a camera that you name is outside the case: it is for {listed(scope.cameras)}"
    asked = (scope.from_ms if from_ms is None else from_ms, scope.to_ms if to_ms is None else to_ms)
    if not scope.has_period(*asked):
        within = f"{time_text(scope.from_ms)} to {time_text(scope.to_ms)}"
        return f"the times that you name are outside the case: it is for {within}"
    return ""


@dataclass(frozen=True, slots=True)
class Seen:
    """A subject as far as permission goes. `others`: kinds that its video shows at all; `video`: from when to when."""

    subject_id: str
    camera_id: str
    kind: str
    from_ms: int
    to_ms: int
    video: tuple[int, int]
    others: frozenset[str] = frozenset()


def subject_refusal(terms: Terms, action: Action, subject: Seen, everyone: bool) -> str:
    """Why this subject may not be shown, searched elsewhere, erased, ... under these terms."""
    scope = terms.scope
    if action == "erase":
        if not terms.erases:
            return "the case doesn't allow erasure"
    elif action != "search-face" and terms.shows == "nobody":
        return "the case allows no restoration"
    if everyone and terms.shows != "everyone":
        return "the case allows to show the subject alone, not everyone"
    if subject.kind not in scope.kinds or not scope.has_camera(subject.camera_id):
        return "the subject's kind or camera is outside the case"
    if not scope.has_period(subject.from_ms, subject.to_ms):
        return "the subject is seen, in part at least, outside the times of the case"
    if everyone and not subject.others <= set(scope.kinds):
        return "the video shows kinds that the case isn't for, so not everyone in it may be shown"
    if everyone and not scope.has_period(*subject.video):
        return "the video goes beyond the times of the case, so not everyone in it may be shown"
    return ""


def blurred_refusal(scope: Scope, subject: Seen) -> str:
    """Why not even the blurred picture of a subject is shown: no search of the case would list it."""
    during = subject.from_ms <= scope.to_ms and subject.to_ms >= scope.from_ms
    inside = during and subject.kind in scope.kinds and scope.has_camera(subject.camera_id)
    return "" if inside else "the subject is outside the case"


def roles_of(names: Sequence[str]) -> frozenset[Role]:
    """Roles by name.

    Raises:
        UsageError: no such role, or none.

    """
    if not names or set(names) - set(ROLES):
        raise UsageError(f"roles are {', '.join(ROLES)}; name at least one")
    return frozenset(cast(Role, name) for name in names)
