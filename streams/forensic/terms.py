"""What a case says and where it stands, as data. Times are milliseconds since 1970, periods include both ends."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal, get_args

from schemas.errors import MalformedRecord, UsageError
from schemas.topics import DAY_MS

Kind = Literal["face", "plate"]
Shows = Literal["nobody", "subject", "everyone"]
State = Literal["waiting", "open", "expired", "closed"]

KINDS: tuple[Kind, ...] = get_args(Kind)
ALL_CAMERAS = ("*",)
MAX_WORDS, MAX_CAMERAS, MAX_TEAM, MAX_MS = 200, 1000, 50, 2**53
LIMITS: Mapping[str, int] = MappingProxyType({"searches": 300, "restorations": 60, "pictures": 3000})
_FOREVER_MS = 253_370_764_800_000  # the year 9999
CASE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Scope:
    """Cameras by name or `ALL_CAMERAS`, a period, kinds of objects."""

    cameras: tuple[str, ...]
    from_ms: int
    to_ms: int
    kinds: tuple[Kind, ...]

    def has_camera(self, camera: str) -> bool:
        """The camera is in it."""
        return self.cameras == ALL_CAMERAS or camera in self.cameras

    def has_period(self, from_ms: int, to_ms: int) -> bool:
        """All of the period is in it."""
        return self.from_ms <= from_ms <= to_ms <= self.to_ms


@dataclass(frozen=True, slots=True)
class Terms:
    """What a case says, all of which an approver approves: any change is another digest.

    `shows`: whom a restoration may show; `erases`: the subject's keys may be destroyed; `team`: who may work on it,
    the opener among them. `revision` counts changes.
    """

    case_id: str
    revision: int
    title: str
    basis: str
    scope: Scope
    shows: Shows
    erases: bool
    team: tuple[str, ...]
    expires_ms: int
    opened_by: str
    changed_ms: int

    def canonical(self) -> bytes:
        """The bytes that are stored and hashed; see `schemas/FORMATS.md`."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    @property
    def digest(self) -> bytes:
        """SHA-256 of these bytes."""
        return hashlib.sha256(self.canonical()).digest()


@dataclass(frozen=True, slots=True)
class Approval:
    """That a person approved terms of this digest, for some time. `valid`: its approver may still approve and the
    access log says the same.
    """

    digest: bytes
    approver: str
    approved_ms: int
    until_ms: int
    valid: bool = True


@dataclass(frozen=True, slots=True)
class Case:
    """A case as it stands."""

    terms: Terms
    approvals: tuple[Approval, ...] = ()
    closed_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """The policy. `second_person`: another person than those who work on the case has to approve it.

    `limits`: how many calls of a kind a person may make in an hour; `refusals`: how many refused ones in a minute.
    """

    second_person: bool = True
    approval_days: int = 30
    longest_days: int = 180
    limits: Mapping[str, int] = field(default_factory=lambda: LIMITS)
    refusals: int = 60


def read_terms(raw: bytes) -> Terms:
    """Terms from their canonical bytes.

    Raises:
        MalformedRecord: not such bytes.

    """
    try:
        found = json.loads(raw)
        scope = found.pop("scope")
        read = Scope(tuple(scope.pop("cameras")), kinds=tuple(scope.pop("kinds")), **scope)
        terms = Terms(scope=read, team=tuple(found.pop("team")), **found)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise MalformedRecord("terms of a case don't parse") from error
    if terms.canonical() != raw:
        raise MalformedRecord("terms of a case aren't canonical")
    return terms


def checked(terms: Terms, now_ms: int, rules: Rules) -> Terms:
    """The terms, if a case can have them.

    Raises:
        UsageError: a field is empty, too long, not printable or out of bounds; says which.

    """
    scope = terms.scope
    if not CASE_ID.fullmatch(terms.case_id):
        raise UsageError("a case's id is up to 64 of letters, digits, '-', '_', '.'; letter or digit first")
    for name, text in (("title", terms.title), ("basis", terms.basis)):
        words(name, text)
    for camera in scope.cameras:
        words("camera", camera)
    if not scope.cameras or len(scope.cameras) > MAX_CAMERAS or ("*" in scope.cameras and len(scope.cameras) > 1):
        raise UsageError(f"name the cameras, up to {MAX_CAMERAS}, or '*' alone for all")
    if not 0 <= scope.from_ms <= scope.to_ms <= MAX_MS:
        raise UsageError("the case's period ends before it begins")
    if not scope.kinds or not set(scope.kinds) <= set(KINDS):
        raise UsageError(f"kinds are {', '.join(KINDS)}; name at least one")
    if terms.shows not in get_args(Shows):
        raise UsageError(f"what may be shown is one of {', '.join(get_args(Shows))}")
    if len(terms.team) > MAX_TEAM:
        raise UsageError(f"at most {MAX_TEAM} people work on a case")
    if not now_ms < terms.expires_ms <= now_ms + rules.longest_days * DAY_MS:
        raise UsageError(f"a case expires in the future, within {rules.longest_days} days")
    return terms


def words(name: str, text: str) -> str:
    """The text, if it is printable, not empty and not too long.

    Raises:
        UsageError: it isn't; names the field, never the text.

    """
    if not text.strip() or len(text) > MAX_WORDS or not text.isprintable():
        raise UsageError(f"{name} is needed: printable, up to {MAX_WORDS} characters")
    return text


def typed(text: str) -> str:
    """What somebody typed, as the log can hold it."""
    return text[:MAX_WORDS].encode("utf-8", "replace").decode()


def state(case: Case, now_ms: int, rules: Rules) -> State:
    """Where a case stands; only an open one lets anything through."""
    if case.closed_ms is not None:
        return "closed"
    if now_ms >= case.terms.expires_ms:
        return "expired"
    approved = any(counts(approval, case.terms, now_ms) for approval in case.approvals)
    return "open" if approved or not rules.second_person else "waiting"


def counts(approval: Approval, terms: Terms, now_ms: int) -> bool:
    """The approval is of exactly these terms, by somebody apart, and not over."""
    apart = approval.approver != terms.opened_by and approval.approver not in terms.team
    timely = approval.approved_ms <= now_ms < approval.until_ms
    return approval.valid and apart and timely and approval.digest == terms.digest


def listed(names: Sequence[str]) -> str:
    """Cameras in words, not endlessly."""
    if tuple(names) == ALL_CAMERAS:
        return "all cameras"
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def time_text(ms: int) -> str:
    """A time for people: UTC, to the minute, or in words where a period is as good as open."""
    if ms <= 0 or ms >= _FOREVER_MS:
        return "the beginning" if ms <= 0 else "no end"
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def terms_json(terms: Terms) -> dict[str, Any]:
    """Terms as machines read them, with their digest."""
    return {**asdict(terms), "digest": terms.digest.hex()}
