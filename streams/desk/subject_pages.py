"""Pages for a person who was found: their own appearances packed for them, and their erasure with its proof.

A person is the subjects that somebody ticked: each is of one video. Both need a case that allows them; what was asked
for shows in the address, so nothing is kept between the pages but restorations and entries of the access log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import FastAPI, Form, Query, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse, StreamingResponse
from pydantic import Field

from schemas.errors import AccessDenied, UsageError
from streams.desk.case_pages import SEE_OTHER, about, readable
from streams.desk.log_pages import MAX_SEQ
from streams.desk.restore_pages import ID, STATES
from streams.desk.visit import Visits
from streams.forensic.export import Appearance, archive_of
from streams.forensic.proofs import inclusion_json
from streams.forensic.restorations import UNFINISHED, Restoration, Wish
from streams.forensic.service import Forensics
from streams.forensic.subjects import SubjectDesk
from streams.forensic.terms import MAX_WORDS, typed
from streams.pages.render import Pages
from streams.words import plural

MAX_CHOSEN = 50
"""Subjects of one person that are exported or erased at once."""
Chosen = Annotated[list[str] | None, Query(max_length=MAX_CHOSEN)]
Ticked = Annotated[list[str] | None, Form(max_length=MAX_CHOSEN)]
Jobs = Annotated[list[Annotated[str, Field(pattern=ID)]], Query(min_length=1, max_length=MAX_CHOSEN)]
Entry = Annotated[int, Query(ge=0, lt=MAX_SEQ)]
Entries = Annotated[list[Annotated[int, Field(ge=0, lt=MAX_SEQ)]], Query(min_length=1, max_length=MAX_CHOSEN)]
NOBODY = "tick at least one match that shows the person"


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a form of this module holds."""

    case_id: str
    subjects: tuple[str, ...]
    purpose: str
    fault: str = ""
    done: tuple[int, ...] = ()


def add_subjects(
    app: FastAPI, pages: Pages, visits: Visits, service: Forensics, subjects: SubjectDesk, ca: Path
) -> None:
    """Put the pages into an app; `ca`: certificate of the authority's CA, which goes into every archive."""
    _add_export(app, pages, visits, service, ca)
    _add_erasure(app, pages, visits, service, subjects)


def _add_export(app: FastAPI, pages: Pages, visits: Visits, service: Forensics, ca: Path) -> None:
    door = visits.door

    def mine(request: Request, jobs: Sequence[str]) -> list[Restoration]:
        """These exports of one case, in the order of the address."""
        person = door.person(request, "export").person
        found = [service.restoration(job, person) for job in dict.fromkeys(jobs)]
        if len({job.case_id for job in found}) > 1 or {job.action for job in found} != {"export"}:
            raise UsageError("an archive holds exports of one case")
        return found

    @app.get("/cases/{case_id}/export", include_in_schema=False)
    def asked(request: Request, case_id: str, subject: Chosen = None, purpose: str = "") -> Response:
        return show(request, _asked(case_id, subject, purpose))

    def show(request: Request, form: _Asked) -> Response:
        person = door.person(request, "export", form.case_id, form.purpose)
        case = readable(visits, person, form.case_id)
        return pages.show(request, "export.html", _status(form), title="Export", form=form,
                          **about(service.gate.cases, case, person))

    @app.post("/cases/{case_id}/export", include_in_schema=False)
    def begin(
        request: Request, case_id: str, subject: Ticked = None, purpose: Annotated[str, Form()] = "",
        with_gaps: Annotated[str, Form()] = "", lossless: Annotated[str, Form()] = "",
    ) -> Response:
        form = _asked(case_id, subject, purpose)
        if form.fault:
            return show(request, form)
        try:
            ground = door.ground(request, "export", case_id, purpose)
            wish = Wish(with_gaps=bool(with_gaps), lossless=bool(lossless))
            jobs = [service.begin_restoration(one, ground, wish, "export") for one in form.subjects]
        except (AccessDenied, UsageError) as error:
            return show(request, _Asked(case_id, form.subjects, purpose, str(error)))
        return RedirectResponse(f"/exports?{_listed('job', [job.restoration_id for job in jobs])}", SEE_OTHER)

    @app.get("/exports", include_in_schema=False)
    def archive(request: Request, job: Jobs) -> Response:
        found = mine(request, job)
        return pages.show(
            request, "exports.html", title="Export", jobs=found, states=STATES,
            over=all(one.state not in UNFINISHED for one in found), query=_listed("job", job),
            whole=[one for one in found if one.state == "done"],
        )

    @app.get("/desk/export", include_in_schema=False)
    def fetched(request: Request, job: Jobs) -> Response:
        found = mine(request, job)
        if any(one.state in UNFINISHED for one in found):
            raise UsageError("not all of it is made yet: wait until its page says so")
        shown = []
        for one in found:
            if one.state == "done" and one.manifest is not None:
                _, content = service.restored_file(one.restoration_id, one.person)
                shown.append(Appearance(content, one.manifest))
        if not shown:
            raise UsageError("nothing of it could be restored whole, so there is no archive")
        missing = [(one.subject_id, _missing(one)) for one in found if one.state != "done"]
        named = {"Content-Disposition": f'attachment; filename="appearances-{typed(found[0].case_id)}.zip"'}
        return StreamingResponse(archive_of(shown, missing, ca).pieces(), media_type="application/zip", headers=named)


