"""What the desk says in words, and how it reads times that somebody typed. Times are UTC."""

from __future__ import annotations

from datetime import UTC, datetime

from schemas.errors import UsageError
from streams.forensic.plate_search import PlateAnswer, PlateMatch
from streams.forensic.search import Match, SearchAnswer
from streams.forensic.terms import MAX_MS, Scope, State, time_text

STATES: dict[State, tuple[str, str]] = {
    "waiting": ("waits for approval", "warn"), "open": ("open", "good"), "expired": ("expired", "bad"),
    "closed": ("closed", ""),
}
SHOWS = {"nobody": "nobody: search alone", "subject": "the searched subject alone", "everyone": "everyone in the video"}


def period_words(scope: Scope) -> str:
    """A case's period."""
    begin, end = time_text(scope.from_ms), time_text(scope.to_ms)
    if begin == end == "ever":
        return "at any time"
    return f"until {end}" if begin == "ever" else f"from {begin} on" if end == "ever" else f"{begin} to {end}"


def face_words(match: Match, answer: SearchAnswer) -> str:
    """What a likeness means, and what it doesn't."""
    if match.sure:
        return "So alike is one comparison in 10,000 of different people. A lead to be checked, not an identification."
    odds = round(1 / answer.false_accept_rate)
    return f"So alike is up to one comparison in {odds:,} of different people. Compare the faces yourself."


def plate_words(match: PlateMatch, answer: PlateAnswer) -> str:
    """How a reading differs from what was asked for, and how sure it is."""
    read = f"read with {match.confidence:.0%} certainty"
    if match.exact:
        return f"Exactly this text, {read}."
    if answer.mode == "wildcard":
        return f"Fits the pattern, {read}."
    signs = "1 sign differs" if match.edits == 1 else f"{match.edits} signs differ" if match.edits else "twins differ"
    return f"{signs}; {match.probability:.0%} likely to be the plate asked for, {read}."


def read_time(text: str, name: str, *, end: bool = False) -> int | None:
    """Milliseconds since 1970 of `2026-11-21T10:30`, UTC; None for nothing. `end`: the minute's last millisecond.

    Raises:
        UsageError: it isn't a time; says which field.

    """
    if not text:
        return None
    try:
        ms = round(datetime.fromisoformat(text[:19]).replace(tzinfo=UTC).timestamp() * 1000)
    except ValueError as error:
        raise UsageError(f"{name}: write the time as 2026-11-21T10:30, in UTC") from error
    if not 0 <= ms <= MAX_MS:
        raise UsageError(f"{name}: a time since 1970 is needed")
    return ms + 59_999 if end else ms


def input_time(ms: int | None) -> str:
    """A time as a form's field takes it."""
    if ms is None or ms > 253_370_764_800_000 or ms < 0:
        return ""
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%dT%H:%M}"
