"""Searches of the feature library, from what is searched to matches, coverage and error rates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from infra.postgres import Database
from operators.face_rates import RATES, Rates, load
from schemas.errors import UsageError
from streams.authority.faces import Faces
from streams.authority.templates import Templates
from streams.forensic import nearest, probe, search
from streams.forensic.gate import Limits
from streams.forensic.probe import Probes


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, what it covered, whether every vector was compared, and whether more than this is alike."""

    matches: tuple[search.Match, ...]
    exact: bool
    coverage: search.Coverage
    more: bool = False


@cache
def rates(embedder: str) -> Rates:
    """The error rates of an embedder; raises ConfigError where none were measured."""
    return load(RATES.read_bytes(), embedder)


class FaceSearch:
    """Searches one authority's faces. `faces` loads the models when first asked for; None: there are none."""

    def __init__(
        self, database: Database, faces: Callable[[], Faces] | None, templates: Templates | None = None
    ) -> None:
        self._database, self._faces, self._templates = database, faces, templates or Templates()

    def faces(self) -> Faces:
        """The models; raises UsageError where this service has none."""
        if self._faces is None:
            raise UsageError("this service has no face models")
        return self._faces()

    def pictures(self, pictures: Sequence[bytes], face: int | None = None) -> Probes:
        """What pictures show; errors as `probe.of_pictures`."""
        return probe.of_pictures(self.faces(), pictures, face)

    def subject(self, subject_id: str) -> Probes:
        """What is known of a subject; errors as `probe.of_subject`."""
        with self._database.connection() as db:
            return probe.of_subject(db, subject_id, self.faces().name, self._templates)

    def find(self, probes: Probes, threshold: float, limits: Limits) -> Found:
        """Who is like what is searched; somebody found by several looks counts by the one that stands out most."""
        name, best = self.faces().name, dict[str, search.Match]()
        chosen = search.filters(limits.cameras, search.Period(limits.from_ms, limits.to_ms))
        exact, more = True, False
        with self._database.connection() as db:
            covered = replace(search.coverage(db, chosen), limits=limits)
            for sought in probes.sought:
                found = nearest.nearest(db, sought, chosen, self._templates, name)
                exact &= found.exact
                more |= found.more and found.looks[-1].cosine >= threshold
                for match in nearest.matches(db, sought, found, threshold, covered.subjects, rates(name)):
                    known = best.get(match.subject_id)
                    if known is None or known.stands_out < match.stands_out:
                        best[match.subject_id] = match
        ordered = sorted(best.values(), key=lambda match: (-match.stands_out, match.subject_id))
        more |= len(ordered) > search.MAX_MATCHES
        return Found(tuple(ordered[: search.MAX_MATCHES]), exact, covered, more)

    def answer(self, entry: int, probes: Probes, threshold: float, found: Found) -> search.SearchAnswer:
        """The answer with the error rates at this threshold and size of face."""
        table = rates(self.faces().name)
        rate = table.of_comparison(threshold, probes.width)
        return search.SearchAnswer(
            entry, found.matches, threshold, rate, rate * found.coverage.vectors, found.exact, found.coverage,
            search.said(found.matches, found.coverage, found.more), probes.width,
            round(1 - table.share_accepted(threshold, probes.width), 4), shown=probes.shown, more=found.more,
        )
