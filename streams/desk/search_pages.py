"""The page of a case, where an investigator searches: by a picture, by a plate. What was searched is always shown.

Pictures of subjects are lazily loaded; each sharp one is a look that is logged, and counted against its limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import Depends, FastAPI, File, Form, Request, Response, UploadFile

from infra.postgres import Database
from operators.embed import ALIKE, SAME, SURE
from schemas.errors import AccessDenied, SealframeError, SeveralFaces, UsageError
from streams.desk.case_pages import about, readable
from streams.desk.visit import Visits
from streams.desk.words import face_words, input_time, plate_words, read_time, share
from streams.forensic.gate import Ground, noted
from streams.forensic.plate_search import PlateAnswer
from streams.forensic.probe import MAX_PICTURES
from streams.forensic.search import Period, SearchAnswer
from streams.forensic.search_api import MAX_PICTURE_BYTES
from streams.forensic.service import Forensics
from streams.forensic.terms import MAX_MS, Case, typed
from streams.pages.render import Pages

LEVELS = {"same": (SAME, "as one person's pictures are"), "alike": (ALIKE, "loosely: more strangers"),
          "sure": (SURE, "surely: fewer are found")}
WIDTH, NARROWEST = 1000, 6.0
Portrait = Callable[[str, bool], bytes]
SEALED_TOGETHER = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 128 128" width="128" height="128">
<rect width="128" height="128" fill="#0b0f14"/><g fill="#e7edf3" font-family="system-ui, sans-serif" font-size="14"
text-anchor="middle"><text x="64" y="50">Nothing</text><text x="64" y="70">to show of</text>
<text x="64" y="90">this one alone</text></g></svg>"""
"""In place of a picture: what is kept was sealed together with others, as a late camera's crowd is, or is no more."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody typed into a search, as it is shown again."""

    purpose: str
    cameras: tuple[str, ...] = ()
    begin: str = ""
    end: str = ""
    level: str = "same"
    text: str = ""
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A match as it is shown. `runs`: where in its video it is seen, as (x, width) of `WIDTH`."""

    subject_id: str
    camera_id: str
    from_ms: int
    to_ms: int
    title: str
    sure: bool
    said: str
    quality: float
    looks: int
    runs: tuple[tuple[float, float], ...]
    video_ms: int


def asked_by(
    purpose: Annotated[str, Form()] = "", camera: Annotated[list[str] | None, Form()] = None,
    begin: Annotated[str, Form()] = "", end: Annotated[str, Form()] = "", level: Annotated[str, Form()] = "same",
    text: Annotated[str, Form()] = "", exact: Annotated[str, Form()] = "",
) -> Asked:
    """The fields of a search's form, as a dependency."""
    return Asked(purpose, tuple(camera or ()), begin, end, level, text, bool(exact))


def add_search(
    app: FastAPI, pages: Pages, visits: Visits, service: Forensics, database: Database, portrait: Portrait,
    cameras: Callable[[], Sequence[str]],
) -> None:
    """Put the pages into an app; `portrait(subject, blurred)` draws, `cameras()` names those with evidence."""
    door, gate = visits.door, service.gate

    def show(request: Request, case: Case, person: Any, asked: Asked, **results: Any) -> Response:
        scope = case.terms.scope
        named = [name for name in cameras() if scope.has_camera(name)]
        nothing = {"answer": None, "found": (), "fault": "", "plate": False, "boxes": ()}
        return pages.show(
            request, "case.html", 422 if results.get("fault") else 200, title=case.terms.title, asked=asked,
            named=named, levels=LEVELS, earliest=input_time(scope.from_ms), latest=input_time(scope.to_ms),
            share=share, **{**nothing, **about(gate.cases, case, person), **results},
        )

    @app.get("/cases/{case_id}", include_in_schema=False)
    def case(request: Request, case_id: str) -> Response:
        person = door.person(request, "case-read", case_id)
        found = readable(visits, person, case_id)
        return show(request, found, person, Asked(found.terms.title))

    @app.post("/cases/{case_id}/face", include_in_schema=False)
    def face(
        request: Request, case_id: str, asked: Annotated[Asked, Depends(asked_by)],
        picture: Annotated[list[UploadFile], File(max_length=MAX_PICTURES)], face: Annotated[str, Form()] = "",
    ) -> Response:
        person = door.person(request, "search-face", case_id, asked.purpose)
        found = readable(visits, person, case_id)
        try:
            ground = door.ground(request, "search-face", case_id, asked.purpose)
            data = [one.file.read(MAX_PICTURE_BYTES + 1) for one in picture]
            if max(map(len, data), default=0) > MAX_PICTURE_BYTES:
                raise UsageError(f"pictures may have {MAX_PICTURE_BYTES // 2**20} MiB")
            answer = service.search_face(
                data, ground, cameras=asked.cameras or None, period=_period(asked, found), threshold=_threshold(asked),
                face=int(face) if face.isdecimal() and len(face) < 4 else None,
            )
        except SeveralFaces as error:
            return show(request, found, person, asked, fault=str(error), boxes=error.boxes)
        except (UsageError, AccessDenied) as error:
            return show(request, found, person, asked, fault=str(error))
        return show(request, found, person, asked, answer=answer, found=faces(database, answer))

    @app.post("/cases/{case_id}/subject", include_in_schema=False)
    def elsewhere(
        request: Request, case_id: str, asked: Annotated[Asked, Depends(asked_by)], subject: Annotated[str, Form()]
    ) -> Response:
        person = door.person(request, "search-face", case_id, asked.purpose)
        found = readable(visits, person, case_id)
        try:
            ground = door.ground(request, "search-face", case_id, asked.purpose)
            answer = service.search_subject(subject, ground, threshold=_threshold(asked))
        except (UsageError, AccessDenied) as error:
            return show(request, found, person, asked, fault=str(error))
        return show(request, found, person, asked, answer=answer, found=faces(database, answer))

    @app.post("/cases/{case_id}/plate", include_in_schema=False)
    def plate(request: Request, case_id: str, asked: Annotated[Asked, Depends(asked_by)]) -> Response:
        person = door.person(request, "search-plate", case_id, asked.purpose)
        found = readable(visits, person, case_id)
        try:
            ground = door.ground(request, "search-plate", case_id, asked.purpose)
            answer = service.search_plate(asked.text, ground, cameras=asked.cameras or None,
                                          period=_period(asked, found), exact=asked.exact)
        except (UsageError, AccessDenied) as error:
            return show(request, found, person, asked, fault=str(error), plate=True)
        return show(request, found, person, asked, answer=answer, found=plates(database, answer), plate=True)

    @app.get("/desk/picture", include_in_schema=False)
    def picture(request: Request, case: str, subject: str, purpose: str) -> Response:
        """A subject's best region: sharp where the case allows it, which is logged; else blurred."""
        ground = door.ground(request, "picture", case, purpose)
        with noted(service.log, "picture", ground.actor, case, purpose, {"subject": typed(subject)}):
            sharp = sees(service, ground, subject)
        try:
            data = portrait(subject, not sharp)
        except SealframeError:
            return Response(SEALED_TOGETHER, 404, media_type="image/svg+xml")
        if sharp:
            service.log.append("picture", ground.actor, case, purpose, {"subject": subject})
        return Response(data, media_type="image/jpeg")


