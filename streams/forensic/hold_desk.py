"""Legal holds with their entries in the access log, and what is kept how long where none is in force.

What is set or released and its entry are one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from infra.postgres import Database
from streams.authority.retention import kept
from streams.authority.store import MAX_VIDEO_MS
from streams.forensic.gate import noted
from streams.forensic.log import AccessLog
from streams.forensic.permission import Person
from streams.forensic.terms import typed, words
from streams.holds import EVER, MATCHES, Hold, holds, put_hold, release_hold
from streams.retention import Kept, Rule, rule_at

CASE = "hold"
"""What stands in the entries where others name a case."""


@dataclass(frozen=True, slots=True)
class HoldDraft:
    """What somebody asks to be held, and why; None: every camera, every video. Times in ms since 1970, both inside."""

    reason: str
    camera_id: str | None = None
    video_id: str | None = None
    from_ms: int = 0
    to_ms: int = EVER


@dataclass(frozen=True, slots=True)
class KeptKind:
    """One kind of evidence at one camera: what the rule that counts there says, and what is there.

    `days` and `max_bytes` None: until the disk is full. `held`: how many of the videos are under a hold; `oldest_ms`:
    when the first of them ended.
    """

    camera_id: str
    kind: str
    days: float | None
    max_bytes: int | None
    videos: int
    held: int
    oldest_ms: int


class HoldDesk:
    """The holds of one authority; `rules` are those that its platform keeps evidence by, `clock` gives ms since 1970.

    Who may, is decided before; what fails is logged.
    """

    def __init__(
        self, database: Database, log: AccessLog, rules: Sequence[Rule], clock: Callable[[], int]
    ) -> None:
        self._database, self._log, self._rules, self._clock = database, log, tuple(rules), clock

    def all(self) -> list[Hold]:
        """Every hold, those that are over too."""
        with self._database.connection() as db:
            return holds(db, over=True)

    def covered(self) -> dict[int, int]:
        """How many videos that are kept each hold in force is about; one that is about none isn't named."""
        about = MATCHES.format(video="v.video_id", camera="v.camera_id", start="v.start_ms", end="v.last_ms")
        with self._database.connection() as db:
            return dict(db.execute(
                f"SELECT h.hold, count(*) FROM holds h JOIN (SELECT *, coalesce(end_ms, start_ms + %s) AS last_ms"  # noqa: S608
                f" FROM videos) AS v ON {about} GROUP BY h.hold", (MAX_VIDEO_MS,),
            ).fetchall())

    def kept(self) -> list[KeptKind]:
        """What is kept of each kind at each camera, and how long."""
        with self._database.connection() as db:
            videos = kept(db)
        found: dict[tuple[str, str], list[Kept]] = {}
        for video in videos:
            for kind in video.kinds:
                found.setdefault((video.camera_id, kind), []).append(video)
        return [self._kept(*place, found[place]) for place in sorted(found)]

    def set(self, person: Person, draft: HoldDraft) -> int:
        """Set a hold; its number.

        Raises:
            UsageError: no reason, nothing that limits it, or signs that can't be; logged.

        """
        detail = {"camera": typed(draft.camera_id or ""), "video": typed(draft.video_id or "")}
        with noted(self._log, "hold", person.person, CASE, typed(draft.reason), detail):
            for name, text in (("reason", draft.reason), ("camera", draft.camera_id), ("video", draft.video_id)):
                if text is not None:
                    words(name, text)
            return set_hold(self._database, self._log, person.person, draft, self._clock())

    def release(self, person: Person, number: int) -> Hold:
        """Release a hold; what it was.

        Raises:
            UsageError: no such hold, or it is over already; logged.

        """
        with noted(self._log, "hold-released", person.person, CASE, "", {"hold": number}):
            return end_hold(self._database, self._log, person.person, number, self._clock())

    def _kept(self, camera_id: str, kind: str, videos: Sequence[Kept]) -> KeptKind:
        rule = rule_at(self._rules, camera_id, kind)
        return KeptKind(
            camera_id, kind, rule.days if rule else None, rule.max_bytes if rule else None, len(videos),
            sum(video.held for video in videos), min(video.end_ms for video in videos),
        )


def set_hold(database: Database, log: AccessLog | None, actor: str, draft: HoldDraft, now_ms: int) -> int:
    """Set a hold; its number. `log`: None on a platform that has none.

    Raises:
        UsageError: see `put_hold`.

    """
    with database.connection() as db:
        number = put_hold(
            db, draft.reason, actor, now_ms, camera_id=draft.camera_id, video_id=draft.video_id,
            from_ms=draft.from_ms, to_ms=draft.to_ms,
        )
        if log:
            log.add(db, "hold", actor, CASE, draft.reason, {
                "hold": number, "camera": draft.camera_id, "video": draft.video_id, "from": draft.from_ms,
                "to": draft.to_ms,
            })
    return number


def end_hold(database: Database, log: AccessLog | None, actor: str, number: int, now_ms: int) -> Hold:
    """Release a hold; what it was.

    Raises:
        UsageError: no such hold, or it is over already.

    """
    with database.connection() as db:
        was = release_hold(db, number, actor, now_ms)
        if log:
            log.add(db, "hold-released", actor, CASE, was.reason, {"hold": number})
    return was