def _add_erasure(app: FastAPI, pages: Pages, visits: Visits, service: Forensics, subjects: SubjectDesk) -> None:
    door = visits.door

    @app.get("/cases/{case_id}/erase", include_in_schema=False)
    def asked(request: Request, case_id: str, subject: Chosen = None, purpose: str = "") -> Response:
        return show(request, _asked(case_id, subject, purpose))

    def show(request: Request, form: _Asked) -> Response:
        person = door.person(request, "erase", form.case_id, form.purpose)
        case = readable(visits, person, form.case_id)
        held = {one: hold for one in form.subjects if (hold := subjects.hold(one)) is not None}
        return pages.show(request, "erase.html", _status(form), title="Erase", form=form, held=held,
                          **about(service.gate.cases, case, person))

    @app.post("/cases/{case_id}/erase", include_in_schema=False)
    def erase(
        request: Request, case_id: str, subject: Ticked = None, purpose: Annotated[str, Form()] = "",
        understood: Annotated[str, Form()] = "",
    ) -> Response:
        form = _asked(case_id, subject, purpose)
        if not form.fault and not understood:
            form = _Asked(case_id, form.subjects, purpose, "say that you know that this can't be taken back")
        if form.fault:
            return show(request, form)
        entries: list[int] = []
        for at, one in enumerate(form.subjects):
            try:
                entries.append(subjects.erase(one, door.ground(request, "erase", case_id, purpose)).entry)
            except (AccessDenied, UsageError) as error:
                return show(request, _Asked(case_id, form.subjects[at:], purpose, str(error), tuple(entries)))
        return RedirectResponse(f"/erasures?{_listed('entry', entries)}", SEE_OTHER)

    @app.get("/erasures", include_in_schema=False)
    def proven(request: Request, entry: Entries) -> Response:
        person = door.person(request, "erase")
        done = [subjects.erasure(one, person).content for one in dict.fromkeys(entry)]
        return pages.show(request, "erasures.html", title="Erased", done=done)

    @app.get("/desk/proof", include_in_schema=False)
    def proof(request: Request, entry: Entry) -> Response:
        """That the entry of an erasure is in the log: for whoever made it, to be handed on."""
        subjects.erasure(entry, door.person(request, "erase"))
        named = {"Content-Disposition": f'attachment; filename="erasure-{entry}.proof.json"'}
        return JSONResponse(inclusion_json(service.log.prove(entry)), headers=named)


def _asked(case_id: str, subjects: Sequence[str] | None, purpose: str) -> _Asked:
    found = tuple(dict.fromkeys(one[:MAX_WORDS] for one in subjects or ()))
    return _Asked(case_id, found, purpose, "" if found else NOBODY)


def _status(form: _Asked) -> int:
    return 422 if form.fault else 200


def _listed(name: str, values: Sequence[Any]) -> str:
    return urlencode([(name, value) for value in values])


def _missing(job: Restoration) -> str:
    """Why a restoration gave nothing."""
    return plural(len(job.gaps), "gap") if job.state == "gaps" else job.error or STATES[job.state][0]
