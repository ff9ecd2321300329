"""What the desk says in words, and how it reads times that somebody typed. Times are UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from schemas.errors import UsageError
from streams.forensic.hold_desk import KeptKind
from streams.forensic.plate_search import PlateAnswer, PlateMatch
from streams.forensic.search import Match
from streams.forensic.terms import MAX_MS, Scope, State
from streams.words import plural

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?", re.ASCII)

STATES: dict[State, tuple[str, str]] = {
    "waiting": ("waits for approval", "warn"), "open": ("open", "good"), "expired": ("expired", "bad"),
    "closed": ("closed", ""),
}
SHOWS = {"nobody": "nobody: search alone", "subject": "the searched subject alone", "everyone": "everyone in the video"}


def period_words(scope: Scope) -> str:
    """A case's period."""
    begin, end = (input_time(ms).replace("T", " ") for ms in (scope.from_ms or None, scope.to_ms))
    if not begin and not end:
        return "at any time"
    return f"{begin} to {end}" if begin and end else f"from {begin} on" if begin else f"until {end}"


def face_words(match: Match) -> str:
    """What a likeness means, by the rates measured for faces of this size, and what it doesn't."""
    alike = f"Two strangers' faces of this size are so alike in at most {share(match.false_match_rate)} comparisons"
    stands = f"somebody stands out so far in at most {share(match.false_search_rate)} searches for a stranger"
    end = "A lead to be checked, not an identification." if match.sure else "Compare the faces yourself."
    return f"{alike}; {stands}. {end}"


def share(rate: float) -> str:
    """A rate as one in so many."""
    return f"1 of {max(1, round(1 / rate)):,}" if rate > 0 else "hardly any"


def plate_words(match: PlateMatch, answer: PlateAnswer) -> str:
    """How a reading differs from what was asked for, and how sure it is."""
    read = f"read with {match.confidence:.0%} certainty"
    if match.exact:
        return f"Exactly this text, {read}."
    if answer.mode == "wildcard":
        return f"Fits the pattern, {read}."
    signs = "1 sign differs" if match.edits == 1 else f"{match.edits} signs differ" if match.edits else "twins differ"
    return f"{signs}; {match.probability:.0%} likely to be the plate asked for, {read}."


def kept_words(one: KeptKind) -> str:
    """How long a kind is kept at a camera."""
    said = [plural(round(one.days), "day") if one.days >= 1 else f"{one.days * 24:.0f} h"] if one.days else []
    said += [f"up to {one.max_bytes / 1e9:g} GB at the cameras of its rule"] if one.max_bytes else []
    return ", ".join(said) or "until the disk is full"


def read_time(text: str, name: str, *, end: bool = False) -> int | None:
    """Milliseconds since 1970 of `2026-11-21T10:30`, UTC; None for nothing. `end`: its last millisecond.

    Seconds may follow; an offset may not, as it would have to be heeded, nor may a day stand alone.

    Raises:
        UsageError: it isn't a time; says which field.

    """
    if not text:
        return None
    try:
        if not _TIME.fullmatch(text):
            raise ValueError
        ms = round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)
    except ValueError as error:
        raise UsageError(f"{name}: write the time as 2026-11-21T10:30, in UTC") from error
    if not 0 <= ms <= MAX_MS:
        raise UsageError(f"{name}: a time since 1970 is needed")
    return ms + (999 if text.count(":") > 1 else 59_999) if end else ms


def input_time(ms: int | None) -> str:
    """A time as a form's field takes it."""
    if ms is None or ms > 253_370_764_800_000 or ms < 0:
        return ""
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%dT%H:%M}"