def sees(service: Forensics, ground: Ground, subject_id: str) -> bool:
    """Whether this person may see the subject's picture sharp; blurred only what a search of their case lists.

    Raises:
        AccessDenied, UsageError: see `Gate.blurred`.
        RateLimited: too many pictures in an hour.

    """
    if service.gate.sees(ground, subject_id):
        return True
    service.gate.blurred(ground, subject_id)
    return False


def faces(database: Database, answer: SearchAnswer) -> list[Found]:
    """The matches of a face search as they are shown."""
    made = [
        Found(match.subject_id, match.camera_id, match.from_ms, match.to_ms,
              "Sure match" if match.sure else "Possible match", match.sure, face_words(match), match.quality,
              match.looks, (), 0)
        for match in answer.matches
    ]
    return _with_runs(database, made)


def plates(database: Database, answer: PlateAnswer) -> list[Found]:
    """The matches of a plate search as they are shown."""
    made = [
        Found(match.subject_id, match.camera_id, match.from_ms, match.to_ms, match.text, match.exact,
              plate_words(match, answer), match.quality, 1, (), 0)
        for match in answer.matches
    ]
    return _with_runs(database, made)


def _with_runs(database: Database, found: Sequence[Found]) -> list[Found]:
    """Where in its video each is seen: the spans of its tracks, frames laid over its time."""
    ids = [one.subject_id for one in found]
    with database.connection() as db:
        rows = db.execute(
            "SELECT s.subject_id, v.start_ms, coalesce(v.end_ms, s.to_ms), s.from_ms, s.to_ms,"
            " array_agg(p.first_frame ORDER BY p.first_frame), array_agg(p.last_frame ORDER BY p.first_frame)"
            " FROM subjects s JOIN videos v USING (video_id)"
            " JOIN spans p ON p.video_id = s.video_id AND p.track = ANY(s.tracks)"
            " WHERE s.subject_id = ANY(%s) GROUP BY 1, 2, 3, 4, 5", (ids,),
        ).fetchall()
    known = {row[0]: row[1:] for row in rows}
    made = []
    for one in found:
        start, end, first, last, begins, ends = known.get(
            one.subject_id, (one.from_ms, one.to_ms, one.from_ms, one.to_ms, [0], [1])
        )
        length, frames = max(1, end - start), max(1, max(ends) - min(begins))
        runs = [((first - start + (last - first) * (a - begins[0]) / frames) / length,
                 (last - first) * (b - a) / frames / length) for a, b in joined(zip(begins, ends, strict=True))]
        made.append(replace(one, runs=tuple(_drawn(*run) for run in runs), video_ms=length))
    return made


def joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans of frames, those that touch or overlap as one; they come in the order of their first frames."""
    made: list[tuple[int, int]] = []
    for first, last in spans:
        if made and first <= made[-1][1] + 1:
            made[-1] = (made[-1][0], max(made[-1][1], last))
        else:
            made.append((first, last))
    return made


def _drawn(at: float, share: float) -> tuple[float, float]:
    x = min(WIDTH - NARROWEST, max(0.0, WIDTH * at))
    return round(x, 1), round(min(WIDTH - x, max(NARROWEST, WIDTH * share)), 1)


def _threshold(asked: Asked) -> float:
    if asked.level not in LEVELS:
        raise UsageError("choose how alike the faces must be")
    return LEVELS[asked.level][0]


def _period(asked: Asked, case: Case) -> Period | None:
    """The period typed; what is left open is taken from the case."""
    begin, end = read_time(asked.begin, "from"), read_time(asked.end, "until", end=True)
    if begin is None and end is None:
        return None
    scope = case.terms.scope
    first = scope.from_ms if begin is None else begin
    return Period(first, min(scope.to_ms, MAX_MS) if end is None else min(end, max(first, scope.to_ms)))
