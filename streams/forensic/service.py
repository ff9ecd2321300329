"""The forensic service as a library: search by face picture or plate text, restoration of the found subject, status.

Who asks, for which case and why is part of every call, and the gate lets it through or not. The log entry is on the
disk before an answer leaves; refusals and failures are logged too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from typing import Any, Literal

from infra.postgres import Database
from operators.embed import SAME
from schemas.errors import UsageError
from streams.authority.faces import Faces
from streams.authority.templates import Templates
from streams.clock import now_ms
from streams.forensic import plate_search, search
from streams.forensic.face_search import FaceSearch
from streams.forensic.gate import Gate, Limits, noted
from streams.forensic.gate import Ground as Ground
from streams.forensic.jobs import KEPT_MS, Restorations, new_id
from streams.forensic.log import AccessLog, Entry
from streams.forensic.probe import Probes
from streams.forensic.restorations import Restoration, Wish
from streams.forensic.terms import Kind, Rules, typed


class Forensics:
    """Searches and restores for one authority, under its open cases; `clock` gives milliseconds since 1970."""

    def __init__(
        self, database: Database, log: AccessLog, faces: Callable[[], Faces] | None, *, rules: Rules | None = None,
        clock: Callable[[], int] = now_ms, templates: Templates | None = None,
    ) -> None:
        """`jobs` is set by who can restore."""
        self._database, self.log = database, log
        self._faces = FaceSearch(database, faces, templates)
        self.gate = Gate(database, log, rules, clock)
        self.jobs: Restorations | None = None

    def search_face(
        self, picture: bytes | Sequence[bytes], ground: Ground, *, cameras: Sequence[str] | None = None,
        period: search.Period | None = None, threshold: float = SAME, face: int | None = None,
    ) -> search.SearchAnswer:
        """Subjects whose best region looks like the face of a picture, or of several pictures of one person together.

        `face`: which one of the picture, from 1, left to right. Filters default to the case's scope.

        Raises:
            AccessDenied, RateLimited: see `Gate.search`.
            SeveralFaces: more than one face may be meant.
            UsageError: no picture, no such face in it, pictures of two people, filters that mean nothing, or a
                threshold without a measured rate.

        """
        pictures = [picture] if isinstance(picture, bytes) else list(picture)
        digests = [hashlib.sha256(one).hexdigest() for one in pictures]
        what = {"picture": digests[0] if len(digests) == 1 else digests, "face": face}
        return self._search(
            what, ground, cameras, period, threshold, lambda: self._faces.pictures(pictures, face)
        )

    def search_subject(
        self, subject_id: str, ground: Ground, *, cameras: Sequence[str] | None = None,
        period: search.Period | None = None, threshold: float = SAME,
    ) -> search.SearchAnswer:
        """Where else a subject of the index is, by its stored looks; it has to lie in the case's scope itself.

        Raises:
            AccessDenied, RateLimited: see `Gate.subject` and `Gate.search`; it counts as two searches.
            UsageError: no such subject, nothing indexed of it, or as `search_face`.

        """
        def probes() -> Probes:
            self.gate.subject("search-face", ground, subject_id)
            return self._faces.subject(subject_id)

        def still() -> None:
            self.gate.still("search-face", ground, subject_id)

        return self._search({"subject": typed(subject_id)}, ground, cameras, period, threshold, probes, still)

    def _search(
        self, what: dict[str, Any], ground: Ground, cameras: Sequence[str] | None, period: search.Period | None,
        threshold: float, probes: Callable[[], Probes], still: Callable[[], None] = lambda: None,
    ) -> search.SearchAnswer:
        """`still`: raises where who is searched may not be any more."""
        detail = {**what, "cameras": _names(cameras),
                  "period": None if period is None else [period.from_ms, period.to_ms], "threshold": threshold}
        with self._logged("search-face", ground, detail):
            limits = self._limits("search-face", "face", ground, cameras, period)
            if threshold not in search.THRESHOLDS:
                raise UsageError(f"thresholds with a measured rate are {sorted(search.THRESHOLDS)}")
            sought = probes()
            found = self._faces.find(sought, threshold, limits)
            still()
            self.gate.still_search("search-face", "face", ground, limits)
        named = [[match.subject_id, round(match.similarity, 4)] for match in found.matches]
        entry = self._log(
            "search-face", ground, {**detail, "matches": named, "searched": found.coverage.subjects}
        )
        return self._faces.answer(entry.seq, sought, threshold, found)

    def search_plate(
        self, text: str, ground: Ground, *, cameras: Sequence[str] | None = None,
        period: search.Period | None = None, exact: bool = False,
    ) -> plate_search.PlateAnswer:
        """Subjects whose plate reads like the text, which may have wildcards: `?` one sign, `*` any.

        Raises:
            AccessDenied, RateLimited: see `Gate.search`.
            UsageError: not a plate's text, or filters that mean nothing.

        """
        detail = {"text": typed(text), "exact": exact, "cameras": _names(cameras),
                  "period": None if period is None else [period.from_ms, period.to_ms]}
        with self._logged("search-plate", ground, detail):
            limits = self._limits("search-plate", "plate", ground, cameras, period)
            chosen = search.filters(limits.cameras, search.Period(limits.from_ms, limits.to_ms))
            asked, mode = plate_search.read_query(text, exact)
            with self._database.connection() as db:
                covered = replace(plate_search.coverage(db, chosen), limits=limits)
                matches, more = plate_search.find(db, asked, mode, chosen)
            self.gate.still_search("search-plate", "plate", ground, limits)
        found = [match.subject_id for match in matches]  # no texts: an erasure doesn't reach the log
        entry = self._log("search-plate", ground, {**detail, "matches": found, "searched": covered.subjects})
        words = plate_search.said(matches, mode, more, covered)
        return plate_search.PlateAnswer(entry.seq, asked, mode, tuple(matches), more, covered, words)

    def begin_restoration(
        self, subject_id: str, ground: Ground, wish: Wish, action: Literal["restore", "export"] = "restore"
    ) -> Restoration:
        """Let a restoration begin, to be followed by its id; `export` is for the person whom it shows.

        Raises:
            AccessDenied, RateLimited: see `Gate.subject`.
            UsageError: no such subject, a wish that contradicts itself, or the service can't restore.

        """
        detail: dict[str, Any] = {"subject": typed(subject_id), **asdict(wish), "restoration": new_id()}
        with self._logged(action, ground, detail):
            if wish.lossless and wish.burnt:
                raise UsageError("a watermark in the pictures changes them: it goes with a playable video")
            if wish.everyone and action == "export":
                raise UsageError("an export shows one person alone, and all others masked")
            self.gate.subject(action, ground, subject_id, everyone=wish.everyone)
            jobs = self._can_restore()
            video_id, tracks = self._tracks(subject_id)
        entry = self._log(action, ground, detail)
        return jobs.begin(Restoration(
            detail["restoration"], action, subject_id, video_id, tracks, ground.actor, ground.case, ground.purpose,
            wish, entry.seq, entry.time_ms, entry.time_ms + KEPT_MS,
        ))

    def restorations(self, person: str) -> list[Restoration]:
        """Those that a person asked for, newest first."""
        return self._can_restore().of_person(person)

    def restoration(self, restoration_id: str, person: str) -> Restoration:
        """One of them.

        Raises:
            UsageError: the person asked for none of this id.

        """
        job = self._can_restore().find(restoration_id)
        if job.person != person:
            raise UsageError("there is no such restoration of yours")
        return job

    def restored_file(self, restoration_id: str, person: str) -> tuple[Restoration, Iterator[bytes]]:
        """What a restoration made, and its video piece by piece; logged before the first one leaves.

        Raises:
            AccessDenied: its case isn't open any more, or doesn't allow it any more.
            UsageError: the person asked for none of this id, it isn't done, or its time is over.
            NotForMe: its key was destroyed.

        """
        job = self.restoration(restoration_id, person)
        ground = Ground(job.person, job.case_id, job.purpose)
        with self._logged("fetch", ground, {"restoration": restoration_id, "subject": job.subject_id}):
            self.may_restore(job)
            content = self._can_restore().file(job)
        self._log("fetch", ground, {"restoration": restoration_id, "subject": job.subject_id})
        return job, content

    def cancel(self, restoration_id: str, person: str) -> Restoration:
        """Stop a restoration, or destroy what it made; as `restoration`."""
        job = self.restoration(restoration_id, person)
        ground = Ground(job.person, job.case_id, job.purpose)
        self._log("restore-cancelled", ground, {"restoration": restoration_id, "subject": job.subject_id})
        return self._can_restore().cancel(restoration_id)

    def may_restore(self, job: Restoration) -> None:
        """Whether what was asked for may still be done.

        Raises:
            AccessDenied: the case, the person or their role doesn't allow it any more.
            UsageError: the subject is gone.

        """
        ground = Ground(job.person, job.case_id, job.purpose)
        self.gate.still(job.action, ground, job.subject_id, everyone=job.wish.everyone)

    def _can_restore(self) -> Restorations:
        if self.jobs is None:
            raise UsageError("this service knows no operating platform")
        return self.jobs

    def _tracks(self, subject_id: str) -> tuple[str, tuple[int, ...]]:
        with self._database.connection() as db:
            row = db.execute("SELECT video_id, tracks FROM subjects WHERE subject_id = %s", (subject_id,)).fetchone()
        if row is None:
            raise UsageError(f"there is no subject {subject_id}")
        return str(row[0]), tuple(row[1])

    def refuse(self, action: str, ground: Ground, reason: str) -> Entry:
        """Log that somebody asked for what they may not have."""
        return self._log(f"{action}-refused", ground, {"reason": reason})

    def _limits(
        self, action: Literal["search-face", "search-plate"], kind: Kind, ground: Ground,
        cameras: Sequence[str] | None, period: search.Period | None,
    ) -> Limits:
        """How far a search may go; raises UsageError for filters that mean nothing, else as `Gate.search`."""
        search.filters(cameras, period)
        first, last = (None, None) if period is None else (period.from_ms, period.to_ms)
        return self.gate.search(action, kind, ground, cameras, first, last)

    def _logged(self, action: str, ground: Ground, detail: dict[str, Any]) -> AbstractContextManager[None]:
        return noted(self.log, action, ground.actor, ground.case, ground.purpose, detail)

    def _log(self, action: str, ground: Ground, detail: dict[str, Any]) -> Entry:
        return self.log.append(action, ground.actor, ground.case, ground.purpose, detail)


def _names(cameras: Sequence[str] | None) -> list[str] | None:
    """Cameras that somebody named, as the log can hold them."""
    return None if cameras is None else [typed(camera) for camera in cameras]
